"""The guard's own questions to the daemon."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import quote

import h11

from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.wire.headers import HOST
from nested_docker.guard.wire.http import Peer
from nested_docker.relay.handler import OpenUpstream

ANSWER_SECONDS = 60.0
MAX_ANSWER = 64 * 2**20
"""Bytes of an answer that is read as a whole: a list of ten thousand containers has about twenty MiB."""


class TooLargeError(GuardDenied):
    """An answer that nobody should collect."""

    def __init__(self) -> None:
        super().__init__("answer", "the daemon's answer is too large to be filtered", status=502)


async def ask(open_upstream: OpenUpstream, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Ask the daemon for JSON.

    Returns:
        The answer's status, and its JSON; None: it has none.

    Raises:
        UpstreamError: the daemon cannot be reached.
        OSError: the connection broke, or there is no answer.
        TooLargeError: as its name says.
    """
    async with asyncio.timeout(ANSWER_SECONDS):
        upstream = await open_upstream()
        try:
            return await _exchange(Peer(upstream), method, path, body)
        except h11.RemoteProtocolError as error:
            raise ConnectionError(f"the node's daemon does not speak HTTP: {error}") from error
        finally:
            upstream.close()


def escaped(name: str) -> str:
    """A name as part of a path."""
    return quote(name, safe="/:@+")


async def collect(peer: Peer) -> bytes:
    """The rest of the daemon's answer.

    Raises:
        TooLargeError: as its name says.
    """
    collected = bytearray()
    while data := await peer.body():
        collected += data
        if len(collected) > MAX_ANSWER:
            raise TooLargeError
    return bytes(collected)


def document(data: bytes) -> Any:
    """The JSON in an answer; None: it has none."""
    try:
        return json.loads(data)
    except ValueError:
        return None


async def _exchange(peer: Peer, method: str, path: str, body: Any) -> tuple[int, Any]:
    data = b"" if body is None else json.dumps(body).encode()
    headers = [HOST, (b"Connection", b"close"), (b"Content-Length", str(len(data)).encode())]
    if data:
        headers.append((b"Content-Type", b"application/json"))
    request = h11.Request(method=method, target=path, headers=headers)
    await peer.send(request, h11.Data(data=data), h11.EndOfMessage())
    while isinstance(event := await peer.event(), h11.InformationalResponse):
        pass
    if not isinstance(event, h11.Response):
        raise ConnectionError("the node's daemon gave no answer")
    return event.status_code, document(await collect(peer))
