"""Texts of servers and of other people steer no terminal."""

from __future__ import annotations

import errno
import os
import pty
import sys
from datetime import UTC, datetime

import pytest
from tests.support.user_world import UserWorld, conditions
from tests.unit.cli.user.terminal import Cli

from nested_docker.cli.user.checks import Check, Verdict, checks_text
from nested_docker.cli.user.gates import Gate, GateState, gates_text
from nested_docker.cli.user.mode_advice import Choice, ModeAdvice, advice_text
from nested_docker.cli.user.options import ProgressFormat
from nested_docker.cli.user.progress_display import shown_progress
from nested_docker.cli.user.status_text import status_text
from nested_docker.cli.user.tables import table
from nested_docker.client.errors import NestedDockerError
from nested_docker.client.progress import DaemonStage, Progress

HOSTILE = "pull \x1b[2J\x1b]52;c;Y3VybCBldmls\x07 \x9b1m \u202e\nerror: you must run rm"
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def is_harmless(text: str) -> bool:
    """Whether it has no escape, and nothing hostile begins a line."""
    return all(line.isprintable() and not line.startswith("error: you") for line in text.split("\n"))


def status() -> str:
    rows = [("Ready", "False", HOSTILE, HOSTILE)]
    found = {"metadata": {"name": "b"}, "status": {"conditions": conditions(*rows), "endpoint": HOSTILE}}
    found["status"]["hazards"] = [{"type": HOSTILE, "message": HOSTILE, "remedy": HOSTILE}]
    event = {"type": "Warning", "reason": HOSTILE, "message": HOSTILE, "lastTimestamp": "2026-03-01T00:00:00Z"}
    return status_text(found, [event], NOW)


TEXTS = {
    "status": status,
    "gates": lambda: gates_text([Gate("pull", GateState.BLOCKED, None, HOSTILE)], None, NOW),
    "checks": lambda: checks_text([Check("a", Verdict.FAILED, HOSTILE, HOSTILE)]),
    "advice": lambda: advice_text([ModeAdvice("Dind", Choice.NO, HOSTILE)], ""),
    "table": lambda: table(["A"], [[HOSTILE]]),
    "error": lambda: str(NestedDockerError(HOSTILE, HOSTILE)),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_a_text_is_harmless(kind: str) -> None:
    text = TEXTS[kind]()
    assert "pull" in text
    assert is_harmless(text), repr(text)


@pytest.mark.parametrize("command", ["status", "why", "ls"])
def test_a_command_prints_nothing_hostile(world: UserWorld, cli: Cli, command: str) -> None:
    rows = ("Accepted", "False", HOSTILE, HOSTILE), ("Ready", "False", HOSTILE, HOSTILE)
    world.nested_docker("build", conditions=conditions(*rows), mode=HOSTILE, endpoint=HOSTILE)
    event = {"metadata": {"name": "e"}, "type": "Warning", "reason": "Evil", "message": HOSTILE}
    world.objects[world.path("events", "e")] = event
    ended = cli(command, *([] if command == "ls" else ["build"]))
    assert "pull" in ended.out
    assert is_harmless(ended.out + ended.err), ended


@pytest.mark.parametrize("command", ["create", "rm", "env"])
def test_an_error_prints_nothing_hostile(world: UserWorld, cli: Cli, command: str) -> None:
    world.nested_docker("build", conditions=conditions(("Ready", "False", "No", HOSTILE)))
    world.refuse = lambda method, _: (422, {"message": HOSTILE}) if method in {"POST", "DELETE"} else None
    ended = cli(command, "build")
    assert "pull" in ended.err
    assert is_harmless(ended.out + ended.err), ended


@pytest.mark.parametrize("style", [ProgressFormat.PLAIN, ProgressFormat.JSON])
def test_progress_is_harmless(capsys: pytest.CaptureFixture[str], style: ProgressFormat) -> None:
    with shown_progress(style) as on_progress:
        on_progress(Progress(DaemonStage.WAITING, HOSTILE, HOSTILE))
    shown = capsys.readouterr().err
    assert "pull" in shown
    assert is_harmless(shown), repr(shown)


def read_to_the_end(terminal: int) -> bytes:
    """What a terminal has got from programs that are gone: a single read may have a part of it."""
    found = b""
    while True:
        try:
            found += os.read(terminal, 65536)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return found


def test_progress_on_a_terminal_is_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        with shown_progress(ProgressFormat.TTY) as on_progress:
            on_progress(Progress(DaemonStage.WAITING, "Pulling", HOSTILE))
    output = read_to_the_end(ours).decode(errors="replace")
    os.close(ours)
    assert "pull" in output
    assert not [each for each in ("\x1b[2J\x1b]52", "]52;c;Y3VybCBldmls\x07", "\x9b1m", "\u202e") if each in output]
