"""`nested-docker cleanup`: what it refuses, and what it says at its end."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from nested_docker.cli.app import app
from nested_docker.cli.cleanup import summary
from nested_docker.guard.daemon import removal
from nested_docker.guard.daemon.removal import NotCleanError, Removed
from nested_docker.idle import termination_log as termination_log_module

RUNNER = CliRunner()


@pytest.fixture
def termination_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file from which the kubelet reads the termination message."""
    log = tmp_path / "termination-log"
    log.touch()
    monkeypatch.setattr(termination_log_module.leave, "__defaults__", (log,))
    return log


def invoked(*arguments: str) -> Any:
    return RUNNER.invoke(app, ["cleanup", *arguments])


def removing(monkeypatch: pytest.MonkeyPatch, outcome: Removed | NotCleanError) -> list[tuple[str, str]]:
    """Have a removal come to that; what it is asked for."""
    asked: list[tuple[str, str]] = []

    def remove_all(path: str, uid: str) -> Removed:
        asked.append((path, uid))
        if isinstance(outcome, NotCleanError):
            raise outcome
        return outcome

    monkeypatch.setattr(removal, "remove_all", remove_all)
    return asked


def test_an_empty_owner_is_rejected(monkeypatch: pytest.MonkeyPatch, termination_log: Path) -> None:
    asked = removing(monkeypatch, Removed())
    rejected_write = invoked("--socket=/run/node/docker.sock", "--owner-uid=")
    assert rejected_write.exit_code == 2
    printed = " ".join(rejected_write.output.replace("│", " ").split())
    assert "must not be empty: it selects the objects to remove" in printed
    assert (asked, termination_log.read_text()) == ([], "")


@pytest.mark.parametrize("arguments", [("--socket=/x",), ("--owner-uid=x",), ()])
def test_nothing_is_guessed(arguments: tuple[str, ...]) -> None:
    assert invoked(*arguments).exit_code == 2


def test_the_termination_message_lists_what_was_removed(monkeypatch: pytest.MonkeyPatch, termination_log: Path) -> None:
    asked = removing(monkeypatch, Removed({"container": 2, "network": 1}))
    done = invoked("--socket=/run/node/docker.sock", "--owner-uid=uid")
    assert (done.exit_code, asked) == (0, [("/run/node/docker.sock", "uid")])
    assert termination_log.read_text() == "removed 2 containers, 1 network"
    assert "removed 2 containers, 1 network" in done.output


def test_what_remains_is_reported_and_is_a_failure(monkeypatch: pytest.MonkeyPatch, termination_log: Path) -> None:
    removing(monkeypatch, NotCleanError("volume x: in use"))
    failed = invoked("--socket=/run/node/docker.sock", "--owner-uid=uid")
    assert failed.exit_code == 1
    assert "nested-docker cleanup: volume x: in use" in failed.output
    assert termination_log.read_text() == "", "the kubelet takes the end of the log"


@pytest.mark.parametrize(
    ("removed", "words"),
    [({}, "nothing was left"), ({"image": 1}, "removed 1 image"), ({"volume": 3}, "removed 3 volumes")],
)
def test_the_summary_is_for_a_reader(removed: dict[str, int], words: str) -> None:
    assert summary(Removed(removed)) == words


def test_it_is_hidden_from_people(tmp_path: Path) -> None:
    assert "cleanup" not in RUNNER.invoke(app, ["--help"]).output


def test_a_socket_where_nobody_listens_is_no_clean_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as nobody:
        nobody.bind(str(path))
    with pytest.raises(NotCleanError, match="does not answer"):
        removal.remove_all(str(path), "uid", sleep=lambda _seconds: None)
