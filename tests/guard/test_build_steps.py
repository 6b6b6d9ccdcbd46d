"""Containers of build steps: they have no label of the guard, but their owner is known."""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.guard.conftest import RULES
from tests.guard.dockerd import Dockerd
from tests.guard.owner import Owner

from nested_docker.guard.daemon.removal import remove_all

SLOW = "FROM busybox\nLABEL nesteddocker.dev/uid=forged\nRUN sleep 300\n"


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Dockerd]:
    """A daemon that the test may kill, since no other test uses it."""
    folder = tmp_path / "mortal"
    folder.mkdir()
    daemon = Dockerd(folder)
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.stop()


@pytest.fixture
def couple(mortal: Dockerd, tmp_path: Path) -> Iterator[Callable[[], Owner]]:
    """A function that creates owners at this daemon."""
    made: list[Owner] = []

    def make() -> Owner:
        folder = tmp_path / f"owner{len(made)}"
        folder.mkdir()
        made.append(Owner(str(uuid.uuid4()), folder, RULES))
        made[-1].start(mortal.socket)
        return made[-1]

    yield make
    for owner in made:
        owner.stop()


@contextmanager
def building(owner: Owner, daemon: Dockerd, folder: Path, dockerfile: str = SLOW) -> Iterator[str]:
    """Yields the ID of the container of a build's last step while it runs."""
    folder.mkdir()
    (folder / "Dockerfile").write_text(dockerfile)
    command = ["docker", "--host", f"unix://{owner.socket}", "build", "--no-cache", str(folder)]
    environment = os.environ | {"DOCKER_BUILDKIT": "0"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as client:
        try:
            assert client.stdout is not None
            lines = iter(client.stdout.readline, b"")
            next(line for line in lines if b" : RUN " in line)
            step = next(line for line in lines if b"Running in" in line).split()[-1].decode()
            while (state := inspected(daemon, step)["State"])["Status"] == "created":
                time.sleep(0.05)
            assert state["Running"], state
            yield step
        finally:
            client.kill()


def inspected(daemon: Dockerd, container: str) -> dict[str, Any]:

    return dict(json.loads(daemon.docker("inspect", container))[0])


def all_containers(daemon: Dockerd) -> set[str]:
    return set(daemon.docker("ps", "-aq").split())


def test_a_step_of_a_crashed_daemon_is_removed_with_its_owner_only(
    mortal: Dockerd, couple: Callable[[], Owner], tmp_path: Path
) -> None:
    one, other = couple(), couple()
    nodes = mortal.docker("create", "--add-host", "a.build.nesteddocker.dev:127.0.0.1", "busybox")[:12]
    with building(one, mortal, tmp_path / "one") as ones, building(other, mortal, tmp_path / "other") as others:
        mortal.crash()
    assert all_containers(mortal) == {nodes, ones, others}
    assert remove_all(str(mortal.socket), one.uid) == {"container": 1}
    assert all_containers(mortal) == {nodes, others}
    assert remove_all(str(mortal.socket), other.uid) == {"container": 1}
    assert all_containers(mortal) == {nodes}


def test_a_running_build_is_removed_with_its_owner(dockerd: Dockerd, alice: Owner, tmp_path: Path) -> None:
    with building(alice, dockerd, tmp_path / "build") as step:
        remove_all(str(dockerd.socket), alice.uid)
        assert step not in all_containers(dockerd)


@pytest.mark.parametrize("network", ["none", "default", "own", "container"])
def test_steps_are_marked_in_every_network(dockerd: Dockerd, alice: Owner, tmp_path: Path, network: str) -> None:
    made = f"net-{uuid.uuid4().hex[:8]}"
    alice.docker("network", "create", made)
    server = alice.docker("run", "-d", "--network", made, "busybox", "sleep", "300")
    mode = {"own": made, "container": f"container:{server}"}.get(network, network)
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN cat /etc/hosts\n")
    built = alice.docker("build", "--no-cache", "--network", mode, str(tmp_path))
    assert "Successfully built" in built
    alice.docker("rm", "-f", server)
    alice.docker("network", "rm", made)


def test_a_build_has_its_extra_hosts_and_the_guards(alice: Owner, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN cat /etc/hosts\n")
    hosts = ("--add-host", "one:192.0.2.1", "--add-host", "two:192.0.2.2")
    built = alice.docker("build", "--no-cache", *hosts, str(tmp_path))
    assert "192.0.2.1\tone" in built
    assert "192.0.2.2\ttwo" in built
    assert f"127.0.0.1\t{alice.uid}.build.nesteddocker.dev" in built


def test_clients_cannot_use_the_guards_host_names(alice: Owner, bob: Owner, tmp_path: Path) -> None:
    forged = f"{bob.uid}.build.nesteddocker.dev:127.0.0.1"
    (tmp_path / "Dockerfile").write_text("FROM busybox\n")
    for command in (("build", "--add-host", forged, str(tmp_path)), ("create", "--add-host", forged, "busybox")):
        ran = alice.run(*command)
        assert ran.returncode != 0
        assert b"host names that end in .nesteddocker.dev are reserved (rule: owner)" in ran.stderr


def test_a_label_in_a_dockerfile_gives_a_step_to_nobody(
    dockerd: Dockerd, alice: Owner, bob: Owner, tmp_path: Path
) -> None:
    labelled = f"FROM busybox\nLABEL nesteddocker.dev/uid={bob.uid}\nRUN sleep 300\n"
    with building(alice, dockerd, tmp_path / "build", labelled) as step:
        assert step not in bob.docker("ps", "-q").split()
        assert bob.request("GET", f"/containers/{step}/json").status == 404
        remove_all(str(dockerd.socket), bob.uid)
        assert step in all_containers(dockerd)
        remove_all(str(dockerd.socket), alice.uid)
        assert step not in all_containers(dockerd)
