"""The watch on real sockets, as a process, and its last words."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nested_docker.idle.termination_log import idle_since, leave
from nested_docker.idle.watch import Options, connections, in_use, watch


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.mark.parametrize(("timeout", "interval"), [(1, 0.5), (5, 0.5), (20, 2), (50, 5), (3600, 5)])
def test_looks_are_often_enough_and_not_more_often(timeout: float, interval: float) -> None:
    assert Options(timeout, "", 1, containers=True).interval == interval


def test_real_connections_are_found(listener: socket.socket, tmp_path: Path) -> None:
    path = str(tmp_path / "docker.sock")
    options = Options(60, path, listener.getsockname()[1], containers=False)
    assert connections(options) == 0
    with contextlib.ExitStack() as stack:
        stack.enter_context(socket.create_connection(listener.getsockname()))
        stack.enter_context(listener.accept()[0])
        assert connections(options) == 1
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind(path)
        unix.listen()
        client = stack.enter_context(socket.socket(socket.AF_UNIX))
        client.connect(path)
        stack.enter_context(unix.accept()[0])
        assert connections(options) == 2
        client.shutdown(socket.SHUT_WR)  # as `docker exec -i` at the end of its input
        assert connections(options) == 2
    assert connections(options) == 0


async def test_running_containers_count_and_the_question_itself_does_not(tmp_path: Path) -> None:
    path, running = str(tmp_path / "docker.sock"), [b'["a"]']

    async def containers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + running[0])
        writer.close()
        await writer.wait_closed()

    options = Options(60, path, 1, containers=True)
    assert await in_use(options) is None
    async with await asyncio.start_unix_server(containers, path):
        assert await in_use(options) is True
        running[0] = b"[]"
        await asyncio.sleep(0.05)
        assert await in_use(options) is False
        assert await in_use(Options(60, path, 1, containers=False)) is False


async def test_a_connection_postpones_the_end(listener: socket.socket, tmp_path: Path) -> None:
    watching = asyncio.create_task(
        watch(Options(0.6, str(tmp_path / "none"), listener.getsockname()[1], containers=False))
    )
    with socket.create_connection(listener.getsockname()), listener.accept()[0]:
        await asyncio.sleep(1.5)
        assert not watching.done()
    started = time.monotonic()
    async with asyncio.timeout(10):
        assert await watching >= 0.6
    assert time.monotonic() - started >= 0.1


async def test_a_daemon_that_does_not_answer_is_not_idle(tmp_path: Path) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(watch(Options(0.2, str(tmp_path / "none"), 1, containers=True)), 1.2)


def command(tmp_path: Path, *options: str) -> list[str]:
    arguments = [f"--socket={tmp_path}/none", "--no-containers", "--port=1", *options]
    return [sys.executable, "-m", "nested_docker", "idle-watch", *arguments]


def test_being_idle_is_status_zero_and_says_since_when(tmp_path: Path) -> None:
    ended = subprocess.run(
        command(tmp_path, "--timeout=1"), timeout=30, check=True, stdout=subprocess.PIPE, encoding="utf-8"
    )
    assert re.fullmatch(r"idle since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n", ended.stdout)


def test_the_watch_does_not_import_what_the_operator_needs() -> None:
    heavy = ("aiohttp", "docker", "kopf", "kubernetes", "prometheus_client", "pydantic")
    modules = "nested_docker.cli.idle_watch, nested_docker.idle.watch, nested_docker.idle.termination_log"
    program = f"import sys, {modules}; print([name for name in {heavy} if name in sys.modules])"
    imported = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert imported.stdout == "[]\n"


def test_being_stopped_is_not(tmp_path: Path) -> None:
    with subprocess.Popen(command(tmp_path, "--timeout=60"), stderr=subprocess.PIPE) as process:
        while not catches(process.pid, signal.SIGTERM):
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 128 + signal.SIGTERM


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal, as proc(5) says it."""
    caught = re.search(r"^SigCgt:\s*([0-9a-f]+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (number - 1) & 1)


def test_last_words(tmp_path: Path) -> None:
    message = idle_since(datetime(2030, 1, 1, 0, 1, tzinfo=UTC), 90.5)
    assert message == "idle since 2029-12-31T23:59:29Z"
    log = tmp_path / "termination-log"
    assert not leave(message, log)
    assert not log.exists()  # outside Kubernetes nothing is left behind
    log.touch()
    assert leave(message, log)
    assert log.read_text() == message
