"""TLS on a plain stream, with directions that end one by one.

asyncio's TLS transport closes when either direction ends. Here OpenSSL works on two memory buffers,
and we move what is in them: `close_notify` is then what it says, the end of one direction.
"""

from __future__ import annotations

import contextlib
import ssl

from nested_docker.relay.streams import CHUNK, Stream

RECORD = 16384
"""Bytes that a record of TLS has at most; OpenSSL gives them out one by one."""


class TlsStream:
    """The server's end of a TLS connection.

    After the handshake only `write` and `end` send: what OpenSSL wants to send while it reads, such
    as a new key's announcement, goes out with the next write. A reader thus never waits for a peer
    that does not read.

    Args:
        plain: carries the encrypted bytes.
        context: the server's.
    """

    def __init__(self, plain: Stream, context: ssl.SSLContext) -> None:
        self._plain = plain
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    async def handshake(self) -> None:
        """Agree with the client; before anything else.

        Raises:
            ssl.SSLError: it has no certificate that the context accepts, or does not speak TLS.
            OSError: the connection broke.
        """
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._send()
                await self._receive()
            except ssl.SSLError:
                await self._send()  # the alert, which tells the client why
                raise
            else:
                return await self._send()

    async def read(self) -> bytes:
        """As `Stream.read`.

        Raises:
            OSError: the connection broke, or the client vanished without `close_notify`; taking that for an end
                would let anyone on the way cut a stream short.
        """
        while True:
            try:
                return self._records()
            except ssl.SSLWantReadError:
                await self._receive()
            except ssl.SSLZeroReturnError:  # what an end is called once we have ended ours
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
        connection that has seen a FIN, and the client may have much to say yet.
        """
        # OpenSSL sends ours, looks for the client's at once, and gives the connection up for good where it
        # finds data instead. So it is let find nothing, which makes it complain harmlessly. (Nothing that it
        # has decrypted is left either: records are taken as wholes.)
        unread = self._incoming.read()
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        self._incoming.write(unread)
        with contextlib.suppress(OSError):
            await self._send()

    def close(self) -> None:
        """As `Stream.close`; without an `end` before, the client knows that it was cut short."""
        self._plain.close()

    def _records(self) -> bytes:
        """The records that have arrived, a chunk of them at most.

        Raises:
            ssl.SSLError: there is none; what stands in the place of one, such as the end.
        """
        records = [self._tls.read(RECORD)]
        with contextlib.suppress(ssl.SSLError):  # it is raised again when it comes first
            while records[-1] and len(records) < CHUNK // RECORD:
                records.append(self._tls.read(RECORD))
        return b"".join(records)

    async def _receive(self) -> None:
        data = await self._plain.read()
        if not data:
            raise ConnectionError("the client ended TCP without TLS's close_notify")
        self._incoming.write(data)

    async def _send(self) -> None:
        while data := self._outgoing.read():
            await self._plain.write(data)


def server_context(directory: str) -> ssl.SSLContext:
    """A context that lets clients of the key set in, and nobody else.

    Args:
        directory: has ca.pem, cert.pem and key.pem.

    Raises:
        OSError: a file is missing or does not hold what its name says; the message names the directory.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # A renegotiation would make a read depend on a write.
    context.options |= ssl.OP_NO_RENEGOTIATION
    try:
        context.load_cert_chain(f"{directory}/cert.pem", f"{directory}/key.pem")
        context.load_verify_locations(f"{directory}/ca.pem")
    except OSError as error:  # OpenSSL's words do not say which file
        raise OSError(f"{directory} does not have a usable ca.pem, cert.pem and key.pem: {error}") from error
    context.verify_mode = ssl.CERT_REQUIRED
    return context
