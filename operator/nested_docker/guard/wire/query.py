"""Query strings: strict parsing, and values as the daemon reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from http import HTTPStatus
from urllib.parse import unquote_to_bytes, urlencode

from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.wire.strict_json import encode_json

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")

Query = Mapping[str, tuple[str, ...]]
"""The values of each parameter; only REPEATABLE_PARAMETERS have more than one."""

IGNORED_PARAMETERS = frozenset({"authconfig", "before", "hijack", "m", "only_ids", "since", "trunc_cmd"})
"""Parameters of client libraries that no daemon reads where a route does not have them."""

REPEATABLE_PARAMETERS = frozenset({"t", "names", "extrahosts", "changes", "type"})

FIRST_COUNTS = frozenset({"dockerfile"})
"""Parameters that clients repeat, and of which the daemon reads the first value."""


def parse_query(text: str, *, known: AbstractSet[str]) -> tuple[Query, Query]:
    """Parse a query string.

    Args:
        text: what follows the question mark.
        known: the parameters of the route.

    Returns:
        The known parameters, and others that say something.

    Raises:
        GuardDenied: it is ambiguous.
    """
    parameters: dict[str, tuple[str, ...]] = {}
    others: dict[str, tuple[str, ...]] = {}
    for pair in text.split("&") if text else ():
        key, _, raw = pair.partition("=")
        if not _KEY.fullmatch(key):
            raise _malformed("a parameter name is empty or has characters other than letters, digits, _ and -")
        value = _unescape(raw)
        if key not in known:
            if key not in IGNORED_PARAMETERS and not is_unset(value):
                others[key] = (*others.get(key, ()), value)
        elif key not in parameters or key in REPEATABLE_PARAMETERS:
            parameters[key] = (*parameters.get(key, ()), value)
        elif key not in FIRST_COUNTS:
            raise _malformed(f"parameter {key} is repeated")
    return parameters, others


def _unescape(raw: str) -> str:
    if ";" in raw or "#" in raw or _BROKEN_ESCAPE.search(raw):
        raise _malformed("a value has a character that must be escaped")
    try:
        value = unquote_to_bytes(raw.replace("+", " ")).decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed("a value is not UTF-8") from error
    if "\x00" in value:
        raise _malformed("a value has a NUL character")
    return value


JSON_PARAMETERS = frozenset({"cachefrom"})
"""The daemon reads all values of such a parameter from one JSON array."""


def encode_query(query: Query) -> str:
    """The query string for the daemon, with its question mark; empty for an empty query."""
    pairs = [
        (key, value)
        for key, values in query.items()
        for value in ([encode_json(values).decode()] if key in JSON_PARAMETERS else values)
    ]
    return f"?{urlencode(pairs)}" if pairs else ""


def first_value(query: Query, key: str) -> str:
    """A parameter's value; empty if the query does not have it."""
    values = query.get(key, ())
    return values[0] if values else ""


def is_true(value: str) -> bool:
    """Whether the daemon reads a parameter's value as true, which it does for all but a few words."""
    return value.strip().lower() not in {"", "0", "no", "false", "none"}


def is_unset(value: str) -> bool:
    """Whether a parameter's value says no more than an absent parameter."""
    return value in {"null", "[]", "{}"} or not is_true(value)


def _malformed(why: str) -> GuardDenied:
    return GuardDenied("query", f"invalid query: {why}", status=HTTPStatus.BAD_REQUEST)
