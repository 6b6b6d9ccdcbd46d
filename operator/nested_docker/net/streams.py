"""Byte streams whose two directions live and end independently of each other.

Docker's hijacked connections (`docker run -i`, exec, attach, load) end one direction and continue to
read the other. asyncio's streams do not allow that: a failed write discards what has not been read
yet, and over TLS the end of one direction ends both. So this module uses sockets directly.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Protocol

CHUNK = 131072
"""Bytes moved at a time, and about the most that is held per direction outside the kernel."""


class Stream(Protocol):
    """A connection. At most one task uses each direction at a time."""

    async def read(self) -> bytes:
        """Some bytes; empty: the peer has ended its direction.

        Raises:
            OSError: the connection broke.
        """

    async def write(self, data: bytes) -> None:
        """Send all of the data, and wait while the peer does not read.

        Raises:
            OSError: the connection broke; what the peer sent before can still be read.
        """

    async def end(self) -> None:
        """End our direction; the other one stays open. It is not an error if the peer has closed already."""

    def close(self) -> None:
        """End both directions at once; no task may be reading or writing any more."""


class PlainStream:
    """A stream on a connected TCP or unix socket, which it owns and closes."""

    def __init__(self, connected: socket.socket) -> None:
        connected.settimeout(0)
        self._socket, self._loop = connected, asyncio.get_running_loop()

    async def read(self) -> bytes:
        """As `Stream.read`."""
        return await self._loop.sock_recv(self._socket, CHUNK)

    async def write(self, data: bytes) -> None:
        """As `Stream.write`."""
        await self._loop.sock_sendall(self._socket, data)

    async def end(self) -> None:
        """As `Stream.end`."""
        with contextlib.suppress(OSError):  # only ENOTCONN is possible: both directions have ended
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """As `Stream.close`."""
        self._socket.close()


def connect_unix(path: str) -> socket.socket:
    """A connection to a unix socket; it never blocks, since a full backlog refuses at once.

    Raises:
        OSError: the socket does not exist, is closed to this process, or nothing listens on it.
    """
    with contextlib.ExitStack() as unless_connected:
        connecting = unless_connected.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        connecting.settimeout(0)
        connecting.connect(path)
        unless_connected.pop_all()
    return connecting


async def connect_tcp(address: str, port: int) -> PlainStream:
    """A TCP connection.

    Args:
        address: an IPv4 or IPv6 address, without brackets.
        port: the peer's port.

    Raises:
        OSError: nothing listens there, or there is no route.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with contextlib.ExitStack() as unless_connected:
        connecting = unless_connected.enter_context(socket.socket(family, socket.SOCK_STREAM))
        connecting.settimeout(0)
        await asyncio.get_running_loop().sock_connect(connecting, (address, port))
        connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        unless_connected.pop_all()
    return PlainStream(connecting)


async def discard(stream: Stream, *, seconds: float | None = None) -> None:
    """Read and drop data until the peer ends or breaks its direction.

    If a socket is closed while data is unread, the kernel sends a reset, and the peer loses what it
    has not read yet: the answer that says why the connection is being closed.

    Args:
        stream: where to read from.
        seconds: when to give up; None: never.
    """
    with contextlib.suppress(OSError):  # broken or timed out (TimeoutError is an OSError): either is an end
        async with asyncio.timeout(seconds):
            while await stream.read():
                pass
