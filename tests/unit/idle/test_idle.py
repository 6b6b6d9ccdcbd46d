"""The idle watch: the clock, the kernel's tables, and real sockets in them."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web

from nested_docker.idle.clock import IdleClock
from nested_docker.idle.kernel import connected_unix, established_tcp
from nested_docker.idle.watch import Options, connections, in_use, watch

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0948 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1
   1: 0700000A:0948 0800000A:D431 01 00000000:00000000 00:00000000 00000000     0        0 2 1
   2: 0700000A:0948 0800000A:D432 06 00000000:00000000 00:00000000 00000000     0        0 3 1
   3: 0700000A:0050 0800000A:0948 01 00000000:00000000 00:00000000 00000000     0        0 4 1
""".splitlines()
UNIX = """\
Num       RefCount Protocol Flags    Type St Inode Path
0000: 00000002 00000000 00010000 0001 01 100 /run/nested-docker/docker.sock
0001: 00000003 00000000 00000000 0001 03 101 /run/nested-docker/docker.sock
0002: 00000003 00000000 00000000 0001 03 102
0003: 00000003 00000000 00000000 0001 03 103 /var/run/docker.sock
""".splitlines()


def test_only_established_connections_to_the_port_count() -> None:
    assert established_tcp(TCP, 2376) == 1
    assert established_tcp([], 2376) == 0


def test_only_accepted_connections_to_the_path_count() -> None:
    assert connected_unix(UNIX, "/run/nested-docker/docker.sock") == 1
    assert connected_unix(UNIX, "/none") == 0


def test_the_clock_starts_anew_with_every_use() -> None:
    clock = IdleClock(10, now=0)
    assert not clock.observe(9, in_use=False)
    assert not clock.observe(9.5, in_use=True)
    assert not clock.observe(19, in_use=False)
    assert clock.observe(19.5, in_use=False)


def test_the_clock_stands_still_while_nobody_can_tell() -> None:
    clock = IdleClock(10, now=0)
    assert not clock.observe(100, in_use=None)
    assert not clock.observe(109, in_use=False)
    assert clock.observe(110, in_use=False)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


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
    assert connections(options) == 0


async def test_running_containers_count_and_the_question_itself_does_not(tmp_path: Path) -> None:
    path, running = str(tmp_path / "docker.sock"), ["a"]

    async def containers(_request: web.Request) -> web.Response:
        return web.json_response(running)

    options = Options(60, path, 1, containers=True)
    assert await in_use(options) is None
    app = web.Application()
    app.router.add_get("/containers/json", containers)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, path).start()
    assert await in_use(options) is True
    running.clear()
    await asyncio.sleep(0.05)
    assert await in_use(options) is False
    await runner.cleanup()


async def test_the_watch_ends_when_time_is_up(tmp_path: Path) -> None:
    async with asyncio.timeout(5):
        await watch(Options(0.2, str(tmp_path / "none"), 1, containers=False))


def test_ending_idle_and_being_stopped_are_told_apart(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "nested_docker", "idle-watch", f"--socket={tmp_path}/none", "--no-containers"]
    assert subprocess.run([*command, "--timeout=1", "--port=1"], timeout=20, check=False).returncode == 0
    with subprocess.Popen([*command, "--timeout=60", "--port=1"], stderr=subprocess.PIPE) as process:
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2)
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 128 + signal.SIGTERM
