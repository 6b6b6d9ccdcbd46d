"""The node's Docker socket: connections to it, and messages that say why it cannot be used."""

from __future__ import annotations

import functools
from pathlib import Path

from nested_docker.docker_api.answer import DockerAnswer
from nested_docker.docker_api.client import send_request
from nested_docker.docker_api.errors import DockerApiError
from nested_docker.net.streams import PlainStream, connect_unix
from nested_docker.relay.handler import UpstreamError

NODE_DAEMON = "the node's Docker daemon"
PING_SECONDS = 2.0


class SocketForbiddenError(UpstreamError):
    """This process may not use the socket, and a retry cannot help: the groups of a process are fixed."""


class UpstreamStream(PlainStream):
    """A connection to the node's daemon."""

    async def read(self) -> bytes:
        """As `Stream.read`; a reset counts as an end: a unix socket sends one if the daemon left our data unread."""
        try:
            return await super().read()
        except ConnectionResetError:
            return b""


async def connect_upstream(path: str) -> UpstreamStream:
    """Connect to the node's daemon.

    Raises:
        SocketForbiddenError: this process is not in the socket's group.
        UpstreamError: there is no connection for another reason.
    """
    try:
        return UpstreamStream(connect_unix(path))
    except OSError as error:
        raise _explained(error, path) from error


async def failure(path: str) -> str:
    """Why the node's daemon does not answer a ping; empty: it answers."""
    try:
        answer = await send_request(
            functools.partial(connect_upstream, path), "GET", "/_ping", daemon=NODE_DAEMON, seconds=PING_SECONDS
        )
    except DockerApiError as error:
        return str(error)
    return ping_failure(answer)


def ping_failure(answer: DockerAnswer) -> str:
    """Why an answer to a ping is not the one of a daemon that works; empty: it is."""
    return "" if answer.status == 200 else f"{NODE_DAEMON} answers /_ping with status {answer.status}"


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
            "nothing listens on the node's Docker socket: Docker is stopped on the node, or it was restarted and has "
            "a new socket, which this container sees only after a restart"
        )
    return UpstreamError(f"no connection to the node's Docker socket: {error.strerror or error}")


def _group(path: str) -> str:
    try:
        return str(Path(path).stat().st_gid)
    except OSError:  # a directory on the path is closed to this process as well
        return "unknown"
