"""A real daemon and two owners with guarded sockets."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.guard.dockerd import OLD_ROOT, Dockerd
from tests.guard.owner import Owner

RULES: dict[str, Any] = {
    "containers": {"commit": True, "publish": "Ephemeral"},
    "networks": {"bridge": True, "create": True},
    "images": {"use": ["busybox"], "tags": ["localhost/**"], "save": True},
    "build": {"allowed": True},
    "limits": {"containers": 50, "networks": 20, "volumes": 50},
}
"""Rules such as those of a policy for CI jobs."""


@pytest.fixture(scope="session")
def dockerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dockerd]:
    """The node's daemon."""
    daemon = Dockerd(tmp_path_factory.mktemp("dockerd"))
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.stop()


@pytest.fixture(scope="session")
def old_dockerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dockerd]:
    """A daemon whose newest API version is older than the guard's, and that has a graph driver."""
    daemon = Dockerd(tmp_path_factory.mktemp("old-dockerd"), OLD_ROOT)
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.stop()


@pytest.fixture(scope="session")
def owners(dockerd: Dockerd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[dict[str, Any]], Owner]]:
    """A function that creates owners with the given rules."""
    made: list[Owner] = []

    def make(rules: dict[str, Any]) -> Owner:
        made.append(Owner(str(uuid.uuid4()), tmp_path_factory.mktemp("owner"), rules))
        made[-1].start(dockerd.socket)
        return made[-1]

    yield make
    for owner in made:
        owner.stop()


@pytest.fixture(scope="session")
def alice(owners: Callable[[dict[str, Any]], Owner]) -> Owner:
    """One owner."""
    return owners(RULES)


@pytest.fixture(scope="session")
def bob(owners: Callable[[dict[str, Any]], Owner]) -> Owner:
    """Another one, on the same daemon."""
    return owners(RULES)


@pytest.fixture(scope="session")
def eve(old_dockerd: Dockerd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Owner]:
    """One owner on the old daemon."""
    owner = Owner(str(uuid.uuid4()), tmp_path_factory.mktemp("owner"), RULES)
    owner.start(old_dockerd.socket)
    yield owner
    owner.stop()
