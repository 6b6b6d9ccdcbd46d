"""A test's TLS server leaves no connection behind, whatever state that is in."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trustme
from aiohttp import web
from tests.support.tls_server import TlsServer, served

AUTHORITY = trustme.CA()


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[TlsServer, int]]:
    """A server and its port; its application ends with the block."""
    runner = web.AppRunner(web.Application(), shutdown_timeout=0)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    AUTHORITY.issue_cert("localhost").configure_cert(context)
    server = TlsServer(served(runner), context)
    yield server, server.start("127.0.0.1", 0)
    await server.stop()
    await runner.cleanup()


async def ends(reader: asyncio.StreamReader) -> None:
    """Return when the other side has closed the connection."""
    with contextlib.suppress(ConnectionResetError):
        async with asyncio.timeout(5):
            while await reader.read(1000):
                pass


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01", b"no TLS"])
async def test_a_connection_that_has_not_shaken_hands_is_closed_too(sent: bytes) -> None:
    async with serving() as (server, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        await asyncio.sleep(0.1)
        await server.stop()
    await ends(reader)
    writer.close()


@pytest.mark.parametrize("turns", range(12))
async def test_a_client_that_is_shaking_hands_is_not_left_waiting(turns: int) -> None:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    async with serving() as (server, port):
        connecting = asyncio.create_task(
            asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        )
        for _ in range(turns):
            await asyncio.sleep(0)
        await server.stop()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        async with asyncio.timeout(5):
            reader, writer = await connecting
        await ends(reader)
        writer.close()
