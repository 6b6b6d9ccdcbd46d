"""Engines, by their versions, and what a killed one has left."""

from __future__ import annotations

import pytest
from tests.unit.domain.modes.start_dockerd.container import NEW_FLAGS, Container


@pytest.mark.parametrize(
    ("version", "major"),
    [("18.09.9", "18"), ("19.03.15", "19"), ("20.09.1", "20"), ("17.12.1-ce", "17"), ("1.13.1", "1")],
)
def test_an_engine_that_is_too_old_is_refused(container: Container, version: str, major: str) -> None:
    container.engine(version)
    done = container.start()
    assert done.code == 1
    assert f"the image has Docker {major}, which is too old" in done.stderr
    assert "spec.engine.image to an image with Docker 20.10 or newer" in done.stderr
    assert done.flags == []


@pytest.mark.parametrize("version", ["20.10.24+dfsg1", "23.0.6", "24.0.9", "26.1.5+dfsg1", "29.9.3", "library-import"])
def test_every_newer_engine_gets_only_flags_that_it_knows(container: Container, version: str) -> None:
    old = version.startswith(("20", "23"))
    container.engine(version, () if old else NEW_FLAGS)
    done = container.start(NESTED_DOCKER_MTU="1400")
    assert done.code == 0
    assert "--mtu=1400" in done.flags
    opt = "--default-network-opt=bridge=com.docker.network.driver.mtu=1400"
    assert (opt in done.flags) is not old


def test_an_image_without_dockerd_is_refused(container: Container) -> None:
    (container.root / "bin/dockerd").unlink()
    done = container.start()
    assert done.code == 1
    assert "the image has no dockerd: set spec.engine.image" in done.stderr


@pytest.mark.parametrize("path", ["var/run/docker.pid", "var/run/docker/containerd/containerd.pid"])
def test_what_a_killed_daemon_has_left_is_removed(container: Container, path: str) -> None:
    left = container.write(path, "7")
    assert container.start().code == 0
    assert not left.exists()
