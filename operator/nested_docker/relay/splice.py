"""The plain handler: what one side sends, the other gets."""

from __future__ import annotations

import asyncio

from nested_docker.net.streams import Stream, discard
from nested_docker.relay.handler import OpenUpstream

LINGER_SECONDS = 10.0
"""How long a client may take to notice the answer to a request that the daemon did not read to its end."""


async def splice(client: Stream, open_upstream: OpenUpstream) -> None:
    """Move bytes both ways until both directions have ended; a `Handler`.

    Each direction holds one chunk and reads on when that has been sent: a slow reader slows its
    writer down, and memory stays the same whatever passes.
    """
    upstream = await open_upstream()
    try:
        answer = asyncio.create_task(_forward(upstream, client))
        await _all(asyncio.create_task(_request(client, upstream, answer)), answer)
    finally:
        upstream.close()


async def _request(client: Stream, upstream: Stream, answer: asyncio.Task[None]) -> None:
    try:
        await _forward(client, upstream)
    except BrokenPipeError:  # the daemon reads no more of a request it refuses, but has yet to say why
        ignoring = asyncio.create_task(discard(client))
        try:
            await asyncio.wait({answer})
            await asyncio.wait({ignoring}, timeout=LINGER_SECONDS)
        finally:
            ignoring.cancel()
            await asyncio.wait({ignoring})


async def _forward(source: Stream, target: Stream) -> None:
    while data := await source.read():
        await target.write(data)
    await target.end()


async def _all(*tasks: asyncio.Task[None]) -> None:
    """Wait for all, or for the first failure, which ends the others too."""
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
