"""The relay's listeners: mutual TLS for other pods, a unix socket for the own one."""

from __future__ import annotations

import asyncio
import functools
import logging
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from nested_docker.relay.splice import Handler, OpenUpstream
from nested_docker.relay.streams import CHUNK, PlainStream, Stream, TlsStream

logger = logging.getLogger(__name__)

HANDSHAKE_SECONDS = 10.0
MAX_CONNECTIONS = 512
SOCKET_MODE = 0o660
"""The unix socket lies in a directory of the pod's own, whose group the workload's containers have."""

Accept = Callable[[PlainStream], Awaitable[Stream]]


@dataclass(frozen=True)
class Address:
    """Where to listen for TCP."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """From `HOST:PORT`.

        Raises:
            ValueError: it is not of that form.
        """
        host, colon, port = text.rpartition(":")
        if not colon or not port.isdigit() or not 0 <= int(port) <= 65535:
            raise ValueError(f"{text!r} is not HOST:PORT, such as 0.0.0.0:2376")
        return cls(host.strip("[]"), int(port))


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
        self._servers: list[asyncio.Server] = []
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def open_connections(self) -> int:
        """Connections that are being served."""
        return len(self._connections)

    async def listen_tls(self, address: Address, context: ssl.SSLContext) -> int:
        """Serve clients that have a certificate; the port, which matters where 0 was asked for."""
        accept = functools.partial(_accept_tls, context=context)
        server = await asyncio.start_server(self._callback(accept), address.host, address.port, limit=CHUNK)
        self._servers.append(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def listen_unix(self, path: str) -> None:
        """Serve whoever may open the socket; a stale one of a former start is replaced."""
        Path(path).unlink(missing_ok=True)
        self._servers.append(await asyncio.start_unix_server(self._callback(_accept_plain), path, limit=CHUNK))
        Path(path).chmod(SOCKET_MODE)

    async def drain(self, seconds: float) -> None:
        """Accept nothing new, and give what is open that long to end."""
        for server in self._servers:
            server.close()
        if self._connections:
            _, late = await asyncio.wait(self._connections, timeout=seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _callback(self, accept: Accept) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if len(self._connections) >= self._max:
                logger.warning("a connection was turned away: %d are open", self._max)
                writer.close()
                return
            task = asyncio.create_task(self._serve(PlainStream(reader, writer), accept))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)

        return connected

    async def _serve(self, plain: PlainStream, accept: Accept) -> None:
        try:
            await self._handler(await accept(plain), self._open_upstream)
        except TimeoutError:
            logger.warning("a client did not finish its TLS handshake within %g s", HANDSHAKE_SECONDS)
        except ssl.SSLError as error:
            logger.warning("a client was refused: %s", error.reason or error)
        except OSError as error:
            logger.info("a connection broke: %s", error)
        finally:
            plain.close()


async def _accept_plain(plain: PlainStream) -> Stream:
    return plain


async def _accept_tls(plain: PlainStream, context: ssl.SSLContext) -> Stream:
    async with asyncio.timeout(HANDSHAKE_SECONDS):
        return await TlsStream.accept(plain, context)
