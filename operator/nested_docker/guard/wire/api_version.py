"""Versions of the Docker API: those that the guard knows, and the one that it uses with the daemon."""

from __future__ import annotations

import re
from http import HTTPStatus

from nested_docker.guard.errors import GuardDenied

ApiVersion = tuple[int, int]
"""Major and minor number, such as (1, 45)."""

MIN_VERSION: ApiVersion = (1, 24)
"""The oldest version that a client may use."""

MAX_VERSION: ApiVersion = (1, 56)
"""The newest version whose routes and fields the guard knows."""

_DOTTED = re.compile(r"([1-9])\.(0|[1-9][0-9]{0,2})")


def parse_version(text: str) -> ApiVersion | None:
    """A version such as `1.45`; None: the text is not one."""
    match = _DOTTED.fullmatch(text)
    return None if match is None else (int(match[1]), int(match[2]))


def format_version(version: ApiVersion) -> str:
    """A version as clients and daemons write it."""
    return f"{version[0]}.{version[1]}"


def cap_version(text: str) -> str:
    """A version, but at most the newest one that the guard knows; other text is returned as it is."""
    version = parse_version(text)
    return text if version is None else format_version(min(version, MAX_VERSION))


def common_version(daemon: str, client: ApiVersion | None) -> ApiVersion:
    """The version for the request to the daemon: the newest that both the guard and the daemon know.

    Args:
        daemon: the newest version of the daemon, from its header Api-Version.
        client: the version in the client's request; None: it names none.

    Raises:
        GuardDenied: the client's is newer, or the daemon has none that the guard knows.
    """
    newest = parse_version(daemon)
    if newest is None or newest < MIN_VERSION:
        oldest = format_version(MIN_VERSION)
        raise GuardDenied(
            "version",
            f"the node's Docker daemon has the API version {daemon[:16]!r}: the guard needs {oldest} or newer",
            status=HTTPStatus.BAD_GATEWAY,
        )
    common = min(newest, MAX_VERSION)
    if client is not None and client > common:
        named, maximum = format_version(client), format_version(common)
        raise GuardDenied(
            "version",
            f"client version {named} is too new. Maximum supported API version is {maximum}: "
            f"set DOCKER_API_VERSION={maximum}, or let the client negotiate",
            status=HTTPStatus.BAD_REQUEST,
        )
    return common
