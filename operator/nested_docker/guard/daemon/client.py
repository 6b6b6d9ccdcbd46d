"""The guard's requests to the daemon, and its reads of answers that it filters."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from nested_docker.docker_api import client
from nested_docker.docker_api.errors import AnswerTooLargeError
from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.wire.http import Peer
from nested_docker.relay.handler import OpenUpstream

DAEMON = "the node's Docker daemon"

ANSWER_SECONDS = 60.0
MAX_ANSWER = 64 * 2**20
"""Bytes of an answer that is read as a whole: a list of ten thousand containers has about twenty MiB."""


class TooLargeError(GuardDenied):
    """The daemon's answer is too large to be held in memory."""

    def __init__(self) -> None:
        super().__init__("answer", "the daemon's answer is too large to be filtered", status=502)


async def ask(open_upstream: OpenUpstream, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Send a request to the daemon, and read the JSON of its answer.

    Returns:
        The answer's status, and its JSON; None: the body is not JSON.

    Raises:
        UpstreamError: the daemon cannot be reached.
        DockerApiError: the connection broke, or there is no answer.
        TooLargeError: the answer is too large.
    """
    try:
        answer = await client.ask(
            open_upstream, method, path, body, daemon=DAEMON, seconds=ANSWER_SECONDS, max_answer=MAX_ANSWER
        )
    except AnswerTooLargeError as error:
        raise TooLargeError from error
    return answer.status, document(answer.body)


def escaped(name: str) -> str:
    """A name as part of a path."""
    return quote(name, safe="/:@+")


async def collect(peer: Peer) -> bytes:
    """The rest of the daemon's answer.

    Raises:
        TooLargeError: the answer is too large.
    """
    collected = bytearray()
    while data := await peer.body():
        collected += data
        if len(collected) > MAX_ANSWER:
            raise TooLargeError
    return bytes(collected)


def document(data: bytes) -> Any:
    """The JSON of an answer; None: it is not JSON."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
