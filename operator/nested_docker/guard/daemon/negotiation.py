"""The API version of the daemon, from the connection on which the request follows."""

from __future__ import annotations

import asyncio

import h11

from nested_docker.guard.daemon.client import RESPONSE_SECONDS, read_head, read_rest, try_send
from nested_docker.guard.wire.headers import HOST
from nested_docker.guard.wire.http import Peer
from nested_docker.relay.handler import OpenUpstream, UpstreamError


async def connect(open_upstream: OpenUpstream) -> tuple[Peer, str]:
    """Connect to the daemon, and ask for its API version.

    The version is not remembered: a daemon that is replaced by another version would read a request differently.

    Returns:
        The connection, on which a request can follow, and the header Api-Version; empty: there is none.

    Raises:
        UpstreamError: the daemon cannot be reached, or did not respond.
        OSError: the connection broke.
    """
    daemon = Peer(await open_upstream())
    try:
        version = await _newest_version(daemon)
    except BaseException:
        daemon.stream.close()
        raise
    if daemon.reusable:
        daemon.h11.start_next_cycle()
        return daemon, version
    daemon.stream.close()
    return Peer(await open_upstream()), version


async def _newest_version(daemon: Peer) -> str:
    try:
        async with asyncio.timeout(RESPONSE_SECONDS):
            ping = h11.Request(method="HEAD", target="/_ping", headers=[HOST])
            await try_send(daemon, ping, h11.EndOfMessage())
            head = await read_head(daemon)
            await read_rest(daemon)
    except TimeoutError as error:
        raise UpstreamError(
            f"the node's Docker daemon has not answered a ping within {RESPONSE_SECONDS:g} s"
        ) from error
    return dict(head.headers).get(b"api-version", b"").decode("latin-1")
