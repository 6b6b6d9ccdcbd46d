"""Both directions of a spliced connection, and how each of them ends."""

from __future__ import annotations

import asyncio
import os
import ssl

import pytest
from tests.unit.relay.peers import MIB, Neighbourhood, TlsClient, count_then_answer, echo, pour, read_all, send_all

from nested_docker.net.streams import CHUNK, Stream

kinds = pytest.mark.parametrize("kind", ["tls", "unix"])
SOCKET_BUFFERS = 16 * MIB
"""More than the kernel holds for the three sockets of one direction."""


@kinds
async def test_a_client_that_ends_its_direction_still_gets_the_answer(hood: Neighbourhood, kind: str) -> None:
    hood.start(count_then_answer)
    client = await hood.client(kind)
    await send_all(client, bytes(MIB))
    assert await read_all(client) == f"received {MIB}".encode()
    await hood.settled()


@kinds
async def test_a_long_answer_after_the_clients_end_arrives_whole(hood: Neighbourhood, kind: str) -> None:
    answer = os.urandom(8 * MIB)

    async def answer_late(client: Stream) -> None:
        assert await read_all(client) == b"stdin"
        await asyncio.sleep(0.2)
        await send_all(client, answer)

    hood.start(answer_late)
    client = await hood.client(kind)
    await send_all(client, b"stdin")
    assert await read_all(client) == answer


@kinds
async def test_a_daemon_that_ends_its_direction_still_hears_the_client(hood: Neighbourhood, kind: str) -> None:
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def greet_then_listen(client: Stream) -> None:
        await client.write(b"hello")
        await client.end()
        heard.set_result(await read_all(client))

    hood.start(greet_then_listen)
    client = await hood.client(kind)
    assert await read_all(client) == b"hello"
    said = os.urandom(MIB)
    await send_all(client, said)
    assert await asyncio.wait_for(heard, 5) == said
    await hood.settled()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_data_that_lies_ready_when_the_daemon_ends_is_not_lost(
    hood: Neighbourhood, version: ssl.TLSVersion
) -> None:
    """OpenSSL meets it while it sends close_notify, before anybody has asked for it."""
    read_on = asyncio.Event()
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def end_first(client: Stream) -> None:
        await asyncio.sleep(0.3)
        await client.end()
        await read_on.wait()
        heard.set_result(await read_all(client))

    hood.start(end_first)
    context = hood.context(hood.authority)
    context.maximum_version = version
    client = await hood.tls(context)
    said = os.urandom(SOCKET_BUFFERS)
    sending = asyncio.create_task(send_all(client, said))
    assert await client.read() == b""
    read_on.set()
    assert await asyncio.wait_for(heard, 20) == said
    await sending


@kinds
async def test_both_directions_at_once(hood: Neighbourhood, kind: str) -> None:
    hood.start(echo)
    client = await hood.client(kind)
    sent = os.urandom(16 * MIB)
    sending = asyncio.create_task(send_all(client, sent))
    assert await read_all(client) == sent
    await sending
    await hood.settled()


@kinds
async def test_a_client_that_does_not_read_can_still_send(hood: Neighbourhood, kind: str) -> None:
    heard = asyncio.Event()

    async def pour_and_listen(client: Stream) -> None:
        pouring = asyncio.create_task(pour(client))
        await read_all(client)
        heard.set()
        pouring.cancel()

    hood.start(pour_and_listen)
    client = await hood.client(kind)
    await asyncio.sleep(0.2)  # the daemon's direction is full by now
    async with asyncio.timeout(10):
        await send_all(client, bytes(SOCKET_BUFFERS))
        await heard.wait()


