"""The relay as a container runs it: its options, its end, its memory."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from tests.unit.relay.peers import MIB, Neighbourhood, read_all

from nested_docker.net.streams import CHUNK, PlainStream
from nested_docker.relay import upstream
from nested_docker.relay.listeners import listen_unix

WITHOUT_ROOTS_PRIVILEGE = ["setpriv", "--bounding-set=-dac_override"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


class Process:
    """A running relay."""

    def __init__(self, process: asyncio.subprocess.Process, hood: Neighbourhood, health_port: int) -> None:
        self.process, self.hood, self._health_port = process, hood, health_port

    async def health(self, path: str = "/healthz") -> tuple[int, str]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self._health_port}{path}") as answer,
        ):
            return answer.status, await answer.text()

    async def started(self) -> None:
        async with asyncio.timeout(20):
            while not (Path(self.hood.unix_path).exists() and _connects(self.hood.port)):
                assert self.process.returncode is None
                await asyncio.sleep(0.05)

    def memory(self) -> int:
        """Resident bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))


def _connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


@asynccontextmanager
async def relay(hood: Neighbourhood, *options: str, prefix: tuple[str, ...] = ()) -> AsyncIterator[Process]:
    hood.write_certificates()
    hood.port, health_port = free_port(), free_port()
    process = await asyncio.create_subprocess_exec(
        *prefix,
        *(sys.executable, "-m", "nested_docker", "relay"),
        f"--upstream={hood.upstream_path}",
        f"--listen-tls=127.0.0.1:{hood.port}",
        f"--listen-unix={hood.unix_path}",
        f"--certificates={hood.folder}",
        f"--health-port={health_port}",
        *options,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(upstream.__file__).parents[2])},
    )
    try:
        yield Process(process, hood, health_port)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


HEAVY = ("aiohttp", "docker", "kopf", "kubernetes", "prometheus_client", "pydantic_settings", "rich", "typer")
"""What the operator needs, and a relay does not."""


def test_a_guard_does_not_carry_the_operator_about() -> None:
    modules = ("__main__", "cli.relay", "relay.main", "relay.logs", "guard.proxy", "guard.rules")
    imports = ", ".join(f"nested_docker.{module}" for module in modules)
    program = f"import sys, {imports}; print([name for name in {HEAVY} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout == "[]\n"


async def test_a_guard_counts_what_it_denies(hood: Neighbourhood) -> None:
    async with relay(hood, "--guard-rules={}", "--owner-uid=u-1") as running:
        await running.started()
        client = await hood.unix()
        await client.write(b"GET /swarm HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await read_all(client)).startswith(b"HTTP/1.1 403 ")
        status, text = await running.health("/metrics")
        assert status == 200
        assert 'nested_docker_guard_requests_total{rule="swarm",verdict="denied"} 1\n' in text
        assert "nested_docker_relay_connections " in text


async def test_sigterm_lets_open_streams_end_and_is_no_failure(hood: Neighbourhood) -> None:
    async with relay(hood) as running:
        await running.started()
        assert (await running.health())[0] == 503
        with listen_unix(hood.upstream_path) as listener:
            listener.settimeout(0)
            client = await hood.tls()
            daemon = PlainStream((await asyncio.get_running_loop().sock_accept(listener))[0])
        running.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.3)
        assert running.process.returncode is None
        await daemon.write(b"the last words")
        daemon.close()
        assert await read_all(client) == b"the last words"
        await client.end()
        assert await asyncio.wait_for(running.process.wait(), 10) == 0


async def test_health_follows_the_daemon(hood: Neighbourhood) -> None:
    async with relay(hood) as running:
        await running.started()
        assert await running.health() == (503, f"the node has no Docker socket: {hood.upstream_path} does not exist")

        async def pong(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.0 200 OK\r\n\r\nOK")
            writer.close()
            await writer.wait_closed()

        async with await asyncio.start_unix_server(pong, hood.upstream_path):
            assert await running.health() == (200, "ok")
        assert (await running.health())[0] == 503


async def test_a_socket_that_may_not_be_used_ends_it_with_the_remedy_as_last_line(hood: Neighbourhood) -> None:
    assert os.geteuid() or shutil.which("setpriv"), "root may do anything, and there is no setpriv: install util-linux"
    with listen_unix(hood.upstream_path):
        Path(hood.upstream_path).chmod(0)
        prefix = tuple(WITHOUT_ROOTS_PRIVILEGE) if os.geteuid() == 0 else ()
        async with relay(hood, prefix=prefix) as running:
            assert running.process.stderr is not None
            told = (await running.process.stderr.read()).decode().splitlines()
            assert await running.process.wait() == 1
    group = Path(hood.upstream_path).stat().st_gid
    assert told[-1].endswith(f"set spec.hostSocket.gid of the NestedDockerClass to {group}")
    assert len(told) == 1


async def test_memory_stays_flat_whatever_passes(hood: Neighbourhood) -> None:
    async with relay(hood) as running:
        await running.started()
        with listen_unix(hood.upstream_path) as listener:
            listener.settimeout(0)
            assert await transfer(hood, listener, 4) == 4 * MIB
            before = running.memory()
            assert await transfer(hood, listener, 64) == 64 * MIB
            assert running.memory() - before < 2 * MIB


async def transfer(hood: Neighbourhood, listener: socket.socket, mib: int) -> int:
    """Bytes of so many MiB that arrive at a client that is slow to begin."""
    client = await hood.tls()
    daemon = PlainStream((await asyncio.get_running_loop().sock_accept(listener))[0])

    async def pour() -> None:
        for _ in range(mib * MIB // CHUNK):
            await daemon.write(bytes(CHUNK))
        daemon.close()

    pouring = asyncio.create_task(pour())
    await asyncio.sleep(0.1)
    received = 0
    while data := await client.read():
        received += len(data)
    await pouring
    await client.end()
    return received


async def test_a_broken_certificate_is_told_in_one_line(hood: Neighbourhood) -> None:
    with listen_unix(hood.upstream_path):
        async with relay(hood) as running:
            (hood.folder / "key.pem").write_text("nonsense")
            assert running.process.stderr is not None
            told = (await running.process.stderr.read()).decode().splitlines()
            assert await running.process.wait() == 1
    assert told[-1].startswith("nested-docker relay: ")
