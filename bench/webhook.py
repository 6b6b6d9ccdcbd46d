"""Attacks on the webhook: what other users' requests come to, and the peak memory of the server's process.

    .venv/bin/python bench/webhook.py

Two servers take turns: kopf's own, which the operator had before, and the operator's. Both review with the same
function, which computes for some milliseconds and then waits as for the API server. One client acts as another
user: it sends a request every 100 ms, on a new connection, and gives up after 5 s as the API server does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import resource
import ssl
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "operator")]

import aiohttp  # noqa: E402
import kopf  # noqa: E402
import trustme  # noqa: E402
import uvloop  # noqa: E402

from nested_docker.controller.admission_reviewer import AdmissionResponse, Review  # noqa: E402
from nested_docker.domain.status.reasons import Reason  # noqa: E402
from nested_docker.handlers.admission import AdmissionServer  # noqa: E402

COMPUTES, WAITS = 0.004, 0.02
"""Seconds of a review on the processor, and for SubjectAccessReviews."""

SECONDS, PATIENCE, INTERVAL = 12.0, 5.0, 0.1
CONNECTIONS, FLOOD, BODIES = 3000, 1500, 300
HEAD = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"


async def review(_review: Review) -> AdmissionResponse:
    until = time.perf_counter() + COMPUTES
    while time.perf_counter() < until:
        pass
    await asyncio.sleep(WAITS)
    return AdmissionResponse(allowed=True, reason=Reason.GRANTED)


async def by_kopf(port: int, folder: Path) -> None:
    async def answer(data: Any, **_: Any) -> Any:
        response = await review(Review({}, data["request"]["object"]))
        return {"response": {"uid": data["request"]["uid"], "allowed": response.allowed}}

    server = kopf.WebhookServer(port=port, certfile=folder / "tls.crt", pkeyfile=folder / "tls.key")
    async for _ in server(answer):
        pass


async def by_us(port: int, folder: Path) -> None:
    async for _ in AdmissionServer(port, folder, {"/x": review}, lambda *_: None)(None):
        pass


SERVERS: dict[str, Callable[[int, Path], Awaitable[None]]] = {"before": by_kopf, "after": by_us}


def serve(name: str, port: int, folder: str) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    uvloop.run(SERVERS[name](port, Path(folder)))  # type: ignore[arg-type]


def body(user: str, padding: int = 0) -> bytes:
    obj = {"metadata": {"name": "a", "namespace": "ns", "annotations": {"a": "x" * padding}}, "spec": {}}
    request = {"uid": "u", "userInfo": {"username": user}, "object": obj, "oldObject": None}
    return json.dumps({"request": request}).encode()


@dataclass
class Target:
    """A server under attack."""

    port: int
    context: ssl.SSLContext

    async def post(self, data: bytes) -> bool:
        """Whether a request on a new connection is allowed in time."""
        try:
            async with (
                asyncio.timeout(PATIENCE),
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=self.context)) as session,
                session.post(f"https://127.0.0.1:{self.port}/x", data=data) as response,
            ):
                return response.status == 200 and (await response.json())["response"]["allowed"]
        except (TimeoutError, aiohttp.ClientError, OSError):
            return False

    async def hold(self, data: bytes, *, tls: bool = True) -> None:
        """A connection that sends this and then nothing; when it is closed, the next one."""
        while True:
            try:
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", self.port, ssl=self.context if tls else None, ssl_handshake_timeout=60 if tls else None
                )
                writer.write(data)
                await reader.read()
                writer.close()
            except OSError:
                pass
            await asyncio.sleep(0.2)


async def nobody(_target: Target) -> None:
    """No attack."""


async def slow_handshakes(target: Target) -> None:
    await asyncio.gather(*(target.hold(b"", tls=False) for _ in range(CONNECTIONS)))


async def slow_heads(target: Target) -> None:
    await asyncio.gather(*(target.hold(b"POST /x HTTP/1.1\r\nHost: a\r\nX:") for _ in range(CONNECTIONS)))


async def slow_bodies(target: Target) -> None:
    await asyncio.gather(*(target.hold(HEAD + b" " * 999_000) for _ in range(BODIES)))


async def flood(target: Target) -> None:
    async def again() -> None:
        while True:
            await target.post(body("eve"))

    await asyncio.gather(*(again() for _ in range(FLOOD)))


async def large(target: Target) -> None:
    async def again() -> None:
        while True:
            await target.post(body("eve", 1_000_000))

    await asyncio.gather(*(again() for _ in range(100)))


ATTACKS = (nobody, slow_handshakes, slow_heads, slow_bodies, flood, large)


def attack_in_a_process(number: int, port: int, authority: bytes) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(ATTACKS[number](Target(port, trusting(authority))))


def trusting(authority: bytes) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authority.decode())
    context.check_hostname = False
    return context


async def measure(name: str, number: int, folder: Path, authority: bytes, port: int) -> str:
    spawn = multiprocessing.get_context("spawn")
    server = spawn.Process(target=serve, args=(name, port, str(folder)))
    server.start()
    attacker = spawn.Process(target=attack_in_a_process, args=(number, port, authority))
    target = Target(port, trusting(authority))
    try:
        while not await target.post(body("alice")):
            await asyncio.sleep(0.2)
        attacker.start()
        await asyncio.sleep(4)
        taken: list[tuple[bool, float]] = []

        async def one() -> None:
            started = time.monotonic()
            taken.append((await target.post(body("alice")), time.monotonic() - started))

        async with asyncio.TaskGroup() as group:
            for _ in range(int(SECONDS / INTERVAL)):
                group.create_task(one())
                await asyncio.sleep(INTERVAL)
        status = Path(f"/proc/{server.pid}/status").read_text()
        peak = next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))
        refused = sum(not allowed for allowed, _ in taken)
        median = sorted(seconds for _, seconds in taken)[len(taken) // 2]
        return f"{refused} of {len(taken)} | {median * 1000:.0f} ms | {peak:.0f} MiB"
    finally:
        for process in (attacker, server):
            if process.pid:
                process.kill()
                process.join()


def main() -> None:
    authority = trustme.CA()
    made = authority.issue_cert("127.0.0.1")
    print("| attack | server | refused for others | median | peak memory |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        made.cert_chain_pems[0].write_to_path(Path(folder) / "tls.crt")
        made.private_key_pem.write_to_path(Path(folder) / "tls.key")
        port = 21000
        for number, attack in enumerate(ATTACKS):
            for name in SERVERS:
                port += 1
                figures = asyncio.run(measure(name, number, Path(folder), authority.cert_pem.bytes(), port))
                print(f"| {attack.__name__.replace('_', ' ')} | {name} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
