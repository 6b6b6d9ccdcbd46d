"""Heads of requests and responses: parsed strictly, and encoded from an allow-list of headers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

import h11

from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.wire.api_version import cap_version
from nested_docker.guard.wire.http import Headers

CREDENTIAL_HEADERS = frozenset({b"x-registry-auth", b"x-registry-config"})
"""Registry credentials: the only headers of a client that the daemon needs."""

SINGLE_HEADERS = CREDENTIAL_HEADERS | {b"content-type", b"content-encoding", b"expect", b"upgrade"}
"""Headers that a request may have only once."""

DROPPED_HEADERS = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"swarm", b"trailer", b"transfer-encoding", b"upgrade"}
)
"""Headers of responses that concern a single connection, or the node's swarm."""

HOST = (b"Host", b"docker")
RAW_STREAMS = (b"application/vnd.docker.raw-stream", b"application/vnd.docker.multiplexed-stream")

TranslateType = Callable[[bytes], bytes]
"""Maps the content type of the daemon's response to the one for the client."""


@dataclass(frozen=True)
class RequestHead:
    """The parts of a request's head that the guard uses.

    Attributes:
        method: HTTP method.
        target: the target as the client sent it.
        length: bytes of the body; None: it is chunked.
        upgrade: the client asks to upgrade the connection.
        encoded: the body is compressed.
        forwarded: headers that the daemon gets.
    """

    method: str
    target: bytes
    length: int | None
    upgrade: bool
    encoded: bool
    forwarded: tuple[tuple[bytes, bytes], ...]


def parse_head(request: h11.Request) -> RequestHead:
    """Parse a request's head, whose syntax h11 has checked.

    Raises:
        GuardDenied: it is ambiguous, or uses a feature that the guard does not support.
    """
    headers = _unique_headers(request)
    if b"content-length" in headers and b"transfer-encoding" in headers:
        raise GuardDenied(
            "http", "Content-Length and Transfer-Encoding exclude each other", status=HTTPStatus.BAD_REQUEST
        )
    if b"transfer-encoding" in headers and request.http_version != b"1.1":
        version = request.http_version.decode()
        raise GuardDenied("http", f"HTTP/{version} has no chunked encoding", status=HTTPStatus.BAD_REQUEST)
    if headers.get(b"expect", b"100-continue").lower() != b"100-continue":
        raise GuardDenied("http", "Expect may only be 100-continue", status=HTTPStatus.EXPECTATION_FAILED)
    length = None if b"transfer-encoding" in headers else int(headers.get(b"content-length", b"0"))
    return RequestHead(
        request.method.decode("ascii"),
        request.target,
        length,
        b"upgrade" in headers,
        headers.get(b"content-encoding", b"identity").lower() != b"identity",
        tuple((name, value) for name, value in headers.items() if name in CREDENTIAL_HEADERS),
    )


def daemon_head(head: RequestHead, target: str, *, body: bytes | None, hijack: bool) -> h11.Request:
    """The head of the request to the daemon.

    Args:
        head: the client's.
        target: path and query.
        body: the body; None: a stream. The guard sets a stream's type, since the daemon would read a form's fields as
            parameters.
        hijack: the client may hijack the connection.
    """
    headers: Headers = [HOST, *head.forwarded]
    if body is None:
        headers.append((b"Content-Type", b"application/x-tar"))
    elif body:
        headers.append((b"Content-Type", b"application/json"))
    length = head.length if body is None else len(body)
    if length is None:
        headers.append((b"Transfer-Encoding", b"chunked"))
    elif head.method not in {"GET", "HEAD", "DELETE"} or length:
        headers.append((b"Content-Length", str(length).encode()))
    headers += (
        [(b"Connection", b"Upgrade"), (b"Upgrade", b"tcp")] if hijack and head.upgrade else [(b"Connection", b"close")]
    )
    return h11.Request(method=head.method, target=target, headers=headers)


def client_head(
    response: h11.Response, *, content_type: TranslateType, length: int | None = None, warning: str = ""
) -> h11.Response:
    """The head of the response to the client.

    Args:
        response: the daemon's.
        content_type: maps the daemon's content type to the client's.
        length: bytes of the body if the guard replaces it.
        warning: text of a Warning header; empty: none.
    """
    headers: Headers = []
    for name, value in response.headers:
        if name in DROPPED_HEADERS or (name == b"content-length" and length is not None):
            continue
        translate = content_type if name == b"content-type" else _VALUES.get(name)
        headers.append((name, value if translate is None else translate(value)))
    if length is not None:
        headers.append((b"Content-Length", str(length).encode()))
    if warning:
        text = warning.encode("ascii", "replace").replace(b'"', b"'").replace(b"\\", b"/")
        headers.append((b"Warning", b'299 nested-docker-guard "' + text + b'"'))
    return h11.Response(status_code=response.status_code, reason=response.reason, headers=headers)


def is_hijacked(response: h11.Response | h11.InformationalResponse) -> bool:
    """Whether a raw stream follows the head: after status 101, or after a 200 without framing for old clients."""
    if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
        return True
    headers = dict(response.headers)
    framed = b"content-length" in headers or b"transfer-encoding" in headers
    return response.status_code == HTTPStatus.OK and not framed and headers.get(b"content-type") in RAW_STREAMS


def raw_stream_head(response: h11.Response | h11.InformationalResponse, *, content_type: TranslateType) -> bytes:
    """The head before a raw stream; `content_type` maps the daemon's content type to the client's."""
    kind = dict(response.headers).get(b"content-type", RAW_STREAMS[0])
    kind = content_type(kind if kind in RAW_STREAMS else RAW_STREAMS[0])
    first = (
        b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
        if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS
        else b"HTTP/1.1 200 OK\r\n"
    )
    return first + b"Content-Type: " + kind + b"\r\n\r\n"


def _unique_headers(request: h11.Request) -> Mapping[bytes, bytes]:
    headers: dict[bytes, bytes] = {}
    for name, value in request.headers:
        if name in SINGLE_HEADERS and name in headers:
            raise GuardDenied("http", f"header {name.decode('ascii')} is repeated", status=HTTPStatus.BAD_REQUEST)
        headers[name] = value
    return headers


def _cap_version(value: bytes) -> bytes:
    return cap_version(value.decode("latin-1")).encode("latin-1")


def _classic_builder(_: bytes) -> bytes:
    """Clients that ask the daemon use the classic builder, the one that works through the guard."""
    return b"1"


_VALUES = {b"api-version": _cap_version, b"builder-version": _classic_builder}
"""Headers of responses whose values the guard changes."""
