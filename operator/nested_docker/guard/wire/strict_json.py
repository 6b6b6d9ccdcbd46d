"""JSON that every parser reads in the same way.

Go's decoder, which the daemon uses, ignores the case of keys and takes the last of several values; other parsers take
the first one, or respect case. So a document with keys that any parser could confuse is denied, unless their values are
the same, and the daemon gets JSON that the guard has encoded from what it parsed.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from nested_docker.guard.errors import GuardDenied

MAX_BODY_BYTES = 2**20
"""Size limit of a JSON body."""
MAX_DEPTH = 32

_FOLDS = {0x212A: "k", 0x17F: "s"}
"""The two characters beyond ASCII that Go's decoder folds to ASCII letters."""


_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{\]}]', re.DOTALL)


def fold_key(key: str) -> str:
    """A key as Go's decoder compares it, or coarser."""
    return key.translate(_FOLDS).casefold()


def parse_json(data: bytes, *, free_keys: bool = False) -> Any:
    """Parse a document.

    Args:
        data: the document.
        free_keys: its keys are the client's data and not field names, so that two may differ in case only; such as
            the build arguments http_proxy and HTTP_PROXY.

    Raises:
        GuardDenied: it is not JSON, is ambiguous, or is larger or deeper than allowed.
    """
    if len(data) > MAX_BODY_BYTES:
        raise body_too_large()
    try:
        text = data.decode("utf-8")
        _check_depth(text)
        value = json.loads(
            text,
            object_pairs_hook=_exact_object if free_keys else _folded_object,
            parse_constant=_constant,
            parse_float=_number,
            parse_int=_integer,
        )
        if "\\u" in text:
            # Half of a surrogate pair is not a character; the daemon would replace it.
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeError as error:
        raise _malformed("it is not UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise _malformed("it is not JSON") from error
    return value


def encode_json(value: Any) -> bytes:
    """The document for the daemon."""
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")


def body_too_large() -> GuardDenied:
    """A body exceeds the size limit."""
    return GuardDenied(
        "body", f"the request body exceeds {MAX_BODY_BYTES} bytes", status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    )


def _check_depth(text: str) -> None:
    depth = 0
    for token in _TOKENS.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise _malformed(f"it is nested more than {MAX_DEPTH} levels deep")
        elif token[0] in "]}":
            depth -= 1


def _folded_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return _object(pairs, fold=fold_key)


def _exact_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return _object(pairs, fold=str)


def _object(pairs: list[tuple[str, Any]], *, fold: Callable[[str], str]) -> dict[str, Any]:
    seen: dict[str, tuple[str, Any]] = {}
    for key, value in pairs:
        folded = fold(key)
        if folded in seen and not _says_the_same(seen[folded], (key, value)):
            raise _malformed(f"the daemon cannot tell its keys {seen[folded][0]!r} and {key!r} apart")
        seen[folded] = (key, value)
    return dict(seen.values())


def _says_the_same(one: tuple[str, Any], other: tuple[str, Any]) -> bool:
    """Whether two spellings of a key have one value, as docker-java sends them; the same key twice is no spelling."""
    spelled = one[0] != other[0] and one[0].isascii() and other[0].isascii()
    return spelled and encode_json(one[1]) == encode_json(other[1])


def _constant(name: str) -> Any:
    raise _malformed(f"{name} is not a JSON number")


def _number(text: str) -> Any:
    number = float(text)
    if not math.isfinite(number) or not number.is_integer() or abs(number) >= 2**53:
        raise _malformed("it has a number that is not an integer of at most 53 bits")
    return int(number)


def _integer(text: str) -> int:
    if len(text) > 20:
        raise _malformed("it has a number of more than 64 bits")
    number = int(text)
    if not -(2**63) <= number < 2**64:
        raise _malformed("it has a number of more than 64 bits")
    return number


def _malformed(why: str) -> GuardDenied:
    return GuardDenied("body", f"invalid request body: {why}", status=HTTPStatus.BAD_REQUEST)
