"""The guard's own requests to the daemon, and the responses that it filters."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import h11

from nested_docker.docker_api import client
from nested_docker.docker_api.errors import AnswerTooLargeError
from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.wire.http import Peer
from nested_docker.relay.handler import OpenUpstream, UpstreamError
from nested_docker.relay.upstream import NODE_DAEMON

RESPONSE_SECONDS = 60.0
MAX_RESPONSE = 64 * 2**20
"""Bytes of a response that is read as a whole: a list of ten thousand containers has about 20 MiB."""


class TooLargeError(GuardDenied):
    """The daemon's response is too large to hold it in memory."""

    def __init__(self) -> None:
        super().__init__("response", "the daemon's response is too large to filter", status=HTTPStatus.BAD_GATEWAY)


async def query_daemon(open_upstream: OpenUpstream, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Send a request to the daemon, and read the JSON of its response.

    Returns:
        The status, and the JSON; None: the body is not JSON.

    Raises:
        UpstreamError: the daemon cannot be reached.
        DockerApiError: the connection broke, or there is no response.
        TooLargeError: the response is too large.
    """
    try:
        response = await client.send_request(
            open_upstream, method, path, body, daemon=NODE_DAEMON, seconds=RESPONSE_SECONDS, max_answer=MAX_RESPONSE
        )
    except AnswerTooLargeError as error:
        raise TooLargeError from error
    return response.status, json_or_none(response.body)


async def list_objects(open_upstream: OpenUpstream, path: str) -> Any:
    """The JSON of one of the daemon's lists.

    Raises:
        GuardDenied: the daemon does not give it; what follows from an empty list must not happen.
        UpstreamError, DockerApiError: as in `query_daemon`.
    """
    status, response = await query_daemon(open_upstream, "GET", path)
    if status != HTTPStatus.OK:
        what = path.partition("?")[0]
        raise GuardDenied(
            "daemon", f"the node's Docker daemon does not list {what} (status {status})", status=HTTPStatus.BAD_GATEWAY
        )
    return response


def escape_name(name: str) -> str:
    """The name of an object, escaped for a path."""
    return quote(name, safe="/:@+")


async def try_send(daemon: Peer, *events: h11.Event) -> bool:
    """Send events to the daemon; False: the daemon does not read them, and its response may say why."""
    try:
        await daemon.send(*events)
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


async def read_head(daemon: Peer) -> h11.Response | h11.InformationalResponse:
    """The head of the daemon's response: a final one, or 101.

    Raises:
        UpstreamError: the daemon did not respond.
        OSError: the connection broke.
    """
    try:
        while isinstance(event := await daemon.event(), h11.InformationalResponse):
            if event.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
                return event
    except h11.RemoteProtocolError as error:
        raise UpstreamError(f"the node's Docker daemon did not respond: {error}") from error
    if not isinstance(event, h11.Response):
        raise UpstreamError("the node's Docker daemon did not respond")
    return event


async def read_rest(peer: Peer) -> bytes:
    """The rest of the body of the daemon's response.

    Raises:
        TooLargeError: the response is too large.
    """
    collected = bytearray()
    while data := await peer.body():
        collected += data
        if len(collected) > MAX_RESPONSE:
            raise TooLargeError
    return bytes(collected)


def json_or_none(data: bytes) -> Any:
    """The JSON of a response; None: it is not JSON."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
