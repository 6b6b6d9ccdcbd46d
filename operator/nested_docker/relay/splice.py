"""What the relay does with a connection: pass it on as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from nested_docker.relay.streams import Stream

OpenUpstream = Callable[[], Awaitable[Stream]]
Handler = Callable[[Stream, OpenUpstream], Awaitable[None]]
"""Serves one client's connection: what a guard puts in the place of `splice`."""


async def splice(client: Stream, open_upstream: OpenUpstream) -> None:
    """Move bytes both ways until both directions have ended.

    Each direction holds one chunk, and reads on when that has been sent: a slow reader slows its
    writer down, and memory stays the same whatever passes.

    Raises:
        OSError: upstream could not be reached, or a connection broke; both are then closed.
    """
    upstream = await open_upstream()
    try:
        await _both(_pump(client, upstream), _pump(upstream, client))
    finally:
        upstream.close()


async def _pump(source: Stream, target: Stream) -> None:
    while data := await source.read():
        await target.write(data)
    await target.end()


async def _both(*pumps: Awaitable[None]) -> None:
    """Wait for both, or for the first failure, which ends the other one too."""
    tasks = [asyncio.ensure_future(pump) for pump in pumps]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
