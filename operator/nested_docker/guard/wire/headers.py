"""Heads of requests and answers: read strictly, and written anew; nothing passes but what is named here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import h11

from nested_docker.guard.errors import MALFORMED, GuardDenied
from nested_docker.guard.rules.responses import capped
from nested_docker.guard.wire.http import Headers

PASSED = frozenset({b"x-registry-auth", b"x-registry-config"})
"""Credentials for registries; the daemon needs no other header of a client's."""

ONCE = PASSED | {b"content-type", b"content-encoding", b"expect", b"upgrade"}

DROPPED = frozenset(
    {b"connection", b"keep-alive", b"proxy-authenticate", b"swarm", b"trailer", b"transfer-encoding", b"upgrade"}
)
"""Of an answer: what concerns one connection only, and what concerns others."""

HOST = (b"Host", b"docker")
RAW_STREAMS = (b"application/vnd.docker.raw-stream", b"application/vnd.docker.multiplexed-stream")


@dataclass(frozen=True)
class Head:
    """What of a request's head matters.

    Attributes:
        method: of HTTP.
        target: as it came.
        length: bytes of the body; None: it is sent in chunks.
        upgrade: the client wants to take the connection over.
        passed: headers for the daemon.
    """

    method: str
    target: bytes
    length: int | None
    upgrade: bool
    passed: tuple[tuple[bytes, bytes], ...]


def read_head(request: h11.Request) -> Head:
    """Read a request's head, of which h11 has seen to the form.

    Raises:
        Refusal: it could be read in two ways.
    """
    headers = _once(request)
    if b"content-length" in headers and b"transfer-encoding" in headers:
        raise GuardDenied("http", "a request may have a length or be chunked, and not both", status=MALFORMED)
    if b"transfer-encoding" in headers and request.http_version != b"1.1":
        raise GuardDenied("http", f"HTTP/{request.http_version.decode()} has no chunks", status=MALFORMED)
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise GuardDenied("http", "a body may not be encoded", status=415)
    if headers.get(b"expect", b"100-continue").lower() != b"100-continue":
        raise GuardDenied("http", "nothing but 100-continue may be expected", status=417)
    length = None if b"transfer-encoding" in headers else int(headers.get(b"content-length", b"0"))
    return Head(
        request.method.decode("ascii"),
        request.target,
        length,
        b"upgrade" in headers,
        tuple((name, value) for name, value in headers.items() if name in PASSED),
    )


def for_daemon(head: Head, target: str, *, body: bytes | None, tunnel: bool) -> h11.Request:
    """The head that the daemon gets.

    Args:
        head: the client's.
        target: path and query.
        body: what follows; None: a stream, whose type is the guard's word, since the daemon would take a form's
            fields for parameters.
        tunnel: the connection may be taken over.
    """
    headers: Headers = [HOST, *head.passed]
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
        [(b"Connection", b"Upgrade"), (b"Upgrade", b"tcp")] if tunnel and head.upgrade else [(b"Connection", b"close")]
    )
    return h11.Request(method=head.method, target=target, headers=headers)


def for_client(answer: h11.Response, *, length: int | None = None, warning: str = "") -> h11.Response:
    """The head that the client gets.

    Args:
        answer: the daemon's.
        length: of the body, where it was rewritten.
        warning: what a rule forbids and yet passed.
    """
    headers: Headers = []
    for name, value in answer.headers:
        if name in DROPPED or (name == b"content-length" and length is not None):
            continue
        headers.append((name, _VALUES[name](value) if name in _VALUES else value))
    if length is not None:
        headers.append((b"Content-Length", str(length).encode()))
    if warning:
        text = warning.encode("ascii", "replace").replace(b'"', b"'").replace(b"\\", b"/")
        headers.append((b"Warning", b'299 nested-docker-guard "' + text + b'"'))
    return h11.Response(status_code=answer.status_code, reason=answer.reason, headers=headers)


def takes_over(answer: h11.Response | h11.InformationalResponse) -> bool:
    """Whether the connection is a raw stream from here on: by 101, or as old clients have it."""
    if answer.status_code == 101:
        return True
    headers = dict(answer.headers)
    framed = b"content-length" in headers or b"transfer-encoding" in headers
    return answer.status_code == 200 and not framed and headers.get(b"content-type") in RAW_STREAMS


def raw(answer: h11.Response | h11.InformationalResponse) -> bytes:
    """The head before a raw stream."""
    kind = dict(answer.headers).get(b"content-type", RAW_STREAMS[0])
    kind = kind if kind in RAW_STREAMS else RAW_STREAMS[0]
    first = (
        b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
        if answer.status_code == 101
        else b"HTTP/1.1 200 OK\r\n"
    )
    return first + b"Content-Type: " + kind + b"\r\n\r\n"


def _once(request: h11.Request) -> Mapping[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for name, value in request.headers:
        if name in ONCE and name in found:
            raise GuardDenied("http", f"the header {name.decode('ascii')} comes twice", status=MALFORMED)
        found[name] = value
    return found


def _capped(value: bytes) -> bytes:
    return capped(value.decode("latin-1")).encode("latin-1")


def _classic(_: bytes) -> bytes:
    """Clients that ask are told of the classic builder, which is the one that works through the guard."""
    return b"1"


_VALUES = {b"api-version": _capped, b"builder-version": _classic}
