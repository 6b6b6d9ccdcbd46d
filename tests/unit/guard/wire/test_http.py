"""Listening to a client while it is answered."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
import pytest

from nested_docker.guard.wire.http import Client
from nested_docker.net.streams import PlainStream


class Scripted(PlainStream):
    """A client that sends what it is told to, and then nothing."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)
        self.sent: list[bytes] = []

    async def read(self) -> bytes:
        await asyncio.sleep(0)
        if self._pieces:
            return self._pieces.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    async def write(self, data: bytes) -> None:
        self.sent.append(data)


async def test_who_leaves_is_given_a_moment() -> None:
    client = Client(Scripted(b""))
    async with client.attended(0.1):
        await asyncio.sleep(0.01)
    with pytest.raises(ConnectionAbortedError, match="has left"):
        async with client.attended(0.01):
            await asyncio.sleep(5)
    await client.stop()


@pytest.mark.parametrize("steps", range(6))
async def test_who_leaves_with_the_answer_disturbs_nobody(steps: int) -> None:
    complaints: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    client = Client(Scripted(b""))
    async with client.attended(5):
        for _ in range(steps):
            await asyncio.sleep(0)
    for _ in range(6):
        await asyncio.sleep(0)
    await client.stop()
    assert complaints == []


async def test_a_timeout_within_is_no_leaving() -> None:
    client = Client(Scripted())
    with pytest.raises(TimeoutError):
        async with client.attended(1):
            raise TimeoutError
    await client.stop()


async def test_what_a_client_sends_meanwhile_is_its_next_request() -> None:
    client = Client(Scripted(b"GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n"))
    async with client.attended(0):
        await asyncio.sleep(0.01)
    event = await client.event()
    assert isinstance(event, h11.Request)
    assert event.target == b"/_ping"
    assert await client.body() == b""
    assert client.whole


async def test_a_wait_that_is_given_up_loses_nothing() -> None:
    head = b"POST /build HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
    client = Client(Scripted(head + b"one", b"two", b"six"))
    await client.event()
    collected = b""
    while not client.whole:
        waiting = asyncio.create_task(client.body())
        for _ in range(len(collected) % 4):  # given up at several moments
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})
        if not waiting.cancelled():
            collected += waiting.result()
        collected += client.arrived()
        await asyncio.sleep(0)
    assert collected == b"onetwosix"
    await client.stop()


async def test_events_are_sent_by_one_write() -> None:
    stream = Scripted(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    client = Client(stream)
    await client.event()
    response = h11.Response(status_code=200, headers=[(b"Content-Length", b"2")])
    await client.send(response, h11.Data(data=b"OK"), h11.EndOfMessage())
    assert stream.sent == [b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nOK"]
