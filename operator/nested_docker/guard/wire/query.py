"""Query strings, read strictly, and the values in them as the daemon reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from urllib.parse import unquote_to_bytes, urlencode

from nested_docker.guard.errors import MALFORMED, GuardDenied

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")

Query = Mapping[str, tuple[str, ...]]
"""Each parameter with its values; all but a few may have one only."""

IGNORED = frozenset({"only_ids", "trunc_cmd"})
"""What the SDK for Python sends out of habit, and no daemon has read for long."""

REPEATABLE = frozenset({"t", "names", "extrahosts"})


def parse(text: str, *, known: AbstractSet[str]) -> Query:
    """Read a query string.

    Args:
        text: what stands behind the question mark.
        known: parameters that the route has.

    Raises:
        Refusal: it can be read in two ways, or has a parameter that is not known.
    """
    found: dict[str, tuple[str, ...]] = {}
    for pair in text.split("&") if text else ():
        key, _, raw = pair.partition("=")
        if not _KEY.fullmatch(key):
            raise _malformed("it has a parameter without a plain name")
        if key in IGNORED:
            continue
        if key not in known:
            raise GuardDenied("query", f"the guard does not know the parameter {key} of this request")
        if key in found and key not in REPEATABLE:
            raise _malformed(f"it has {key} more than once")
        found[key] = (*found.get(key, ()), _value(raw))
    return found


def _value(raw: str) -> str:
    if ";" in raw or "#" in raw or _BROKEN_ESCAPE.search(raw):
        raise _malformed("it has a character that must be escaped")
    try:
        value = unquote_to_bytes(raw.replace("+", " ")).decode("utf-8")
    except UnicodeDecodeError as error:
        raise _malformed("it is not UTF-8") from error
    if "\x00" in value:
        raise _malformed("it has a NUL")
    return value


def encode(query: Query) -> str:
    """The query string for the daemon, with its question mark; empty for an empty query."""
    pairs = [(key, value) for key, values in query.items() for value in values]
    return f"?{urlencode(pairs)}" if pairs else ""


def one(query: Query, key: str) -> str:
    """A parameter's value; empty where it is not given."""
    values = query.get(key, ())
    return values[0] if values else ""


def truth(value: str) -> bool:
    """Whether the daemon takes a value for true: everything is, but for a few words."""
    return value.strip().lower() not in {"", "0", "no", "false", "none"}


def _malformed(why: str) -> GuardDenied:
    return GuardDenied("query", f"the request's query is refused: {why}", status=MALFORMED)
