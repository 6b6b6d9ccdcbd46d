"""Standard streams that are closed, full, or that nobody reads: a documented exit code, and no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import pytest
from tests.support.user_world import UserWorld
from tests.unit.cli.user.terminal import Cli

from nested_docker.cli.app import app
from nested_docker.cli.user.exit_codes import ExitCode

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: x}
spec: {containers: [{name: a, image: a}, {name: d, image: 'docker:dind'}]}
---
apiVersion: nesteddocker.dev/v1alpha1
kind: NestedDocker
metadata: {name: x, namespace: team-a}
spec: {}
"""
Output = Callable[[], TextIO]

PRINTING = {
    "create": ["new"],
    "env": ["build"],
    "ls": [],
    "status": ["build"],
    "why": ["build"],
    "explain": ["build"],
    "logs": ["build"],
    "rm": ["build"],
    "du": ["build"],
    "doctor": [],
    "report": ["--file=report.zip"],
    "convert": ["pod.yaml"],
    "crds": [],
    "context": ["create", "build", "--as=another"],
    "policy": ["check", "pod.yaml"],
    "guard": ["check", "--help"],
    "--help": [],
}
"""Commands that print, with arguments."""
QUIET = {"run", "shell", "forward", "prune", "operator"}
"""Commands that print nothing themselves, or nothing in this world, or for as long as they run."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    (tmp_path / "pod.yaml").write_text(POD)
    return tmp_path


@pytest.fixture
def cluster(world: UserWorld, cli: Cli) -> Cli:
    """Runs a command where there is a NestedDocker."""
    world.nested_docker("build")
    return cli


def full() -> TextIO:
    return Path("/dev/full").open("w")


def unread() -> TextIO:
    read, write = os.pipe()
    os.close(read)
    return os.fdopen(write, "w")


def test_every_command_is_tried() -> None:
    named = {command.name for command in app.registered_commands if not command.hidden}
    groups = {group.typer_instance.info.name for group in app.registered_groups if group.typer_instance}
    assert {*PRINTING} | QUIET == named | groups | {"--help"}


FULL = (
    "error: the output cannot be written: No space left on device",
    "hint: free some space, or write to another place",
)


@pytest.mark.parametrize("command", PRINTING)
@pytest.mark.parametrize(
    ("stream", "code", "said"), [(full, ExitCode.UNWRITABLE, FULL), (unread, ExitCode.OUTPUT_CLOSED, ())]
)
@pytest.mark.usefixtures("folder")
def test_output_that_cannot_be_written(  # noqa: PLR0917 - of pytest
    cluster: Cli, monkeypatch: pytest.MonkeyPatch, command: str, stream: Output, code: ExitCode, said: tuple[str, ...]
) -> None:
    with monkeypatch.context() as patch, stream() as stdout:
        patch.setattr("sys.stdout", stdout)
        ended = cluster(command, *PRINTING[command])
    assert ended.code == code, ended
    assert tuple(line for line in ended.err.splitlines() if line.startswith(("error: ", "hint: "))) == said


@pytest.mark.parametrize("command", ["ls", "crds", "--help"])
@pytest.mark.parametrize(("stream", "code"), [(full, 74), (unread, 141)])
def test_the_interpreter_has_nothing_to_add(world: UserWorld, command: str, stream: Output, code: int) -> None:
    world.nested_docker("build")
    with stream() as stdout:
        ended = subprocess.run(
            [sys.executable, "-m", "nested_docker", command], stdout=stdout, stderr=subprocess.PIPE, check=False
        )
    assert (ended.returncode, b"Exception ignored" in ended.stderr) == (code, False), ended.stderr


CAT = ["run", "--name=build", "--", "cat"]
CREATE = ["create", "new"]


@pytest.mark.parametrize(
    ("arguments", "closed"), [(CAT, (0,)), (CAT, (2,)), (CREATE, (1,)), (CREATE, (2,)), (CREATE, (0, 1, 2))], ids=str
)
def test_closed_streams_are_as_dev_null(world: UserWorld, arguments: list[str], closed: tuple[int, ...]) -> None:
    world.nested_docker("build")
    streams = "".join(f" {number}{'<' if number == 0 else '>'}&-" for number in closed)
    command = f'exec "$0" -m nested_docker "$@"{streams}'
    ended = subprocess.run(
        ["sh", "-c", command, sys.executable, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, "error" in ended.stderr) == (0, False), ended


def test_an_interrupt_while_modules_are_imported(world: UserWorld) -> None:
    program = "import sys, signal; sys.meta_path.insert(0, type('I', (), {'find_spec': classmethod(lambda *a: "
    program += "signal.raise_signal(signal.SIGINT) if a[1] == 'nested_docker.cli.user' else None)})); "
    program += "sys.argv[1:] = ['ls']; from nested_docker.__main__ import main; main()"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (130, "")
