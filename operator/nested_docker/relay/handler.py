"""What serves a connection: a guard replaces the plain splice here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from nested_docker.docker_api.errors import DockerApiError
from nested_docker.net.streams import Stream


class UpstreamError(DockerApiError):
    """The node's daemon cannot be reached; the message says why and what to do."""


OpenUpstream = Callable[[], Awaitable[Stream]]
"""Connects to the node's daemon; raises UpstreamError. The caller closes the stream."""


class Handler(Protocol):
    """Serves one client's connection, from its first byte to its last."""

    async def __call__(self, client: Stream, open_upstream: OpenUpstream) -> None:
        """Return when the connection has ended; the caller then closes the client's stream.

        Args:
            client: the client's stream, TLS or not.
            open_upstream: connects to the node's daemon; the handler may call it several times.

        Raises:
            UpstreamError: the daemon cannot be reached.
            OSError: a connection broke.
        """
