"""Old versions of the API through the guard: the daemon gets one version, and old clients still work."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from docker import DockerClient
from tests.guard.conftest import RULES
from tests.guard.dockerd import Dockerd
from tests.guard.owner import Owner

OLD = ("1.24", "1.25", "1.30", "1.32", "1.35", "1.39", "1.40", "1.41")


def newest_version(dockerd: Dockerd) -> str:
    return dockerd.docker("version", "--format", "{{.Server.APIVersion}}")


def created(dockerd: Dockerd, alice: Owner, version: str, **host: Any) -> Any:
    answer = alice.request("POST", f"/v{version}/containers/create", {"Image": "busybox", "HostConfig": host})
    assert answer.status == 201, answer.body
    identifier = json.loads(answer.body)["Id"]
    inspected = json.loads(dockerd.docker("inspect", identifier))[0]
    assert alice.request("DELETE", f"/v{version}/containers/{identifier}").status == 204
    return {key: value for key, value in inspected["HostConfig"].items() if key != "Annotations"}


@pytest.mark.parametrize("version", OLD)
def test_an_old_version_gives_a_container_no_other_defaults(dockerd: Dockerd, alice: Owner, version: str) -> None:
    """Before 1.40 the default IPC namespace is shareable, and before 1.41 that of cgroups may be the node's."""
    newest, old = created(dockerd, alice, newest_version(dockerd)), created(dockerd, alice, version)
    assert old["IpcMode"] == newest["IpcMode"] == "private"
    assert old == newest


@pytest.mark.parametrize("version", OLD)
def test_an_old_version_ignores_no_field(dockerd: Dockerd, alice: Owner, version: str) -> None:
    """Before 1.25 AutoRemove is ignored."""
    assert created(dockerd, alice, version, AutoRemove=True)["AutoRemove"] is True


@pytest.mark.parametrize("version", OLD)
def test_the_sdk_for_python_works_in_an_old_version(alice: Owner, version: str) -> None:
    client = DockerClient(base_url=f"unix://{alice.socket}", version=version)
    container = client.containers.run("busybox", ["sleep", "60"], detach=True, name=f"sdk-{version}")
    try:
        assert container.exec_run(["echo", "hello"]).output == b"hello\n"
        assert client.containers.get(container.id).attrs["NetworkSettings"]["IPAddress"]
        assert [each.id for each in client.containers.list(filters={"name": f"sdk-{version}"})] == [container.id]
        assert client.images.get("busybox").attrs["VirtualSize"] > 0
    finally:
        container.remove(force=True)
        client.close()


@pytest.mark.parametrize("version", ["1.24", "1.32", "1.40"])
def test_the_docker_cli_works_in_an_old_version(alice: Owner, version: str) -> None:
    assert alice.docker("run", "--rm", "busybox", "echo", "hello", env={"DOCKER_API_VERSION": version}) == "hello"


@pytest.mark.parametrize("version", [*OLD, "1.43", "1.44"])
def test_a_read_only_bind_is_read_only_below(
    dockerd: Dockerd, owners: Callable[[dict[str, Any]], Owner], version: str
) -> None:
    """Before 1.44 what is mounted below a read-only bind is writable; here it is the daemon's own data."""
    owner = owners({**RULES, "containers": {"binds": [{"path": "/var/lib", "readOnly": True}]}})
    script = "ls /t/docker/image && touch /t/hole; touch /t/docker/hole"
    ran = owner.run("run", "--rm", "-v", "/var/lib:/t:ro", "--network=none", "busybox", "sh", "-c", script,
                    env={"DOCKER_API_VERSION": version})  # fmt: skip
    assert ran.returncode == 1, ran
    assert ran.stdout, "nothing is mounted below: the test shows nothing"
    assert b"/t/docker/hole: Read-only file system" in ran.stderr
    assert not (dockerd.folder / "data" / "hole").exists()


def test_a_newer_version_than_the_daemons_is_denied(old_dockerd: Dockerd, eve: Owner) -> None:
    answer = eve.request("GET", "/v1.56/info")
    assert answer.status == 400
    newest = newest_version(old_dockerd)
    assert f"client version 1.56 is too new. Maximum supported API version is {newest}" in answer.message


def test_a_newer_version_than_the_guards_is_denied(alice: Owner) -> None:
    answer = alice.request("GET", "/v1.57/info")
    assert answer.status == 400
    assert "API version 1.57 is not between 1.24 and 1.56" in answer.message


def test_an_old_daemon_runs_and_builds_for_the_newest_client(eve: Owner, tmp_path: Path) -> None:
    assert eve.docker("run", "--rm", "busybox", "echo", "hello") == "hello"
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN true\n")
    eve.docker("build", "-q", str(tmp_path))


def test_clients_learn_the_versions_of_the_guard(dockerd: Dockerd, alice: Owner) -> None:
    shown = alice.request("GET", "/version").json
    assert (shown["ApiVersion"], shown["MinAPIVersion"]) == (newest_version(dockerd), "1.24")
