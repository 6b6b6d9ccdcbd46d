"""The command line, run in this process."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.unit.cli.user.terminal import Ended

from nested_docker.cli.entry import run_command_line

Convert = Callable[..., Ended]


@pytest.fixture
def convert(capfd: pytest.CaptureFixture[str]) -> Convert:
    """Runs `nested-docker convert`."""

    def run(*arguments: str) -> Ended:
        capfd.readouterr()
        code = run_command_line(["convert", *arguments])
        return Ended(code, *capfd.readouterr())

    return run
