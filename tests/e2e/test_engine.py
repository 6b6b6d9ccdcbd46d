"""Every field of `engine`, by its effect in the running daemon, with a real registry beside it."""

from __future__ import annotations

import pytest
from tests.e2e.environment import Environment
from tests.e2e.images import give_busybox
from tests.e2e.registry import registry


def client(env: Environment, name: str = "client", daemon: str = "build") -> None:
    """A client pod that is up."""
    env.client(name, daemon)
    env.ready(daemon)
    env.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")


def push_and_pull(env: Environment, image: str) -> None:
    give_busybox(env, "client")
    env.exec("client", "docker", "tag", "busybox:1.37", image)
    env.exec("client", "docker", "push", "-q", image)
    env.exec("client", "docker", "rmi", "-f", image, "busybox:1.37", "busybox:latest")
    env.exec("client", "docker", "pull", "-q", image)
    assert env.exec("client", "docker", "run", "--rm", image, "echo", "pulled").strip() == "pulled"


def test_an_insecure_registry_is_spoken_to_and_others_are_not(env: Environment) -> None:
    host, _ = registry(env)
    env.nested_docker("build", mode="Dind", engine={"insecureRegistries": [host]})
    client(env)
    push_and_pull(env, f"{host}/busybox:1")
    env.nested_docker("strict", mode="Dind")
    client(env, "strict-client", "strict")
    refused = env.exec("strict-client", "sh", "-c", f"docker pull {host}/busybox:1 2>&1 || true")
    assert "HTTP response to HTTPS client" in refused


def test_a_mirror_is_asked_before_the_hub(env: Environment) -> None:
    host, _ = registry(env)
    env.nested_docker(
        "build", mode="Dind", engine={"insecureRegistries": [host], "mirrors": {"docker.io": [f"http://{host}"]}}
    )
    client(env)
    give_busybox(env, "client")
    env.exec("client", "docker", "tag", "busybox:1.37", f"{host}/library/only-here:1")
    env.exec("client", "docker", "push", "-q", f"{host}/library/only-here:1")
    env.exec("client", "docker", "rmi", f"{host}/library/only-here:1")
    env.exec("client", "docker", "pull", "-q", "only-here:1")
    assert env.docker_info("build")["RegistryConfig"]["Mirrors"] == [f"http://{host}/"]


def test_mirrors_that_the_engine_ignores_are_a_hazard(env: Environment) -> None:
    mirrors = {"ghcr.io": ["https://mirror.example.com"]}
    env.nested_docker("build", mode="Dind", engine={"mirrors": mirrors, "storageDriver": "overlay2"})
    hazards = {hazard["type"]: hazard["message"] for hazard in env.ready("build")["hazards"]}
    assert "ignores spec.engine.mirrors of ghcr.io" in hazards["MirrorsIgnored"]
    assert '[host."https://mirror.example.com"]' in env.daemon("build", "cat", "/etc/docker/certs.d/ghcr.io/hosts.toml")


def test_a_ca_bundle_makes_a_private_registry_trusted(env: Environment) -> None:
    host, authority = registry(env, tls=True)
    env.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "corporate"},
            "data": {"ca.crt": authority.decode()},
        }
    )
    env.nested_docker("build", mode="Dind", engine={"caBundleRef": {"name": "corporate"}})
    client(env)
    push_and_pull(env, f"{host}/busybox:1")


def test_a_missing_ca_bundle_is_told(env: Environment) -> None:
    env.nested_docker("build", mode="Dind", engine={"caBundleRef": {"name": "gone"}})
    assert 'configmap "gone" not found' in env.settles("build", "PodStartFailed", timeout=60)


def test_pools_dns_and_free_configuration(env: Environment) -> None:
    engine = {
        "addressPools": [{"base": "10.99.0.0/16", "size": 24}],
        "dns": ["10.98.0.53"],
        "config": {"labels": ["team=a"], "max-concurrent-downloads": 2},
    }
    env.nested_docker("build", mode="Dind", engine=engine)
    client(env)
    give_busybox(env, "client")
    env.exec("client", "docker", "network", "create", "own")
    subnet = env.exec("client", "docker", "network", "inspect", "own", "-f", "{{(index .IPAM.Config 0).Subnet}}")
    assert subnet.startswith("10.99.")
    assert "10.98.0.53" in env.exec("client", "docker", "run", "--rm", "busybox", "cat", "/etc/resolv.conf")
    info = env.docker_info("build")
    assert info["Labels"] == ["team=a"]


def test_proxies_are_the_daemons(env: Environment) -> None:
    proxy = {"httpProxy": "http://proxy.invalid:3128", "httpsProxy": "http://proxy.invalid:3128", "noProxy": ".svc"}
    env.nested_docker("build", mode="Dind", engine={"proxy": proxy})
    client(env)
    info = env.docker_info("build")
    assert (info["HttpProxy"], info["HttpsProxy"], info["NoProxy"]) == tuple(proxy.values())
    failed = env.exec("client", "sh", "-c", "docker pull busybox:none 2>&1 || true")
    assert "proxy.invalid" in failed


@pytest.mark.parametrize(("backend", "word"), [("Legacy", "legacy"), ("Nft", "nf_tables")])
def test_iptables_is_the_one_that_is_asked_for(env: Environment, backend: str, word: str) -> None:
    env.nested_docker("build", mode="Dind", engine={"iptables": backend})
    client(env)
    path = env.daemon("build", "sh", "-c", "tr '\\0' '\\n' < /proc/1/environ | sed -n s/^PATH=//p").strip()
    assert word in env.daemon("build", "env", f"PATH={path}", "iptables", "--version")


def test_a_slow_storage_driver_is_told_as_a_hazard(env: Environment) -> None:
    env.nested_docker("build", mode="Dind", engine={"storageDriver": "vfs"})
    status = env.ready("build")
    assert status["engine"]["storageDriver"] == "vfs"
    hazard = next(each for each in status["hazards"] if each["type"] == "SlowStorageDriver")
    assert "every layer is a full copy" in hazard["message"]


def test_a_pull_secret_reaches_the_kubelet(env: Environment) -> None:
    env.nested_docker("build", mode="Dind", engine={"imagePullSecrets": [{"name": "pull"}]})
    pod = env.get("pod", env.ready("build")["podName"])
    assert pod["spec"]["imagePullSecrets"] == [{"name": "pull"}]
