"""TLS on a plain stream, with directions that end one by one.

asyncio's TLS transport closes when either direction ends. Here OpenSSL works on two memory buffers,
and this module moves the data: `close_notify` then means what it says, the end of one direction.
"""

from __future__ import annotations

import contextlib
import os
import ssl
import sys
import tempfile

from nested_docker.net.streams import CHUNK, Stream

RECORD = 16384
"""The most bytes in a TLS record; OpenSSL returns records one by one."""


def client_context(authority: str, pair: bytes) -> ssl.SSLContext:
    """A context for the client's end, which trusts one authority only; on Linux, no disk ever has the private key.

    OpenSSL's loader reads only files, so it gets certificate and key as an anonymous memory file.

    Args:
        authority: certificate of the authority, in PEM.
        pair: the client's certificate and private key, in PEM.

    Raises:
        OSError, ValueError: one is not what its name says.
    """
    if not authority:  # OpenSSL would trust the system's authorities instead
        raise ValueError("the certificate of the authority is empty")
    context = ssl.create_default_context(cadata=authority)
    if sys.platform == "linux":
        handle = os.memfd_create("client-pair", os.MFD_CLOEXEC)
        try:
            os.write(handle, pair)
            context.load_cert_chain(f"/proc/self/fd/{handle}")
        finally:
            os.close(handle)
    else:
        with tempfile.NamedTemporaryFile() as file:  # only this user may read it
            file.write(pair)
            file.flush()
            context.load_cert_chain(file.name)
    return context


class TlsStream:
    """One end of a TLS connection.

    After the handshake only `write` and `end` send: what OpenSSL wants to send while it reads, such
    as the announcement of a new key, leaves with the next write. So a reader never waits for a peer
    that does not read.

    Args:
        plain: carries the encrypted bytes.
        context: for this end's role.
        server_name: this is the client's end, and the server's certificate must have this name;
            None: this is the server's end.
    """

    def __init__(self, plain: Stream, context: ssl.SSLContext, *, server_name: str | None = None) -> None:
        self._plain = plain
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_name is None, server_hostname=server_name
        )

    async def handshake(self) -> None:
        """Agree with the peer; call it before anything else.

        Raises:
            ssl.SSLError: the peer has no certificate that the context accepts, or does not speak TLS.
            OSError: the connection broke.
        """
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._send()
                await self._receive()
            except ssl.SSLError:
                await self._send()  # the alert, which tells the peer why
                raise
            else:
                return await self._send()

    async def read(self) -> bytes:
        """As `Stream.read`.

        Raises:
            OSError: the connection broke, or the peer closed it without `close_notify`: if that counted as an
                end, anyone on the network path could truncate a stream.
        """
        while True:
            try:
                return self._records()
            except ssl.SSLWantReadError:
                await self._receive()
            except ssl.SSLZeroReturnError:  # the end of the peer's direction, if ours has ended before
                return b""
            except ssl.SSLError as error:
                raise ConnectionError(f"TLS: {error}") from error

    async def write(self, data: bytes) -> None:
        """As `Stream.write`."""
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            raise ConnectionError(f"TLS: {error}") from error
        await self._send()

    async def end(self) -> None:
        """As `Stream.end`, by `close_notify`.

        TCP's direction stays open, as with Go's `CloseWrite`: connection tracking soon forgets a
        connection that has seen a FIN, and the peer may still have much to send.
        """
        # OpenSSL sends our close_notify, looks for the peer's at once, and gives the connection up for good
        # if it finds data instead. So it gets an empty buffer, which makes it fail harmlessly. (There is no
        # decrypted rest either: `_records` takes whole records.)
        unread = self._incoming.read()
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        self._incoming.write(unread)
        with contextlib.suppress(OSError):
            await self._send()

    def close(self) -> None:
        """As `Stream.close`; without `end` before, the peer sees a truncated stream."""
        self._plain.close()

    def _records(self) -> bytes:
        """The records that have arrived, at most one chunk.

        Raises:
            ssl.SSLError: there are none; the error says why, such as the end of the stream.
        """
        records = [self._tls.read(RECORD)]
        with contextlib.suppress(ssl.SSLError):  # the next call raises it again, as its first error
            while records[-1] and len(records) < CHUNK // RECORD:
                records.append(self._tls.read(RECORD))
        return b"".join(records)

    async def _receive(self) -> None:
        data = await self._plain.read()
        if not data:
            raise ConnectionError("the peer closed TCP without TLS's close_notify")
        self._incoming.write(data)

    async def _send(self) -> None:
        while data := self._outgoing.read():
            await self._plain.write(data)
