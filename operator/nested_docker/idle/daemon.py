"""The one question that the daemon itself is asked."""

from __future__ import annotations

import asyncio
import json

# In HTTP/1.0 an answer ends with its connection and has no chunks: no client library is needed, which would
# take more memory than all the rest of the watch.
QUESTION = b"GET /containers/json HTTP/1.0\r\nHost: docker\r\n\r\n"
ASK_SECONDS = 5.0


async def containers_run(socket: str) -> bool | None:
    """Whether any container is running, a paused one included; None: the daemon gives no answer.

    Args:
        socket: path of the daemon's unix socket.
    """
    try:
        async with asyncio.timeout(ASK_SECONDS):
            return _any(await _ask(socket))
    except (OSError, ValueError):  # not there yet, hung (TimeoutError), or cut off in the middle
        return None


async def _ask(socket: str) -> bytes:
    reader, writer = await asyncio.open_unix_connection(socket)
    try:
        writer.write(QUESTION)
        return await reader.read()
    finally:
        writer.close()


def _any(answer: bytes) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    if head.split(b" ", 2)[1:2] != [b"200"]:
        raise ValueError("the daemon refuses to answer")
    return bool(json.loads(body))
