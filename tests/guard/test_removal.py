"""Removal of an owner's objects, and of no others."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.guard.dockerd import Dockerd
from tests.guard.inventory import inventory
from tests.guard.owner import Owner

from nested_docker.guard.daemon.removal import NotCleanError, remove_all

SLEEP = ("busybox", "sleep", "600")


@pytest.fixture(autouse=True)
def nothing_yet(dockerd: Dockerd, alice: Owner) -> None:
    """Other tests leave untagged images."""
    remove_all(str(dockerd.socket), alice.uid)


@pytest.fixture
def foreign(dockerd: Dockerd) -> Iterator[str]:
    """A container of the node, with an anonymous volume."""
    yield dockerd.docker("run", "-d", "-v", "/data", *SLEEP)
    dockerd.docker("rm", "-f", "-v", *dockerd.docker("ps", "-aq").split())


def make_everything(owner: Owner, prefix: str, folder: Path) -> None:
    """Create objects of each kind: running, stopped, paused, restarting, used by others, built and committed."""
    owner.docker("network", "create", f"{prefix}-net")
    owner.docker("run", "-d", "--name", f"{prefix}-web", "--network", f"{prefix}-net", "-v", f"{prefix}-vol:/a", *SLEEP)
    owner.docker("run", "-d", "-v", "/nameless", "--restart", "always", "busybox", "false")
    owner.docker("run", "-d", "--name", f"{prefix}-paused", *SLEEP)
    owner.docker("pause", f"{prefix}-paused")
    owner.docker("create", "busybox")
    (folder / "Dockerfile").write_text("FROM busybox\nRUN echo one > /one\nRUN echo two > /two\n")
    owner.docker("build", "-q", "-t", f"localhost/{prefix}:1", "-t", f"localhost/{prefix}:2", str(folder))
    owner.docker("commit", f"{prefix}-web", f"localhost/{prefix}:3")


def test_all_objects_of_one_owner_are_removed_and_no_others(
    dockerd: Dockerd, alice: Owner, bob: Owner, foreign: str, tmp_path: Path
) -> None:
    make_everything(bob, "bob", tmp_path)
    before = inventory(dockerd)
    make_everything(alice, "alice", tmp_path)
    removed = remove_all(str(dockerd.socket), alice.uid)
    assert removed["container"] == 4
    assert removed["network"] == removed["volume"] == 1
    assert removed["image"] >= 3
    assert inventory(dockerd) == before
    assert foreign in before["containers"]
    remove_all(str(dockerd.socket), bob.uid)


def test_an_image_that_another_owner_uses_stays(dockerd: Dockerd, alice: Owner, foreign: str) -> None:
    alice.docker("run", "-d", "--name", "alice-base", *SLEEP)
    alice.docker("commit", "alice-base", "localhost/lent:1")
    user = dockerd.docker("run", "-d", "localhost/lent:1", "sleep", "600")
    assert remove_all(str(dockerd.socket), alice.uid)["container"] == 1
    assert user in dockerd.docker("ps", "-q", "--no-trunc")
    dockerd.docker("rm", "-f", user)
    assert remove_all(str(dockerd.socket), alice.uid) == {"image": 1}


def test_an_object_that_cannot_be_removed_is_named_and_others_are_removed(
    dockerd: Dockerd, alice: Owner, foreign: str
) -> None:
    alice.docker("network", "create", "shared-net")
    alice.docker("run", "-d", *SLEEP)
    dockerd.docker("network", "connect", "shared-net", foreign)
    with pytest.raises(NotCleanError, match=r"network shared-net: .*has active endpoints"):
        remove_all(str(dockerd.socket), alice.uid, sleep=lambda _: None)
    assert not alice.docker("ps", "-aq")
    dockerd.docker("network", "disconnect", "shared-net", foreign)
    assert remove_all(str(dockerd.socket), alice.uid) == {"network": 1}


def test_the_command_says_what_was_removed(dockerd: Dockerd, alice: Owner, foreign: str) -> None:
    alice.docker("create", "busybox")
    assert _cleanup(dockerd.socket, alice.uid) == (0, "removed 1 container\n")
    assert _cleanup(dockerd.socket, alice.uid) == (0, "nothing was left\n")


def test_a_daemon_that_stays_unreachable_is_an_error_after_some_time(tmp_path: Path) -> None:
    waited: list[float] = []
    with pytest.raises(NotCleanError, match="the node's Docker daemon does not answer"):
        remove_all(str(tmp_path / "docker.sock"), "some-uid", sleep=waited.append)
    assert 5 <= sum(waited) <= 20


def _cleanup(socket: Path, uid: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "nested_docker", "cleanup", f"--socket={socket}", f"--owner-uid={uid}"]
    ran = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": "operator"}
    )
    return ran.returncode, ran.stdout
