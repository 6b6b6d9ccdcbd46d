"""The node's socket: connecting to it, and saying what is wrong with it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from pathlib import Path

from nested_docker.relay.handler import UpstreamError
from nested_docker.relay.streams import PlainStream

PING = b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n"
PING_SECONDS = 2.0


class SocketForbiddenError(UpstreamError):
    """This process may not use the socket, and never will: its groups are fixed."""


class UpstreamStream(PlainStream):
    """A connection to the node's daemon."""

    async def read(self) -> bytes:
        """As `Stream.read`; on unix sockets a reset is an end before which the daemon left something of ours unread."""
        try:
            return await super().read()
        except ConnectionResetError:
            return b""


async def connect(path: str) -> UpstreamStream:
    """A connection to the node's daemon.

    Raises:
        SocketForbiddenError: the socket's group is not among ours.
        UpstreamError: there is no connection to be had now.
    """
    try:
        return UpstreamStream(_dial(path))
    except OSError as error:
        raise _explained(error, path) from error


async def failure(path: str) -> str:
    """What keeps the node's daemon from answering; empty: nothing."""
    try:
        async with asyncio.timeout(PING_SECONDS):
            status = await _ping(path)
    except TimeoutError:
        return f"the node's Docker daemon has not answered /_ping within {PING_SECONDS:g} s"
    except ConnectionError as error:
        return str(error)
    return "" if status == "200" else f"the node's Docker daemon answers /_ping with status {status or 'none'}"


def _dial(path: str) -> socket.socket:
    with contextlib.ExitStack() as unless_connected:
        connecting = unless_connected.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        connecting.settimeout(0)
        connecting.connect(path)  # on a unix socket there is nothing to wait for: a full backlog refuses at once
        unless_connected.pop_all()
    return connecting


async def _ping(path: str) -> str:
    """The status code of the answer; empty: it was not HTTP."""
    stream = await connect(path)
    try:
        await stream.write(PING)
        answer = b""
        while data := await stream.read():
            answer += data
    finally:
        stream.close()
    protocol, _, rest = answer.decode("latin-1").partition(" ")
    return rest[:3] if protocol.startswith("HTTP/") else ""


def _explained(error: OSError, path: str) -> UpstreamError:
    if isinstance(error, PermissionError):
        group = _group(path)
        return SocketForbiddenError(
            f"permission denied on the node's Docker socket, which belongs to group {group}: "
            f"set spec.hostSocket.gid of the NestedDockerClass to {group}"
        )
    if isinstance(error, FileNotFoundError):
        return UpstreamError(f"the node has no Docker socket: {path} does not exist")
    if isinstance(error, ConnectionRefusedError):
        return UpstreamError(
            "nobody listens on the node's Docker socket: Docker is stopped there, or has been started anew with a "
            "new socket, which this container sees when it is restarted"
        )
    return UpstreamError(f"no connection to the node's Docker socket: {error.strerror or error}")


def _group(path: str) -> str:
    try:
        return str(Path(path).stat().st_gid)
    except OSError:  # a directory on the way to it is closed to us as well
        return "unknown"
