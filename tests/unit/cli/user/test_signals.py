"""A command that is interrupted leaves no file."""

from __future__ import annotations

import os
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


def test_a_second_ctrl_c_leaves_no_daemon(world: UserWorld) -> None:
    world.refuse = lambda method, _: time.sleep(1) if method == "DELETE" else None
    command = [sys.executable, "-m", "nested_docker", "run", "--progress=quiet", "--", "sh", "-c", "echo up; sleep 60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        for _ in range(3):
            os.killpg(process.pid, signal.SIGINT)  # as a terminal does
            time.sleep(0.4)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, b"")
    assert [path for path in world.objects if "/nesteddockers/" in path] == []


@pytest.mark.parametrize("ignored", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_what_is_ignored_stays_so_for_the_command_too(world: UserWorld, ignored: signal.Signals) -> None:
    world.nested_docker("build")
    child = f"import os, signal; os.kill(os.getppid(), {ignored.value}); print(signal.getsignal({ignored.value}).name)"
    command = [sys.executable, "-m", "nested_docker", "run", "--name=build", "--progress=quiet", "--"]
    ended = subprocess.run(
        [*command, sys.executable, "-c", child],
        preexec_fn=lambda: signal.signal(ignored, signal.SIG_IGN),  # as nohup does
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "SIG_IGN\n", "")
