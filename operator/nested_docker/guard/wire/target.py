"""Request targets: one spelling each, or none.

Whatever a proxy and a daemon might read differently is refused here, so that what is judged, being
written anew from its parts, is what the daemon routes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from nested_docker.guard.errors import MALFORMED, GuardDenied

MAX_TARGET = 16384
"""Bytes; build arguments travel in the query."""

MIN_VERSION, MAX_VERSION = (1, 24), (1, 56)
"""API versions whose routes and fields the guard knows."""

_PRINTABLE = re.compile(rb"[\x21-\x7e]+")
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})?")
_SEGMENT = re.compile(r"[A-Za-z0-9_.:@+-]+")
_VERSION = re.compile(r"v([1-9])\.([1-9][0-9])")
_LIKE_A_VERSION = re.compile(r"[vV][0-9]")
_NEEDLESSLY_ESCAPED = frozenset("@:+")
"""What clients escape though a path may have it as it is, and what means the same either way."""


@dataclass(frozen=True)
class Target:
    """A request's target in its only spelling.

    Attributes:
        version: of the API, such as (1, 45); None: the daemon's own.
        segments: of the path behind the version, unescaped.
        query: what stands behind the question mark, as it came; `query.parse` reads it.
    """

    version: tuple[int, int] | None
    segments: tuple[str, ...]
    query: str

    @property
    def path(self) -> str:
        """The path behind the version."""
        return "/" + "/".join(self.segments)

    @property
    def prefix(self) -> str:
        """The version as a path has it; empty: none is given."""
        return "" if self.version is None else f"/v{self.version[0]}.{self.version[1]}"


def canonical(target: bytes) -> Target:
    """Read a request's target.

    Raises:
        Refusal: it is none, or could be read in two ways.
    """
    if len(target) > MAX_TARGET:
        raise GuardDenied("target", f"the request's target is longer than {MAX_TARGET} bytes", status=414)
    if not _PRINTABLE.fullmatch(target):
        raise _malformed("it has bytes that are no printable ASCII")
    path, _, query = target.decode("ascii").partition("?")
    if not path.startswith("/"):
        raise _malformed("it is not a path from /")
    segments = tuple(_segment(each) for each in path[1:].split("/"))
    return _versioned(segments, query)


def _segment(text: str) -> str:
    segment = _ESCAPE.sub(_unescaped, text)
    if segment in {"", ".", ".."}:
        raise _malformed("its path has an empty part, or one of dots only")
    if not _SEGMENT.fullmatch(segment):
        raise _malformed("its path has a character that no name of Docker's has")
    return segment


def _unescaped(escape: re.Match[str]) -> str:
    digits = escape.group(1)
    if digits is None:
        raise _malformed("a percent sign escapes nothing")
    character = chr(int(digits, 16))
    if character not in _NEEDLESSLY_ESCAPED:
        raise _malformed(f"%{digits} is an escape that it may not have")
    return character


def _versioned(segments: tuple[str, ...], query: str) -> Target:
    if not _LIKE_A_VERSION.match(segments[0]):
        return Target(None, segments, query)
    match = _VERSION.fullmatch(segments[0])
    if match is None:
        raise _malformed("its version is not of the form v1.45")
    version = (int(match[1]), int(match[2]))
    if not MIN_VERSION <= version <= MAX_VERSION:
        raise GuardDenied(
            "version",
            f"API version {version[0]}.{version[1]} is not one of {_dotted(MIN_VERSION)} to {_dotted(MAX_VERSION)}: "
            "set DOCKER_API_VERSION, or let the client negotiate",
            status=MALFORMED,
        )
    if len(segments) == 1:
        raise _malformed("it ends behind the version")
    return Target(version, segments[1:], query)


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _malformed(why: str) -> GuardDenied:
    return GuardDenied("target", f"the request's target is refused: {why}", status=MALFORMED)
