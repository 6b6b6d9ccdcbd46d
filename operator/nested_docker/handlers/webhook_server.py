"""An HTTPS server for requests of the API server, which any pod of the cluster can reach.

So connections, their memory and the time that they may take are bounded. What is slow or idle makes room for others,
and first that of the address with the most connections.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import logging
import socket
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from nested_docker.adapters.certificates import Validity, validity_of
from nested_docker.net.listening import listen_everywhere

logger = logging.getLogger(__name__)

_SILENT = logging.getLogger(f"{__name__}.http")
_SILENT.setLevel(logging.CRITICAL)
"""aiohttp's log, which would have an error with its traceback for whatever a client sends that is not HTTP."""


WEBHOOK_DRAIN_SECONDS = 3.0
"""For the connections that are open when the server stops: each is closed with the response to its next request.

A connection that is closed between two requests may cost the API server the second one, and a user an error.
"""

WEBHOOK_ANSWER_SECONDS = 5.0
"""After that, for the requests that are being answered: as long as the API server waits for an answer."""

COLLECT_AFTER = 32
"""Closed connections after which the garbage is collected, at most once a second."""


@dataclass(frozen=True)
class Bounds:
    """Of the server.

    Attributes:
        connections: at the same time.
        handshake_seconds: for the TLS handshake.
        request_seconds: from the handshake to a whole first request, and for the body of each request.
        idle_seconds: between two requests of a connection.
        body: bytes of a request's body.
        bodies: bytes of all bodies that are being read.
    """

    connections: int = 256
    handshake_seconds: float = 5.0
    request_seconds: float = 5.0
    idle_seconds: float = 90.0
    body: int = 2**20
    bodies: int = 2**23


@dataclass(eq=False)
class Connection:
    """One connection.

    Attributes:
        address: of the client.
        since: when it was accepted, or its last request ended.
        requests: that were read whole.
        reading: bytes of the body that is being read; None: no request has begun.
        answering: whether a whole request is being answered.
        shaking: whether the TLS handshake is not over.
        close: ends it.
    """

    address: str
    since: float
    requests: int = 0
    reading: int | None = None
    answering: bool = False
    shaking: bool = True
    close: Callable[[], object] = field(default=lambda: None)


Answer = Callable[[str, bytes], Awaitable[web.Response]]
"""Answers a path and a body."""


