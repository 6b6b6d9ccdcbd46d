"""A command that is interrupted leaves no file."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.support.user_world import WAITING, UserWorld, conditions


@pytest.mark.parametrize(
    ("number", "arguments", "code"),
    [
        (signal.SIGTERM, ["create", "new"], 143),
        (signal.SIGTERM, ["run", "--name=build", "--", "sleep", "60"], 143),
        (signal.SIGTERM, ["forward", "build"], 143),
        (signal.SIGTERM, ["logs", "--follow", "build"], 143),
        (signal.SIGHUP, ["logs", "--follow", "build"], 129),
        (signal.SIGHUP, ["forward", "build"], 129),
        (signal.SIGINT, ["logs", "--follow", "build"], 130),
        (signal.SIGINT, ["forward", "build"], 130),
        (signal.SIGINT, ["run", "--", "sleep", "60"], 130),
    ],
)
def test_it_leaves_no_file(
    world: UserWorld, runtime: Path, number: signal.Signals, arguments: list[str], code: int
) -> None:
    world.nested_docker("build")
    world.on_create = lambda manifest: manifest.update(
        status={"observedGeneration": 1, "conditions": conditions(*WAITING)}
    )
    with subprocess.Popen([sys.executable, "-m", "nested_docker", *arguments], stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 60
        while len(world.requests) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.3)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, b"Traceback" in errors) == (code, False), errors.decode()
    assert list(runtime.iterdir()) == []
