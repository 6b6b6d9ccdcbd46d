"""Byte streams whose two directions end independently, plain and over TLS.

Docker's hijacked connections (`docker run -i`, exec, attach, load) end one direction and go on
reading the other. asyncio's own TLS transport closes both when either ends, so TLS is done here on
memory buffers, where `close_notify` is what it says: the end of one direction.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Protocol

CHUNK = 65536
"""Bytes moved at a time, and so what a stream buffers at most in each direction."""


class Stream(Protocol):
    """A connection."""

    async def read(self) -> bytes:
        """Some bytes; empty: the peer has ended its direction.

        Raises:
            ConnectionError: the connection broke.
        """

    async def write(self, data: bytes) -> None:
        """Send all of it; returns when the buffers have room again.

        Raises:
            ConnectionError: the connection broke.
        """

    async def end(self) -> None:
        """End our direction; the other one goes on."""

    def close(self) -> None:
        """End both directions at once."""


class PlainStream:
    """A stream on a TCP or unix socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def read(self) -> bytes:
        """As `Stream.read`."""
        return await self._reader.read(CHUNK)

    async def write(self, data: bytes) -> None:
        """As `Stream.write`."""
        self._writer.write(data)
        await self._writer.drain()

    async def end(self) -> None:
        """As `Stream.end`."""
        with contextlib.suppress(OSError):  # the peer may have gone already, and then both directions have ended
            self._writer.write_eof()

    def close(self) -> None:
        """As `Stream.close`."""
        self._writer.close()


class TlsStream:
    """The server's end of a TLS connection on a plain stream."""

    def __init__(
        self, plain: PlainStream, tls: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO
    ) -> None:
        self._plain, self._tls = plain, tls
        self._incoming, self._outgoing = incoming, outgoing
        self._sending = asyncio.Lock()

    @classmethod
    async def accept(cls, plain: PlainStream, context: ssl.SSLContext) -> TlsStream:
        """Shake hands with a client.

        Raises:
            ssl.SSLError: it has no certificate that the context accepts, or does not speak TLS.
            ConnectionError: the connection broke.
        """
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        stream = cls(plain, context.wrap_bio(incoming, outgoing, server_side=True), incoming, outgoing)
        while True:
            try:
                stream._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await stream._flush()
                await stream._receive()
            except ssl.SSLError:
                await stream._flush()  # the alert tells the client why
                raise
        await stream._flush()
        return stream

    async def read(self) -> bytes:
        """As `Stream.read`; an end without `close_notify` counts as an end."""
        while True:
            try:
                return self._tls.read(CHUNK)
            except ssl.SSLWantReadError:
                await self._flush()
                await self._receive()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""
            except ssl.SSLError as error:
                raise ConnectionError(f"TLS: {error}") from error

    async def write(self, data: bytes) -> None:
        """As `Stream.write`."""
        self._tls.write(data)
        await self._flush()

    async def end(self) -> None:
        """As `Stream.end`, by `close_notify`.

        OpenSSL's shutdown also looks for the peer's `close_notify`, and complains of data that is
        still to be read. That data stays readable, so both outcomes mean: ours was sent.
        """
        with contextlib.suppress(ssl.SSLError, ValueError):
            self._tls.unwrap()
        with contextlib.suppress(OSError):  # the peer may have gone already, and then both directions have ended
            await self._flush()

    def close(self) -> None:
        """As `Stream.close`."""
        self._plain.close()

    async def _receive(self) -> None:
        data = await self._plain.read()
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    async def _flush(self) -> None:
        async with self._sending:
            while self._outgoing.pending:
                await self._plain.write(self._outgoing.read(CHUNK))


def server_context(directory: str) -> ssl.SSLContext:
    """A context that only lets clients of the key set in.

    Args:
        directory: has ca.pem, cert.pem and key.pem.

    Raises:
        OSError: a file is missing or does not hold what its name says.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(f"{directory}/cert.pem", f"{directory}/key.pem")
    context.load_verify_locations(f"{directory}/ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    return context
