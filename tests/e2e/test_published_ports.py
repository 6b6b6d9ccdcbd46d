"""What a client publishes on its Docker host, it reaches there."""

from __future__ import annotations

import base64
import socket
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy
from tests.e2e.environment import Environment
from tests.e2e.images import give_busybox
from tests.support.cluster import HOME

SERVER = ("sh", "-c", "echo reached > /f; echo ready; exec httpd -f -p 80 -h /")


def data(env: Environment, secret: str) -> dict[str, bytes]:
    """The decoded data of a Secret."""
    return {key: base64.b64decode(value) for key, value in env.get("secret", secret)["data"].items()}


def client_of(env: Environment, nested_docker: str, *, images: bool = True) -> None:
    """A client of a daemon that has busybox; the node's daemon has it."""
    env.client("client", nested_docker)
    env.ready(nested_docker)
    env.kubectl("wait", "--for=condition=Ready", "pod/client", "--timeout=60s")
    if images:
        give_busybox(env, "client")


@pytest.mark.parametrize("mode", ["Dind", "Sysbox"])
def test_a_published_port_answers_at_the_host_of_docker_host(env: Environment, mode: str) -> None:
    env.nested_docker("build", mode=mode)
    client_of(env, "build")
    env.exec("client", "docker", "run", "-d", "-p", "8080:80", "busybox", *SERVER)
    host = env.exec("client", "sh", "-c", "echo ${DOCKER_HOST#tcp://}").strip().removesuffix(":2376")
    assert host == f"build.{env.namespace}.svc"
    assert env.exec("client", "busybox", "wget", "-T", "5", "-q", "-O-", f"http://{host}:8080/f") == "reached\n"


def test_a_published_port_of_the_node_s_daemon_answers_at_the_node(env: Environment) -> None:
    env.nested_docker("host", className="host", mode="HostSocket")
    client_of(env, "host", images=False)
    container = env.exec("client", "docker", "run", "-d", "-p", "80", "busybox", *SERVER).strip()
    port = env.exec("client", "docker", "port", container, "80").splitlines()[0].rpartition(":")[2]
    node = env.exec("client", "sh", "-c", "echo $TESTCONTAINERS_HOST_OVERRIDE").strip()
    assert node == env.get("pod", env.get("nd", "host")["status"]["podName"])["status"]["hostIP"]
    served = f"http://{node}:{port}/f"
    assert env.exec("client", "busybox", "wget", "-T", "5", "-q", "-O-", served) == "reached\n"


@pytest.mark.parametrize("mode", ["Dind", "HostSocket"])
def test_testcontainers_for_go_finds_its_ports(env: Environment, mode: str) -> None:
    """From a pod of the cluster, as a CI job runs it."""
    guarded = mode == "HostSocket"
    env.nested_docker("build", mode=mode, **({"className": "host"} if guarded else {}))
    client_of(env, "build", images=not guarded)
    env.kubectl("cp", str(HOME / "bin/testcontainers-probe"), "client:/testcontainers-probe")
    host = f"build.{env.namespace}.svc"
    if guarded:
        host = env.get("pod", env.get("nd", "build")["status"]["podName"])["status"]["hostIP"]
    said = env.exec("client", "env", "TESTCONTAINERS_RYUK_DISABLED=true", "/testcontainers-probe")
    url, _, page = said.strip().splitlines()[-1].partition(" ")
    assert (url.rpartition(":")[0], page) == (f"http://{host}", "reached")


def test_testcontainers_finds_its_ports(env: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From outside the cluster, with the cluster's answer for the daemon's name."""
    env.nested_docker("build", mode="Dind")
    client_of(env, "build")
    pod = env.get("pod", env.get("nd", "build")["status"]["podName"])
    host, address = f"build.{env.namespace}.svc", pod["status"]["podIP"]
    resolve = socket.getaddrinfo

    def answer(name: Any, *rest: Any, **more: Any) -> Any:
        return resolve(address if name == host else name, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    for name, value in data(env, "build-docker").items():
        (tmp_path / name).write_bytes(value)
    variables = {key: value.decode() for key, value in data(env, "build-docker-env").items()}
    variables |= {"DOCKER_CERT_PATH": str(tmp_path), "TESTCONTAINERS_RYUK_DISABLED": "true"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # requests would prefer them to the authority in the Secret
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(testcontainers_config, "_ryuk_disabled", None)  # read again
    container = DockerContainer("busybox").with_exposed_ports(80).with_command([*SERVER])
    with container.waiting_for(LogMessageWaitStrategy("ready")) as running:
        assert running.get_container_host_ip() == host
        with urlopen(f"http://{host}:{running.get_exposed_port(80)}/f", timeout=10) as response:
            assert response.read() == b"reached\n"
