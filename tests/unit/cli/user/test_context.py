"""`context` runs the docker CLI; here that is a script that writes down how it is called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.support.user_world import UserWorld
from tests.unit.cli.user.terminal import Cli

SCRIPT = """#!/bin/sh
echo "$@" >> {calls}
test -z "$FAILS" || {{ echo "no such\n thing" >&2; exit 1; }}
test "$2" != inspect -o -e {calls}.exists
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the calls are written, one a line."""
    path = tmp_path / "calls"
    script = tmp_path / "bin" / "docker"
    script.parent.mkdir()
    script.write_text(SCRIPT.format(calls=path))
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}:{os.environ['PATH']}")
    return path


def test_a_context_is_created_then_updated_then_removed(world: UserWorld, cli: Cli, calls: Path) -> None:
    world.nested_docker("build")
    created = cli("context", "create", "build", "--as", "ci")
    assert (created.code, created.out) == (0, "context ci is ready; use it: docker --context ci version\n"), created.err
    inspect, create = calls.read_text().splitlines()
    assert inspect == "context inspect ci"
    assert create.startswith("context create --description NestedDocker build --docker host=unix://")
    assert create.endswith(".sock ci")
    socket = Path(create.split("unix://")[1].split()[0])
    assert socket.is_socket()
    Path(f"{calls}.exists").touch()
    assert cli("context", "create", "build", "--as", "ci").code == 0
    assert calls.read_text().splitlines()[-1] == create.replace("context create", "context update")
    assert cli("context", "rm", "build", "--as", "ci").out == "context ci removed\n"
    assert calls.read_text().splitlines()[-1] == "context rm ci"
    assert not socket.exists()


def test_what_docker_says_is_passed_on(cli: Cli, calls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAILS", "1")
    ended = cli("context", "rm", "build")
    assert ended.code == 1
    assert ended.err == "error: docker rejects context build: no such thing\nhint: choose another name by --as\n"


def test_without_docker_there_is_a_remedy(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    ended = cli("context", "rm", "build")
    assert ended.code == 1
    assert ended.err == (
        "error: the docker CLI cannot be run: No such file or directory\nhint: install it, or use nested-docker env\n"
    )
