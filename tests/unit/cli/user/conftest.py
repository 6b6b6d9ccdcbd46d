"""The command line in this process, against an API server and a daemon on real sockets."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.user_world import UserWorld
from tests.unit.cli.user.terminal import Cli, Ended

from nested_docker.cli.entry import run_command_line
from nested_docker.cli.user.agent import Agent


@pytest.fixture(autouse=True)
def no_log_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a new process: handlers of other tests' commands would write to streams that are closed."""
    for name in ("", "nested_docker", "nested_docker.relay"):
        monkeypatch.setattr(logging.getLogger(name), "handlers", [logging.NullHandler()])


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A runtime directory; agents that a failed test leaves are ended."""
    path = tmp_path / "r"
    path.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(path))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[4] / "operator"))
    yield path
    for lock in path.glob("nested-docker/*.lock"):
        Agent(lock.parent, lock.stem).stop()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[UserWorld]:
    """A cluster that `KUBECONFIG` leads to."""
    for module in ("client.lifecycle.POLL_SECONDS", "client.dialing.RETRY_SECONDS"):
        monkeypatch.setattr(f"nested_docker.{module}", 0.02)
    monkeypatch.setattr("nested_docker.client.lifecycle.STALLED_SECONDS", 0.1)
    with UserWorld(tmp_path) as world:
        monkeypatch.setenv("KUBECONFIG", str(world.kubeconfig))
        yield world


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command; what it and its children print is captured."""

    def run(*arguments: str) -> Ended:
        capfd.readouterr()
        code = run_command_line(arguments)
        return Ended(code, *capfd.readouterr())

    return run
