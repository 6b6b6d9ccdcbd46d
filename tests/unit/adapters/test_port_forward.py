"""Port forwarding against a server that speaks the protocol on a real socket."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from tests.support.port_forwarding import PortForwardingServer

from nested_docker.adapters.port_forward import PortForwarder
from nested_docker.domain.ports import KubeError

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def headers(path: str) -> dict[str, str]:
    assert path.endswith("/portforward")
    return {"Authorization": "Bearer secret"}


@asynccontextmanager
async def forwarding(serve: Serve) -> AsyncIterator[tuple[PortForwardingServer, PortForwarder]]:
    """A pod whose port is served by `serve`, and a client of the API server in front of it."""
    target = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = target.sockets[0].getsockname()[1]
    server = PortForwardingServer(lambda: asyncio.open_connection("127.0.0.1", port))
    await server.start()
    forwarder = PortForwarder(server.url, headers)
    try:
        yield server, forwarder
    finally:
        await forwarder.close()
        await server.stop()
        target.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def test_data_passes_both_ways_and_the_port_is_not_part_of_it() -> None:
    async with forwarding(echo) as (server, forwarder):
        stream = await forwarder.connect("team-a", "build-1", 2376)
        await stream.write(b"hello")
        assert await stream.read() == b"hello"
        stream.close()
    assert server.authorization == {"Bearer secret"}


async def test_fifty_connections_at_once_keep_their_data_apart() -> None:
    async def exchange(forwarder: PortForwarder, number: int) -> None:
        stream = await forwarder.connect("team-a", "build-1", 2376)
        sent = hashlib.sha256(bytes([number])).digest() * 4000
        received = bytearray()
        writing = asyncio.create_task(stream.write(sent))
        while len(received) < len(sent):
            received += await stream.read()
        await writing
        stream.close()
        assert bytes(received) == sent

    async with forwarding(echo) as (server, forwarder):
        await asyncio.gather(*(exchange(forwarder, number) for number in range(50)))
        assert server.connections == 50


SIZE = 64 * 2**20
PEAK = 16 * 2**20
"""Far less than what is transferred, and several times what the buffers of both ends hold."""


async def test_a_slow_reader_of_an_answer_slows_the_pod_down() -> None:
    sent = 0

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        block = bytes(2**18)
        while sent < SIZE:
            writer.write(block)
            sent += len(block)
            await writer.drain()
        writer.close()

    async with forwarding(flood) as (_, forwarder):
        tracemalloc.start()
        stream = await forwarder.connect("team-a", "build-1", 2376)
        received = len(await stream.read())
        await asyncio.sleep(0.5)
        assert sent < SIZE / 2, "the pod sends although nobody reads"
        while data := await stream.read():
            received += len(data)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        stream.close()
    assert received == SIZE
    assert peak < PEAK


async def test_a_slow_pod_slows_the_writer_down() -> None:
    go, received = asyncio.Event(), 0

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        await go.wait()
        while received < SIZE and (data := await reader.read(2**18)):
            received += len(data)
        writer.close()

    async with forwarding(slow) as (_, forwarder):
        stream, written, block = await forwarder.connect("team-a", "build-1", 2376), 0, bytes(2**18)

        async def fill() -> None:
            nonlocal written
            while written < SIZE:
                await stream.write(block)
                written += len(block)

        writing = asyncio.create_task(fill())
        await asyncio.sleep(0.5)
        assert written < SIZE / 2, "the writer goes on although the pod does not read"
        go.set()
        await writing
        assert await stream.read() == b""
        stream.close()
    assert received == SIZE


async def test_the_end_of_the_pod_ends_the_stream_after_its_last_byte() -> None:
    async def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"last words")
        writer.close()

    async with forwarding(say) as (_, forwarder):
        stream = await forwarder.connect("team-a", "build-1", 2376)
        assert await stream.read() == b"last words"
        assert await stream.read() == b""
        stream.close()


async def test_the_kubelets_error_is_the_reason() -> None:
    async with forwarding(echo) as (server, forwarder):
        server.error = b"error forwarding port 2376 to pod build-1:\n connection refused"
        stream = await forwarder.connect("team-a", "build-1", 2376)
        with pytest.raises(ConnectionError) as raised:
            await stream.read()
        stream.close()
    assert str(raised.value) == (
        "port 2376 of pod build-1: error forwarding port 2376 to pod build-1: connection refused"
    )


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "the API server does not accept your credentials"),
        (
            403,
            "you need the permissions get and create on pods/portforward; if you have them, a guardrail of the chart "
            "denies it, as for the guard's pods of mode HostSocket",
        ),
        (404, "the pod does not exist"),
        (503, "the API server answers with status 503"),
    ],
)
async def test_a_refusal_says_what_is_missing(status: int, message: str) -> None:
    async with forwarding(echo) as (server, forwarder):
        server.refuse = status
        with pytest.raises(KubeError) as raised:
            await forwarder.connect("team-a", "build-1", 2376)
    assert raised.value.status == status
    assert raised.value.message == f"GET /api/v1/namespaces/team-a/pods/build-1/portforward: {message}"


async def test_an_api_server_that_does_not_answer_is_named_so() -> None:
    async with forwarding(echo) as (server, forwarder):
        await server.stop()
        with pytest.raises(KubeError) as raised:
            await forwarder.connect("team-a", "build-1", 2376)
        await server.start()
    assert (raised.value.status, raised.value.reason) == (0, "NoAnswer")


async def test_a_closed_stream_ends_the_connection_to_the_pod() -> None:
    ended = asyncio.Event()

    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        ended.set()
        writer.close()

    async with forwarding(wait) as (_, forwarder):
        stream = await forwarder.connect("team-a", "build-1", 2376)
        stream.close()
        stream.close()
        async with asyncio.timeout(10):
            await ended.wait()


async def test_pings_keep_a_silent_connection_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nested_docker.adapters.port_forward.KEEPALIVE_SECONDS", 0.01)
    async with forwarding(echo) as (_, forwarder):
        stream = await forwarder.connect("team-a", "build-1", 2376)
        await asyncio.sleep(0.1)
        payload = os.urandom(1000)
        await stream.write(payload)
        assert await stream.read() == payload
        stream.close()
