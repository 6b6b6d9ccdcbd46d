"""The relay's neighbours in tests: a client that speaks TLS as Go's does, and daemons of several tempers."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import trustme

from nested_docker.net.streams import CHUNK, PlainStream, Stream
from nested_docker.relay import upstream
from nested_docker.relay.handler import Handler
from nested_docker.relay.listeners import Address, listen_tcp, listen_unix
from nested_docker.relay.server import Relay
from nested_docker.relay.splice import splice
from nested_docker.relay.tls import server_context

MIB = 2**20
T = TypeVar("T")
Daemon = Callable[[Stream], Coroutine[Any, Any, None]]


class TlsClient:
    """A client that can end its direction by close_notify and read on."""

    def __init__(self, plain: PlainStream, context: ssl.SSLContext) -> None:
        self.plain = plain
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")

    async def handshake(self) -> None:
        await self._until_done(self._tls.do_handshake)
        await self._flush()

    async def read(self) -> bytes:
        try:
            return await self._until_done(lambda: self._tls.read(CHUNK))
        except ssl.SSLZeroReturnError:
            return b""

    async def write(self, data: bytes) -> None:
        self._tls.write(data)
        await self._flush()

    async def end(self) -> None:
        with contextlib.suppress(ssl.SSLError):  # the relay's own close_notify need not have come
            self._tls.unwrap()
        await self._flush()

    def close(self) -> None:
        self.plain.close()

    async def _until_done(self, call: Callable[[], T]) -> T:
        while True:
            try:
                return call()
            except ssl.SSLWantReadError:
                if self._outgoing.pending:
                    await self._flush()
                data = await self.plain.read()
                if not data:
                    raise ConnectionError("the relay hung up without close_notify") from None
                self._incoming.write(data)

    async def _flush(self) -> None:
        while data := self._outgoing.read():
            await self.plain.write(data)


async def read_all(stream: Stream) -> bytes:
    received = bytearray()
    while data := await stream.read():
        received += data
    return bytes(received)


async def send_all(stream: Stream, data: bytes) -> None:
    for start in range(0, len(data), CHUNK):
        await stream.write(data[start : start + CHUNK])
    await stream.end()


async def count_then_answer(client: Stream) -> None:
    """Answers only when the client has ended its direction, as `docker load` does."""
    await client.write(f"received {len(await read_all(client))}".encode())


async def echo(client: Stream) -> None:
    while data := await client.read():
        await client.write(data)


async def pour(client: Stream) -> None:
    """Sends without end, whatever it is told."""
    while True:
        await client.write(bytes(CHUNK))


class Neighbourhood:
    """A relay between clients and a daemon that the test chooses."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.upstream_path = str(folder / "upstream.sock")
        self.unix_path = str(folder / "relay.sock")
        self.port = 0
        self.relay = self._relay(splice, 4)
        self._tasks: set[asyncio.Task[None]] = set()
        self._opened: list[Stream | TlsClient] = []

    def _relay(self, handler: Handler, max_connections: int) -> Relay:
        connect = functools.partial(upstream.connect, self.upstream_path)
        return Relay(connect, handler, max_connections=max_connections)

    def start(self, daemon: Daemon | None, handler: Handler = splice, *, max_connections: int = 4) -> None:
        self.relay = self._relay(handler, max_connections)
        if daemon is not None:
            self._background(self._daemon(listen_unix(self.upstream_path), daemon))
        self.write_certificates()
        listener = listen_tcp(Address("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self.relay.serve_plain(listen_unix(self.unix_path))
        self.relay.serve_tls(listener, server_context(str(self.folder)))

    def write_certificates(self) -> None:
        server = self.authority.issue_cert("localhost")
        server.private_key_pem.write_to_path(str(self.folder / "key.pem"))
        server.cert_chain_pems[0].write_to_path(str(self.folder / "cert.pem"))
        self.authority.cert_pem.write_to_path(str(self.folder / "ca.pem"))

    async def stop(self) -> None:
        for stream in self._opened:
            stream.close()
        await self.relay.drain(0)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def client(self, kind: str) -> Stream:
        """A client on the relay's `tls` or `unix` listener."""
        return await self.unix() if kind == "unix" else await self.tls()

    async def unix(self) -> PlainStream:
        return await self._keep(upstream.connect(self.unix_path))

    async def tcp(self) -> PlainStream:
        stream = PlainStream(socket.create_connection(("127.0.0.1", self.port)))
        self._opened.append(stream)
        return stream

    async def tls(self, context: ssl.SSLContext | None = None) -> TlsClient:
        client = TlsClient(await self.tcp(), context or self.context(self.authority))
        await client.handshake()
        return client

    def context(self, authority: trustme.CA | None) -> ssl.SSLContext:
        """A client's context; `authority` issues its certificate, None: it has none."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        if authority is not None:
            authority.issue_cert("client@example.com").configure_cert(context)
        return context

    async def settled(self, connections: int = 0) -> None:
        """Wait until the relay serves that many connections."""
        async with asyncio.timeout(10):
            while self.relay.open_connections != connections:
                await asyncio.sleep(0.01)

    async def _keep(self, connecting: Awaitable[PlainStream]) -> PlainStream:
        stream = await connecting
        self._opened.append(stream)
        return stream

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.add(asyncio.create_task(work))

    async def _daemon(self, listener: socket.socket, daemon: Daemon) -> None:
        listener.settimeout(0)
        with listener:
            while True:
                connected, _ = await asyncio.get_running_loop().sock_accept(listener)
                self._background(self._serve(PlainStream(connected), daemon))

    @staticmethod
    async def _serve(client: PlainStream, daemon: Daemon) -> None:
        try:
            with contextlib.suppress(ConnectionError):
                await daemon(client)
        finally:
            client.close()
