"""testcontainers through the guard, without Ryuk, which needs the daemon's socket."""

from __future__ import annotations

from pathlib import Path

import pytest
from docker.errors import APIError
from testcontainers.compose import DockerCompose
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.image import DockerImage
from testcontainers.core.network import Network
from testcontainers.core.wait_strategies import HealthcheckWaitStrategy, LogMessageWaitStrategy
from tests.guard.dockerd import Dockerd
from tests.guard.owner import Owner
from tests.guard.plugins import installed

SERVER = ["sh", "-c", "echo content > /tmp/file; echo 'I am ready'; exec httpd -f -p 8080 -h /tmp"]


@pytest.fixture
def job(alice: Owner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Owner:
    """The owner whose socket is in the environment, with the settings of docs/guard.md."""
    variables = {"DOCKER_HOST": f"unix://{alice.socket}", "TESTCONTAINERS_RYUK_DISABLED": "true"}
    for name, value in {**variables, **installed(tmp_path / "config", "compose")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(testcontainers_config, "_ryuk_disabled", None)  # read again
    return alice


def server() -> DockerContainer:
    container = DockerContainer("busybox").with_exposed_ports(8080).with_command(SERVER)
    return container.waiting_for(LogMessageWaitStrategy("I am ready"))


def test_a_container_is_awaited_used_and_stopped(job: Owner, dockerd: Dockerd) -> None:
    with server() as container:
        made = container.get_container_id()
        port = container.get_exposed_port(8080)
        assert dockerd.docker("port", made, "8080").splitlines()[0] == f"0.0.0.0:{port}"
        assert container.exec(["cat", "/tmp/file"]).output == b"content\n"
        assert container.exec("sh -c 'exit 3'").exit_code == 3
        assert container.get_logs() == (b"I am ready\n", b"")
        container.copy_into_container(b"brought", "/tmp/brought")
        assert container.exec(["cat", "/tmp/brought"]).output == b"brought"
    assert made not in dockerd.docker("ps", "-aq", "--no-trunc").split()


def test_the_published_port_is_served_on_the_node(job: Owner) -> None:
    with server() as container:
        node = container.get_docker_client().gateway_ip(container.get_container_id())
        address = f"http://{node}:{container.get_exposed_port(8080)}/file"
        with DockerContainer("busybox").with_command(["wget", "-q", "-O", "-", address]) as client:
            assert client.wait() == 0
            assert client.get_logs() == (b"content\n", b"")


def test_containers_of_a_network_reach_each_other_by_name(job: Owner) -> None:
    with (
        Network() as network,
        server().with_network(network).with_network_aliases("origin"),
        DockerContainer("busybox")
        .with_network(network)
        .with_command(["wget", "-q", "-O", "-", "http://origin:8080/file"]) as client,
    ):
        assert client.wait() == 0
        assert client.get_logs()[0] == b"content\n"


def test_health_checks_are_awaited(job: Owner) -> None:
    check = {"test": ["CMD", "test", "-f", "/tmp/file"], "interval": 200_000_000}
    container = DockerContainer("busybox").with_command(SERVER).with_kwargs(healthcheck=check)
    with container.waiting_for(HealthcheckWaitStrategy()) as healthy:
        assert healthy.exec("true").exit_code == 0


def test_images_are_built_used_and_removed(job: Owner, dockerd: Dockerd, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN echo built > /file\nCMD cat /file\n")
    with (
        DockerImage(path=tmp_path, tag="localhost/testcontainers:1") as image,
        DockerContainer(str(image)) as container,
    ):
        assert container.wait() == 0
        assert container.get_logs()[0] == b"built\n"
    assert not dockerd.docker("images", "-q", "localhost/testcontainers")


def test_compose_projects(job: Owner, tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {one: {image: busybox, command: [sleep, '300'], init: true}}\n")
    with DockerCompose(tmp_path) as project:
        assert project.exec_in_container(["echo", "inside"], "one")[0].strip() == "inside"


def test_ryuk_is_denied_with_the_remedy(job: Owner, dockerd: Dockerd, monkeypatch: pytest.MonkeyPatch) -> None:
    before = dockerd.docker("ps", "-aq")
    monkeypatch.setenv("TESTCONTAINERS_RYUK_DISABLED", "false")
    remedy = "set TESTCONTAINERS_RYUK_DISABLED=true"
    with pytest.raises(APIError, match=rf"{remedy}.* \(rule: images\.pull\)"), server():
        pass
    monkeypatch.setattr(testcontainers_config, "ryuk_image", "busybox:latest")  # an image that the rules allow
    with pytest.raises(APIError, match=rf"the daemon's socket; .*{remedy}.* \(rule: containers\.binds\)"), server():
        pass
    assert dockerd.docker("ps", "-aq") == before
