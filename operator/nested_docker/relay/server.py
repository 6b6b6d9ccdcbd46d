"""Accepting connections, and counting, limiting and ending them."""

from __future__ import annotations

import asyncio
import functools
import itertools
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable

from nested_docker.net.streams import PlainStream, Stream, discard
from nested_docker.net.tls import TlsStream
from nested_docker.relay.handler import Handler, OpenUpstream, UpstreamError

logger = logging.getLogger(__package__)

HANDSHAKE_SECONDS = 10.0
ACCEPT_PAUSE_SECONDS = 1.0
ALERT_SECONDS = 1.0
"""How long a refused client may take to read why."""
MAX_CONNECTIONS = 512

Admit = Callable[[PlainStream], Awaitable[Stream]]
"""Makes an accepted connection one that can be served."""

_LINE_ENDS = {ord("\r"): "\\r", ord("\n"): "\\n"}


class TlsRejected(ConnectionError):
    """A client did not prove that it may come in."""


class Relay:
    """Accepts connections and has each of them handled.

    Args:
        open_upstream: connects to the node's daemon.
        handler: serves one connection.
        max_connections: connections served at the same time; further ones are turned away.
    """

    def __init__(
        self, open_upstream: OpenUpstream, handler: Handler, *, max_connections: int = MAX_CONNECTIONS
    ) -> None:
        self._open_upstream, self._handler, self._max = open_upstream, handler, max_connections
        self._listening: set[asyncio.Task[None]] = set()
        self._connections: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)

    @property
    def open_connections(self) -> int:
        """Connections that are being served."""
        return len(self._connections)

    def serve_tls(self, listener: socket.socket, context: ssl.SSLContext) -> None:
        """Serve clients that have a certificate, until `drain`, which closes the listener."""
        self._serve(listener, functools.partial(_admit_tls, context=context))

    def serve_plain(self, listener: socket.socket) -> None:
        """Serve whoever can connect, until `drain`, which closes the listener."""
        self._serve(listener, _admit_plain)

    async def drain(self, seconds: float) -> None:
        """Accept nothing new, give what is open that long to end, and cut off the rest."""
        await _cancelled(self._listening)
        if not self._connections:
            return
        logger.info("waiting for open connections to end", extra={"open": len(self._connections)})
        _, late = await asyncio.wait(self._connections, timeout=seconds)
        if late:
            logger.warning("connections were cut off: they did not end within %g s", seconds, extra={"open": len(late)})
            await _cancelled(late)

    def _serve(self, listener: socket.socket, admit: Admit) -> None:
        listener.settimeout(0)
        self._listening.add(asyncio.create_task(self._accept(listener, admit)))

    async def _accept(self, listener: socket.socket, admit: Admit) -> None:
        with listener:
            while True:
                try:
                    connected, peer = await asyncio.get_running_loop().sock_accept(listener)
                except OSError as error:  # such as too many open files: what is open may end meanwhile
                    logger.warning("no connection could be accepted: %s", error)
                    await asyncio.sleep(ACCEPT_PAUSE_SECONDS)
                    continue
                self._begin(connected, _name(peer), admit)

    def _begin(self, connected: socket.socket, peer: str, admit: Admit) -> None:
        if len(self._connections) >= self._max:
            logger.warning("a connection was turned away: %d are open", self._max, extra={"peer": peer})
            connected.close()
            return
        task = asyncio.create_task(self._connection(PlainStream(connected), peer, admit))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _connection(self, plain: PlainStream, peer: str, admit: Admit) -> None:
        about = {"connection": next(self._numbers), "peer": peer}
        logger.debug("a connection was opened", extra=about | {"open": self.open_connections})
        outcome = "cut off"
        try:
            client = await admit(plain)
            await self._handler(client, self._open_upstream)
            outcome = "ended"
        except (TlsRejected, UpstreamError) as error:
            outcome = _line(error)
            logger.warning("%s", outcome, extra=about)
        except OSError as error:  # a client that just leaves: every day's business
            outcome = f"broke: {_line(error)}"
        finally:
            plain.close()
            logger.debug("a connection was closed", extra=about | {"outcome": outcome})


async def _admit_plain(plain: PlainStream) -> Stream:
    return plain


async def _admit_tls(plain: PlainStream, context: ssl.SSLContext) -> Stream:
    stream = TlsStream(plain, context)
    try:
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            await stream.handshake()
    except TimeoutError as error:
        raise TlsRejected(f"a client did not finish its TLS handshake within {HANDSHAKE_SECONDS:g} s") from error
    except ssl.SSLError as error:
        await plain.end()
        await discard(plain, seconds=ALERT_SECONDS)
        raise TlsRejected(f"a client was refused: {error}") from error
    return stream


async def _cancelled(tasks: set[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _name(peer: object) -> str:
    return f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else "unix"


def _line(text: object) -> str:
    """As part of one line, whatever is in it."""
    return str(text).translate(_LINE_ENDS)