class WebhookServer:
    """The server.

    Args:
        port: to listen on, on every address.
        certificates: directory with tls.crt and tls.key, which are loaded again when they change.
        answer: answers a request.
        bounds: of connections and requests.

    Attributes:
        dropped: connections that were closed to keep the bounds.
        validity: start and end of that of the certificate that new connections get; None: not known, or none is loaded
            yet.
    """

    def __init__(self, port: int, certificates: Path, answer: Answer, bounds: Bounds | None = None) -> None:
        self._port, self._certificates, self._answer = port, certificates, answer
        self._bounds = bounds or Bounds()
        self._connections: dict[Any, Connection] = {}
        self._handshakes: set[asyncio.Task[None]] = set()
        self._draining = False
        self.dropped = 0
        self.validity: Validity | None = None

    async def run(self, listening: asyncio.Event, *, check_seconds: float = 60.0) -> None:
        """Serve until cancelled.

        Args:
            listening: is set once the server listens.
            check_seconds: time between two looks at the certificate's files.
        """
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        digest = self._load(context)
        server = _Server(self._handle, self._connections, self._bounds)
        with _listen(self._port) as accepting:
            listening.set()
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._accept(accepting, context, server), name="webhook connections")
                    group.create_task(self._sweep(), name="webhook deadlines")
                    group.create_task(self._reload(context, digest, check_seconds), name="webhook certificate")
            finally:
                listening.clear()
                await self._drain(accepting, context, server)
                await server.shutdown(WEBHOOK_ANSWER_SECONDS)

    # --- connections ------------------------------------------------------------------------------

    async def _accept(self, accepting: socket.socket, context: ssl.SSLContext, server: _Server) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = await loop.sock_accept(accepting)
            except OSError as error:
                logger.warning("a connection to the webhook could not be accepted: %s", error)
                await asyncio.sleep(0.1)
                continue
            self._make_room(self._bounds.connections - 1)
            connection = Connection(str(address[0]), time.monotonic())
            connecting = loop.create_task(self._connect(accepted, connection, context, server))
            connection.close = connecting.cancel
            self._handshakes.add(connecting)
            connecting.add_done_callback(self._handshakes.discard)

    async def _connect(
        self, accepted: socket.socket, connection: Connection, context: ssl.SSLContext, server: _Server
    ) -> None:
        """The TLS handshake; while it lasts, closing the connection means cancelling this task."""
        protocol = server()
        self._connections[protocol] = connection
        try:
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                lambda: protocol, accepted, ssl=context, ssl_handshake_timeout=self._bounds.handshake_seconds
            )
        except (OSError, asyncio.CancelledError):  # nobody waits for this task, and it is cancelled only to end it
            self._connections.pop(protocol, None)
            accepted.close()
            return
        connection.since, connection.shaking, connection.close = time.monotonic(), False, transport.abort

    def _make_room(self, most: int) -> None:
        """Close connections that are not being answered, until there are at most that many."""
        while len(self._connections) > most:
            idle = [each for each in self._connections.items() if not each[1].answering]
            if not idle:
                return
            addresses = Counter(connection.address for connection in self._connections.values())
            key, connection = min(
                idle, key=lambda each: (-addresses[each[1].address], each[1].requests > 0, each[1].since)
            )
            self._drop(key, connection)

    def _drop(self, key: Any, connection: Connection) -> None:
        self.dropped += 1
        self._connections.pop(key, None)
        connection.close()

    async def _sweep(self) -> None:
        """Close connections that have taken too long, and free the memory of many that were closed.

        A closed connection is a cycle of objects with buffers of several 100 KB, which the garbage collector, as it
        counts objects and not bytes, would leave for long.
        """
        collected = 0
        while True:
            await asyncio.sleep(min(1.0, self._bounds.request_seconds / 4))
            if self.dropped - collected >= COLLECT_AFTER:
                gc.collect()
                collected = self.dropped
            now = time.monotonic()
            for key, connection in list(self._connections.items()):
                if connection.answering or connection.shaking:
                    continue
                fresh = not connection.requests or connection.reading is not None
                allowed = self._bounds.request_seconds if fresh else self._bounds.idle_seconds
                if now - connection.since > allowed:
                    self._drop(key, connection)

    async def _drain(self, accepting: socket.socket, context: ssl.SSLContext, server: _Server) -> None:
        """Let connections end. New ones still come, as nodes take up late that the replica goes."""
        self._draining = True
        late = asyncio.create_task(self._accept(accepting, context, server), name="late webhook connections")
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WEBHOOK_DRAIN_SECONDS):
                    await asyncio.sleep(0.05)
                    while self._connections:
                        await asyncio.sleep(0.05)
        finally:
            late.cancel()
            await asyncio.gather(late, return_exceptions=True)
            accepting.close()
            for connecting in self._handshakes:
                connecting.cancel()

    # --- requests ---------------------------------------------------------------------------------

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        connection = self._connections.get(request.protocol)
        if connection is None:  # it was closed a moment ago
            return web.Response(status=503)
        try:
            response = await self._respond(request, connection)
            if self._draining:
                response.force_close()
            return response
        except (OSError, web.RequestPayloadError):  # the client is gone, or has sent no HTTP
            return web.Response(status=400)
        except Exception:
            logger.exception("a defect in the operator: a request to the webhook was not answered")
            return web.Response(status=500)
        finally:
            connection.answering, connection.reading = False, None
            connection.since = time.monotonic()

    async def _respond(self, request: web.BaseRequest, connection: Connection) -> web.Response:
        if request.method != "POST":
            return web.Response(status=405, text="the webhook answers only POST", headers={"Allow": "POST"})
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            return web.Response(status=415, text="the webhook accepts no content encoding")
        body = await self._read(request, connection)
        if body is None:
            too_large = web.Response(status=413, text=f"the webhook accepts at most {self._bounds.body} bytes")
            too_large.force_close()
            return too_large
        connection.requests += 1
        connection.answering = True
        return await self._answer(request.path, body)

    async def _read(self, request: web.BaseRequest, connection: Connection) -> bytes | None:
        """The body; None: it is too large."""
        if (request.content_length or 0) > self._bounds.body:
            return None
        if connection.requests:
            connection.since = time.monotonic()
        connection.reading = 0
        body = bytearray()
        try:
            while data := await request.content.readany():
                body += data
                connection.reading = len(body)
                if len(body) > self._bounds.body:
                    return None
                self._bound_bodies(connection)
            return bytes(body)
        finally:  # an error holds its frames, and with them the data, until the next garbage collection
            data = b""
            body.clear()

    def _bound_bodies(self, mine: Connection) -> None:
        """Close the connections whose bodies have taken longest, if all together are too large."""
        reading = {key: each for key, each in self._connections.items() if each.reading and not each.answering}
        total = sum(each.reading or 0 for each in reading.values())
        for key, each in sorted(reading.items(), key=lambda item: item[1].since):
            if total <= self._bounds.bodies:
                return
            if each is not mine:
                total -= each.reading or 0
                self._drop(key, each)

    # --- certificate ------------------------------------------------------------------------------

    def _load(self, context: ssl.SSLContext) -> bytes:
        certificate, key = self._certificates / "tls.crt", self._certificates / "tls.key"
        pem = certificate.read_bytes()
        digest = hashlib.sha256(pem + key.read_bytes()).digest()
        context.load_cert_chain(certificate, key)
        self.validity = validity_of(pem)
        return digest

    async def _reload(self, context: ssl.SSLContext, digest: bytes, seconds: float) -> None:
        """New connections get the certificate that is in the files."""
        while True:
            await asyncio.sleep(seconds)
            try:
                found = self._load(context)
            except OSError as error:  # an SSLError is one: the two files may not match for a moment
                logger.warning("the webhook keeps its certificate, because the new one cannot be loaded: %s", error)
                continue
            if found != digest:
                digest = found
                logger.info("the webhook has a new certificate")


class _Server(web.Server):
    """Makes protocols, and removes their connections when they are lost."""

    def __init__(self, handler: Any, connections: dict[Any, Connection], bounds: Bounds) -> None:
        super().__init__(
            handler,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=bounds.idle_seconds,
            lingering_time=0,
            max_headers=64,
            logger=_SILENT,
        )
        self._by_protocol = connections

    def connection_lost(self, handler: Any, exc: BaseException | None = None) -> None:
        """As `web.Server.connection_lost`."""
        super().connection_lost(handler, exc)
        self._by_protocol.pop(handler, None)


@contextlib.contextmanager
def _listen(port: int) -> Any:
    """A socket that listens on every address and does not block."""
    with listen_everywhere(port) as listening:
        listening.settimeout(0)
        yield listening
