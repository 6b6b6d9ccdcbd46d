"""A Docker socket of this user's, whose connections lead to a NestedDocker's daemon."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from nested_docker.client.dialing import Dialer
from nested_docker.client.errors import NestedDockerError
from nested_docker.net.streams import Stream, discard
from nested_docker.relay.handler import OpenUpstream, UpstreamError
from nested_docker.relay.listeners import listen_unix
from nested_docker.relay.server import Relay
from nested_docker.relay.splice import splice

SOCKET_MODE_OF_USER = 0o600
REFUSED_SECONDS = 1.0
CLOSING_SECONDS = 0.2

logging.getLogger("nested_docker").addHandler(logging.NullHandler())


class Bridge:
    """Listens on a unix socket; each connection is one to the daemon, secured by TLS on the way."""

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer
        self._relay = Relay(self._open, _serve)

    @property
    def open_connections(self) -> int:
        """Number of connections that clients have open."""
        return self._relay.open_connections

    def listen(self, path: Path) -> None:
        """Serve clients at that path, whose directory only this user can read.

        Raises:
            OSError: the path is too long or not writable.
        """
        listener = listen_unix(str(path))
        path.chmod(SOCKET_MODE_OF_USER)
        self._relay.serve_plain(listener)

    async def close(self) -> None:
        """Accept no more clients, and end the connections of those that are there."""
        await self._relay.drain(CLOSING_SECONDS)

    async def _open(self) -> Stream:
        try:
            return await self._dialer.connect()
        except NestedDockerError as error:
            raise UpstreamError(str(error)) from error


async def _serve(client: Stream, open_upstream: OpenUpstream) -> None:
    """Splice; if the daemon cannot be reached, the answer says why, in Docker's form."""
    try:
        await splice(client, open_upstream)
    except UpstreamError as error:
        await client.write(_unavailable(str(error)))
        await client.end()
        await discard(client, seconds=REFUSED_SECONDS)
        raise


def _unavailable(message: str) -> bytes:
    body = json.dumps({"message": f"nested-docker: {message}"}).encode()
    head = (
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body
