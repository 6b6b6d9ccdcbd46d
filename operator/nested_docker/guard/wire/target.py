"""Request targets: one canonical form each.

A target that the guard and the daemon could read differently is denied. So the target that the guard encodes from the
parsed parts is the one that the daemon routes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus

from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.wire.api_version import MAX_VERSION, MIN_VERSION, ApiVersion, format_version

MAX_TARGET = 16384
"""Bytes; build arguments are part of the query."""

_PRINTABLE = re.compile(rb"[\x21-\x7e]+")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})?")
_SEGMENT = re.compile(r"[A-Za-z0-9_.:@+ -]+")
_VERSION = re.compile(r"v([1-9])\.([1-9][0-9])")
_LIKE_A_VERSION = re.compile(r"[vV][0-9]")
_ALLOWED_ESCAPES = frozenset("@:+/ ")
"""Characters that clients escape: spaces, which names of networks have, and others although a path may contain them;
they mean the same either way. The daemon unescapes a path before it looks for the route, so an escaped slash separates
segments too."""


@dataclass(frozen=True)
class Target:
    """The canonical form of a request's target.

    Attributes:
        version: the client's API version; None: it names none.
        segments: unescaped segments of the path after the version.
        query: what follows the question mark, unparsed; see `query.parse_query`.
    """

    version: ApiVersion | None
    segments: tuple[str, ...]
    query: str

    @property
    def path(self) -> str:
        """The path after the version."""
        return "/" + "/".join(self.segments)


def parse_target(target: bytes) -> Target:
    """Parse a request's target.

    Raises:
        GuardDenied: it is malformed or ambiguous.
    """
    if len(target) > MAX_TARGET:
        raise GuardDenied(
            "target", f"the request target is longer than {MAX_TARGET} bytes", status=HTTPStatus.REQUEST_URI_TOO_LONG
        )
    if not _PRINTABLE.fullmatch(target):
        raise _malformed("it has bytes that are not printable ASCII")
    path, _, query = target.decode("ascii").partition("?")
    if not path.startswith("/"):
        raise _malformed("it does not start with /")
    segments = tuple(_ESCAPE.sub(_unescape, path[1:]).split("/"))
    for segment in segments:
        _check_segment(segment)
    return _parse_version(segments, query)


def _check_segment(segment: str) -> None:
    if segment in {"", ".", ".."}:
        raise _malformed("its path has a segment that is empty, . or ..")
    if not _SEGMENT.fullmatch(segment):
        raise _malformed("its path has a character that no Docker name has")


def _unescape(escape: re.Match[str]) -> str:
    digits = escape.group(1)
    if digits is None:
        raise _malformed("a percent sign is not followed by two hexadecimal digits")
    character = chr(int(digits, 16))
    if character not in _ALLOWED_ESCAPES:
        raise _malformed(f"its path has the escape %{digits}, which is not allowed")
    return character


def _parse_version(segments: tuple[str, ...], query: str) -> Target:
    if not _LIKE_A_VERSION.match(segments[0]):
        return Target(None, segments, query)
    match = _VERSION.fullmatch(segments[0])
    if match is None:
        raise _malformed("its version does not have the form v1.45")
    version = (int(match[1]), int(match[2]))
    if not MIN_VERSION <= version <= MAX_VERSION:
        raise GuardDenied(
            "version",
            f"API version {format_version(version)} is not between {format_version(MIN_VERSION)} and "
            f"{format_version(MAX_VERSION)}: set DOCKER_API_VERSION, or let the client negotiate",
            status=HTTPStatus.BAD_REQUEST,
        )
    if len(segments) == 1:
        raise _malformed("it ends after the version")
    return Target(version, segments[1:], query)


def _malformed(why: str) -> GuardDenied:
    return GuardDenied("target", f"invalid request target: {why}", status=HTTPStatus.BAD_REQUEST)
