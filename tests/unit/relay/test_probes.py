"""What the kubelet and Prometheus are told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from nested_docker.relay import probes
from nested_docker.relay.probes import Probes


@contextlib.asynccontextmanager
async def serving(health: str = "", readiness: str = "") -> AsyncIterator[int]:
    async def healthy() -> str:
        return health

    async def ready() -> str:
        return readiness

    async with await Probes(healthy, ready, lambda: 3).serve(0) as server:
        yield server.sockets[0].getsockname()[1]


async def said(port: int, request: bytes, *, end: bool = False) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    if end:
        writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize("failing", ["", "/healthz", "/readyz"])
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_health_and_readiness(path: str, failing: str) -> None:
    failures = {"health": "the daemon is away"} if failing == "/healthz" else {"readiness": "the daemon is away"}
    async with serving(**failures if failing else {}) as port:
        answer = await said(port, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    failed = path == failing
    assert answer.startswith(b"HTTP/1.1 503 " if failed else b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\nthe daemon is away" if failed else b"\r\n\r\nok")


async def test_metrics_are_prometheus() -> None:
    async with serving() as port:
        answer = await said(port, b"GET /metrics HTTP/1.1\r\n\r\n")
    (family,) = text_string_to_metric_families(answer.partition(b"\r\n\r\n")[2].decode())
    assert (family.name, family.type, family.samples[0].value) == ("nested_docker_relay_connections", "gauge", 3)


async def test_nothing_else_is_there() -> None:
    async with serving() as port:
        for request in (b"GET / HTTP/1.1\r\n\r\n", b"POST /healthz HTTP/1.1\r\n\r\n", b"\r\n\r\n"):
            assert (await said(port, request)).startswith(b"HTTP/1.1 404 ")


async def test_who_asks_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "HEAD_SECONDS", 0.1)
    async with serving() as port:
        assert await said(port, b"GET /healthz") == b""
        assert await said(port, b"GET /healthz", end=True) == b""
        assert await said(port, b"x" * 100_000) == b""
