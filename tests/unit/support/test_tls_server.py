"""A test's TLS server leaves no connection behind, whatever state that is in."""

from __future__ import annotations

import asyncio
import ssl

import pytest
import trustme
from aiohttp import web
from tests.support.tls_server import TlsServer, served


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01", b"no TLS"])
async def test_a_connection_that_has_not_shaken_hands_is_closed_too(sent: bytes) -> None:
    runner = web.AppRunner(web.Application(), shutdown_timeout=0)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    server = TlsServer(served(runner), context)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.start("127.0.0.1", 0))
    writer.write(sent)
    await asyncio.sleep(0.1)
    await server.stop()
    await runner.cleanup()
    try:
        async with asyncio.timeout(5):
            while await reader.read(1000):
                pass
    except ConnectionResetError:
        pass
    writer.close()
