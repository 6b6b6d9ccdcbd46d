"""JSON, read so strictly that no other reader can find anything else in it.

Go's decoder, which the daemon has, matches keys whatever their case and takes the last of several;
others take the first, or heed the case. So a document with keys that are the same to anyone is
refused, and the daemon gets a document that was written anew from what was understood.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

from nested_docker.guard.errors import MALFORMED, TOO_LARGE, GuardDenied

MAX_BODY = 2**20
"""Bytes of a document that is judged."""
MAX_DEPTH = 32

_FOLDS = {0x212A: "k", 0x17F: "s"}
"""The two characters beyond ASCII that Go's decoder takes for letters of ASCII."""


_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{\]}]', re.DOTALL)


def fold(key: str) -> str:
    """A key as Go's decoder compares it, and a little coarser."""
    return key.translate(_FOLDS).casefold()


def parse(data: bytes, *, maps_only: bool = False) -> Any:
    """Read a document.

    Args:
        data: the document.
        maps_only: its keys are data and not the names of fields, as of build arguments: http_proxy and
            HTTP_PROXY are two.

    Raises:
        Refusal: it is not JSON, or can be read in two ways, or is larger or deeper than anything sensible.
    """
    if len(data) > MAX_BODY:
        raise too_large()
    try:
        text = data.decode("utf-8")
        _check_depth(text)
        value = json.loads(
            text,
            object_pairs_hook=_exact if maps_only else _folding,
            parse_constant=_constant,
            parse_float=_number,
            parse_int=_integer,
        )
        if "\\u" in text:
            # Half of a surrogate pair is no character; the daemon would put another in its place.
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeError as error:
        raise _malformed("it is not UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise _malformed("it is not JSON") from error
    return value


def write(value: Any) -> bytes:
    """The document for the daemon."""
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")


def too_large() -> GuardDenied:
    """A body beyond what is judged."""
    return GuardDenied("body", f"a JSON body may have {MAX_BODY} bytes at most", status=TOO_LARGE)


def _check_depth(text: str) -> None:
    depth = 0
    for token in _TOKENS.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise _malformed(f"it is nested more than {MAX_DEPTH} deep")
        elif token[0] in "]}":
            depth -= 1


def _folding(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return _object(pairs, same=fold)


def _exact(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return _object(pairs, same=str)


def _object(pairs: list[tuple[str, Any]], *, same: Callable[[str], str]) -> dict[str, Any]:
    seen: dict[str, str] = {}
    for key, _ in pairs:
        folded = same(key)
        if folded in seen:
            raise _malformed(f"its keys {seen[folded]!r} and {key!r} are the same to the daemon")
        seen[folded] = key
    return dict(pairs)


def _constant(name: str) -> Any:
    raise _malformed(f"{name} is no number of JSON's")


def _number(text: str) -> Any:
    number = float(text)
    if not math.isfinite(number) or not number.is_integer() or abs(number) >= 2**53:
        raise _malformed("it has a number that the daemon's API has no use for")
    return int(number)


def _integer(text: str) -> int:
    if len(text) > 20:
        raise _malformed("it has a number that fits into no 64 bits")
    number = int(text)
    if not -(2**63) <= number < 2**64:
        raise _malformed("it has a number that fits into no 64 bits")
    return number


def _malformed(why: str) -> GuardDenied:
    return GuardDenied("body", f"the request's body is refused: {why}", status=MALFORMED)
