"""Byte streams whose two directions live and end independently of each other.

Docker's hijacked connections (`docker run -i`, exec, attach, load) end one direction and go on
reading the other. asyncio's own streams do not allow that: a failed write takes what was not read
yet along, and over TLS the end of one direction ends both. So sockets are used as they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Protocol

CHUNK = 131072
"""Bytes moved at a time, and about all that is held of a direction outside the kernel."""


class Stream(Protocol):
    """A connection, each of whose directions is used by one task at a time."""

    async def read(self) -> bytes:
        """Some bytes; empty: the peer has ended its direction.

        Raises:
            OSError: the connection broke.
        """

    async def write(self, data: bytes) -> None:
        """Send all of it, however long the peer takes to make room.

        Raises:
            OSError: the connection broke; what the peer had sent before can still be read.
        """

    async def end(self) -> None:
        """End our direction; the other one goes on. A peer that is gone already is no error."""

    def close(self) -> None:
        """End both directions at once; nobody may be reading or writing any more."""


class PlainStream:
    """A stream on a connected TCP or unix socket, which it owns."""

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


async def discard(stream: Stream, *, seconds: float | None = None) -> None:
    """Read on without use, until the peer ends or breaks its direction.

    Closing a socket with something unread makes the kernel send a reset, which takes away from the
    peer what it has not read of ours: the answer that says why it is being closed.

    Args:
        stream: where to read from.
        seconds: when to give up; None: never.
    """
    with contextlib.suppress(OSError):  # broken or out of time (a TimeoutError is one too): an end as good as any
        async with asyncio.timeout(seconds):
            while await stream.read():
                pass