@kinds
async def test_a_client_that_does_not_read_holds_the_daemon_back(hood: Neighbourhood, kind: str) -> None:
    poured = 0

    async def count_and_pour(client: Stream) -> None:
        nonlocal poured
        while True:
            await client.write(bytes(CHUNK))
            poured += CHUNK

    hood.start(count_and_pour)
    await hood.client(kind)
    await asyncio.sleep(0.5)
    before = poured
    await asyncio.sleep(0.3)
    assert poured == before
    assert poured < SOCKET_BUFFERS


@kinds
async def test_a_daemon_that_does_not_read_holds_the_client_back(hood: Neighbourhood, kind: str) -> None:
    async def sleep(_client: Stream) -> None:
        await asyncio.sleep(60)

    hood.start(sleep)
    client = await hood.client(kind)
    sent = 0

    async def send() -> None:
        nonlocal sent
        while True:
            await client.write(bytes(CHUNK))
            sent += CHUNK

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(send(), 0.7)
    assert sent < SOCKET_BUFFERS


@kinds
async def test_the_answer_to_a_request_that_the_daemon_refuses_to_read_arrives(hood: Neighbourhood, kind: str) -> None:
    answer = b"HTTP/1.1 413 Request Entity Too Large\r\n\r\n" + bytes(200_000)

    async def refuse(client: Stream) -> None:
        await client.read()
        await client.write(answer)

    hood.start(refuse)
    client = await hood.client(kind)
    sending = asyncio.create_task(send_all(client, bytes(32 * MIB)))
    await asyncio.sleep(0.3)
    assert await read_all(client) == answer
    await asyncio.wait({sending}, timeout=10)
    assert sending.exception() is None  # what nobody wants is taken all the same
    await hood.settled()


async def test_a_client_that_sends_on_and_on_to_nobody_is_cut_off(
    hood: Neighbourhood, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nested_docker.relay.splice.LINGER_SECONDS", 0.2)

    async def refuse(client: Stream) -> None:
        await client.read()

    hood.start(refuse)
    client = await hood.tls()
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(pour(client), 10)
    await hood.settled()


@pytest.mark.parametrize("kind", ["tls", "unix", "tls without close_notify"])
async def test_a_client_that_vanishes_takes_its_daemon_connection_along(hood: Neighbourhood, kind: str) -> None:
    ended = asyncio.Event()

    async def follow(client: Stream) -> None:
        """As `docker logs -f` of a container that says nothing."""
        await client.write(b"first line")
        await read_all(client)
        ended.set()

    hood.start(follow)
    client = await hood.client(kind)
    assert await client.read() == b"first line"
    if kind == "tls":
        await client.end()
    client.close()
    await asyncio.wait_for(ended.wait(), 5)
    await hood.settled()


@kinds
async def test_a_client_that_is_reset_in_the_middle_of_an_answer_leaves_nothing(hood: Neighbourhood, kind: str) -> None:
    ended = asyncio.Event()

    async def pour_until_broken(client: Stream) -> None:
        try:
            await pour(client)
        finally:
            ended.set()

    hood.start(pour_until_broken)
    client = await hood.client(kind)
    await client.read()
    client.close()
    await asyncio.wait_for(ended.wait(), 5)
    await hood.settled()


async def test_a_stream_without_close_notify_is_cut_short_not_ended(hood: Neighbourhood) -> None:
    """A cut by somebody on the way must not pass for the end of what the client had to say."""
    answered = asyncio.Event()

    async def answer_at_the_end(client: Stream) -> None:
        await read_all(client)
        await client.write(b"all received")
        answered.set()

    hood.start(answer_at_the_end)
    client = await hood.tls()
    assert isinstance(client, TlsClient)
    await client.write(b"half of it")
    await client.plain.end()
    with pytest.raises(ConnectionError):
        await client.read()


async def test_no_daemon_ends_the_connection_and_is_told(hood: Neighbourhood, caplog: pytest.LogCaptureFixture) -> None:
    hood.start(None)
    client = await hood.tls()
    with pytest.raises(ConnectionError):
        await client.read()
    assert "the node has no Docker socket" in caplog.text
