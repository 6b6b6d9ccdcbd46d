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
for last; do :; done
host="{calls}.$last"
case "$2" in
inspect) test -e "$host" && echo "[{{\\"Endpoints\\":{{\\"docker\\":{{\\"Host\\":\\"$(cat "$host")\\"}}}}}}]" ;;
rm) rm "$host" ;;
*) echo "${{6#host=}}" > "$host" ;;
esac
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
    assert cli("context", "create", "build", "--as", "ci").code == 0
    assert calls.read_text().splitlines()[-1] == create.replace("context create", "context update")
    assert cli("context", "rm", "build", "--as", "ci").out == "context ci removed\n"
    assert calls.read_text().splitlines()[-1] == "context rm ci"
    assert not socket.exists()


def test_another_way_replaces_the_socket(world: UserWorld, cli: Cli, calls: Path, runtime: Path) -> None:
    world.nested_docker("build")
    assert cli("context", "create", "build").code == 0
    before = {*runtime.rglob("*.sock")}
    assert cli("context", "create", "build", "--reach=port-forward").code == 0
    after = {*runtime.rglob("*.sock")}
    assert len(before) == len(after) == 1
    assert not before & after


def test_a_context_of_somebody_else_stays(world: UserWorld, cli: Cli, calls: Path) -> None:
    world.nested_docker("build")
    host = Path(f"{calls}.build")
    for foreign in ("unix:///var/run/docker.sock", "unix:///run/nested-docker/0000000000c0000.sock"):
        host.write_text(foreign)
        for command in ("create", "rm"):
            ended = cli("context", command, "build")
            assert (ended.code, ended.out) == (1, "")
            assert ended.err == (
                f"error: docker context build exists, and leads to {foreign}\n"
                "hint: choose another name by --as, or remove it: docker context rm build\n"
            )
    assert host.read_text() == foreign
    assert not [line for line in calls.read_text().splitlines() if not line.startswith("context inspect")]


def test_shells_and_contexts_have_their_own_sockets(world: UserWorld, cli: Cli, calls: Path, runtime: Path) -> None:
    world.nested_docker("build")
    assert cli("env", "build").code == 0
    (of_env,) = runtime.rglob("*.sock")
    assert cli("context", "create", "build").code == 0
    assert len([*runtime.rglob("*.sock")]) == 2, "that of env ends after an hour, the other one never"
    assert cli("context", "rm", "build").code == 0
    assert [*runtime.rglob("*.sock")] == [of_env]
    assert cli("env", "build", "--stop").code == 0
    assert not [*runtime.rglob("*.sock")]


def test_a_context_that_docker_keeps_has_its_socket(
    world: UserWorld, cli: Cli, calls: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.nested_docker("build")
    assert cli("context", "create", "build").code == 0
    monkeypatch.setenv("FAILS", "1")
    assert cli("context", "rm", "build").code == 1
    assert len([*runtime.rglob("*.sock")]) == 1


def test_what_docker_says_is_passed_on(
    world: UserWorld, cli: Cli, calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAILS", "1")
    ended = cli("context", "rm", "build")
    assert ended.code == 1
    assert ended.err == "error: docker rejects context build: no such thing\nhint: choose another name by --as\n"


def test_without_docker_there_is_a_remedy(world: UserWorld, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    ended = cli("context", "rm", "build")
    assert ended.code == 1
    assert ended.err == (
        "error: the docker CLI cannot be run: No such file or directory\nhint: install it, or use nested-docker env\n"
    )
