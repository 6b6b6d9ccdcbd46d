"""The real buildx through the guard: all its ways to build end with the remedy and leave nothing behind."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.guard.conftest import RULES
from tests.guard.dockerd import OLD_ROOT, Dockerd
from tests.guard.inventory import inventory
from tests.guard.owner import Owner
from tests.guard.plugins import installed

REMEDY = b"set DOCKER_BUILDKIT=0 for the classic builder, or use mode Dind or Sysbox for buildx"
BUILDKIT = "moby/buildkit:buildx-stable-1"
BAKEFILE = 'target "default" { dockerfile-inline = "FROM busybox" }\n'


@pytest.fixture(params=["the modules'", "Debian's"])
def env(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Environment of a client with a newer or an older buildx, and a project in the folder."""
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN true\n")
    (tmp_path / "docker-bake.hcl").write_text(BAKEFILE)
    variables = installed(tmp_path / "config", "buildx")
    if request.param == "Debian's":
        plugin = tmp_path / "config" / "cli-plugins" / "docker-buildx"
        plugin.unlink()
        plugin.symlink_to(OLD_ROOT / "usr/libexec/docker/cli-plugins/docker-buildx")
    return {**variables, "DOCKER_BUILDKIT": "1"}


def buildx(owner: Owner, folder: Path, env: dict[str, str], *args: str) -> subprocess.CompletedProcess[bytes]:
    return owner.run(*(arg.replace("FOLDER", str(folder)) for arg in args), env=env)


WAYS = [
    ("build", "FOLDER"),
    ("buildx", "build", "--load", "--tag", "localhost/buildx:1", "FOLDER"),
    ("buildx", "bake", "--file", "FOLDER/docker-bake.hcl"),
    ("buildx", "create", "--name", "own", "--driver", "docker-container", "--bootstrap"),
]


@pytest.mark.parametrize("args", WAYS, ids=lambda args: " ".join(args[:2]))
def test_every_way_to_build_ends_with_the_remedy(
    alice: Owner, dockerd: Dockerd, tmp_path: Path, env: dict[str, str], args: tuple[str, ...]
) -> None:
    before = inventory(dockerd)
    ran = buildx(alice, tmp_path, env, *args)
    assert ran.returncode != 0, ran
    assert REMEDY in ran.stderr, ran.stderr
    assert inventory(dockerd) == before


def test_a_buildx_builder_is_denied_even_if_its_image_is_allowed(
    owners: Callable[[dict[str, Any]], Owner], dockerd: Dockerd, tmp_path: Path, env: dict[str, str]
) -> None:
    owner = owners({**RULES, "images": {**RULES["images"], "pull": ["moby/buildkit"]}})
    dockerd.docker("tag", "busybox", BUILDKIT)
    before = inventory(dockerd)
    ran = buildx(owner, tmp_path, env, "buildx", "build", "FOLDER")
    assert ran.returncode != 0, ran
    assert REMEDY in ran.stderr, ran.stderr
    assert b"(rule: HostConfig.Privileged)" in ran.stderr, ran.stderr
    assert inventory(dockerd) == before
    dockerd.docker("rmi", BUILDKIT)


def test_buildx_commands_that_do_not_build_work(alice: Owner, tmp_path: Path, env: dict[str, str]) -> None:
    listed = buildx(alice, tmp_path, env, "buildx", "ls")
    assert (listed.returncode, b"default" in listed.stdout) == (0, True), listed
