"""What serves a connection: the seam at which a guard takes the place of the plain splice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from nested_docker.relay.streams import Stream


class UpstreamError(ConnectionError):
    """The node's daemon cannot be reached; the message says why, and what helps."""


OpenUpstream = Callable[[], Awaitable[Stream]]
"""Connects to the node's daemon; raises UpstreamError. Whoever calls it closes what it returns."""


class Handler(Protocol):
    """Serves one client's connection, from its first byte to its last."""

    async def __call__(self, client: Stream, open_upstream: OpenUpstream) -> None:
        """Return when the connection has come to its end; the caller then closes the client's stream.

        Args:
            client: the client's stream, TLS or not.
            open_upstream: connects to the node's daemon, as often as the handler wants to.

        Raises:
            UpstreamError: the daemon cannot be reached.
            OSError: a connection broke.
        """
