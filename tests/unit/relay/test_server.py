"""Counting, limiting and ending connections."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket

import pytest
from tests.unit.relay.peers import Neighbourhood, count_then_answer, echo, read_all

from nested_docker.net.streams import Stream
from nested_docker.relay.handler import OpenUpstream


async def test_one_too_many_is_turned_away_and_told(hood: Neighbourhood, caplog: pytest.LogCaptureFixture) -> None:
    hood.start(echo, max_connections=2)
    first, second = await hood.unix(), await hood.tls()
    for client in (first, second):
        await client.write(b"x")
        assert await client.read() == b"x"
    assert hood.relay.open_connections == 2
    assert await (await hood.unix()).read() == b""
    assert "a connection was turned away: 2 are open" in caplog.text
    first.close()
    await hood.settled(1)
    again = await hood.unix()
    await again.write(b"y")
    assert await again.read() == b"y"


async def test_opening_and_closing_are_one_line_each(hood: Neighbourhood, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "nested_docker.relay")
    hood.start(echo)
    client = await hood.unix()
    await client.end()
    assert await client.read() == b""
    await hood.settled()
    opened, closed = (record for record in caplog.records if record.name == "nested_docker.relay")
    assert (opened.message, closed.message) == ("a connection was opened", "a connection was closed")
    assert opened.connection == closed.connection == 1  # type: ignore[attr-defined]
    assert closed.outcome == "ended"  # type: ignore[attr-defined]


async def test_no_error_makes_two_lines_of_one(hood: Neighbourhood, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "nested_docker.relay")

    async def fail(_client: Stream, _open_upstream: OpenUpstream) -> None:
        raise OSError("forged\r\nline")

    hood.start(echo, fail)
    assert await (await hood.unix()).read() == b""
    await hood.settled()
    assert caplog.records[-1].outcome == "broke: forged\\r\\nline"  # type: ignore[attr-defined]


async def test_a_handler_may_take_the_splices_place(hood: Neighbourhood) -> None:
    async def guard(client: Stream, open_upstream: OpenUpstream) -> None:
        request = await client.read()
        upstream = await open_upstream()
        try:
            await upstream.write(request.upper())
            await client.write(await upstream.read())
        finally:
            upstream.close()
        await client.end()

    hood.start(echo, guard)
    client = await hood.tls()
    await client.write(b"hello")
    assert await read_all(client) == b"HELLO"


async def test_draining_accepts_nothing_new_and_lets_open_streams_end(hood: Neighbourhood) -> None:
    hood.start(count_then_answer)
    client = await hood.tls()
    await client.write(b"x")
    draining = asyncio.create_task(hood.relay.drain(10))
    await asyncio.sleep(0.05)
    with pytest.raises(ConnectionError):
        await hood.tcp()
    await client.write(b"y")
    await client.end()
    assert await read_all(client) == b"received 2"
    await draining


async def test_draining_cuts_off_what_does_not_end(hood: Neighbourhood, caplog: pytest.LogCaptureFixture) -> None:
    hood.start(echo)
    client = await hood.tls()
    await hood.relay.drain(0.1)
    assert hood.relay.open_connections == 0
    assert "connections were cut off" in caplog.text
    with pytest.raises(ConnectionError):
        await client.read()


async def test_a_failing_accept_is_told_and_tried_again(
    hood: Neighbourhood, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("nested_docker.relay.server.ACCEPT_PAUSE_SECONDS", 0.05)
    loop = asyncio.get_running_loop()
    accept, failures = loop.sock_accept, [OSError(errno.EMFILE, "Too many open files")]

    async def sometimes(listener: socket.socket) -> tuple[socket.socket, object]:
        if failures and listener.family == socket.AF_UNIX and listener.getsockname() == hood.unix_path:
            raise failures.pop()
        return await accept(listener)

    monkeypatch.setattr(loop, "sock_accept", sometimes)
    hood.start(echo)
    client = await hood.unix()
    await client.write(b"x")
    assert await client.read() == b"x"
    assert "Too many open files" in caplog.text
