"""Text of users in messages: printable, on one line, and short, however long the text is."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

VALUE_LENGTH = 200
"""Characters of a value in a message."""

MESSAGE_LENGTH = 4095
"""Characters of a whole message: with the ellipsis, as many as a condition may have."""

LARGEST_EXPONENT = 40
"""Numbers with more digits than this are shown with an exponent."""


def cut(text: str, limit: int) -> str:
    """The first `limit` characters of a text; an ellipsis says that there are more."""
    return text if len(text) <= limit else text[:limit] + "…"


def shorten(text: str, limit: int = VALUE_LENGTH) -> str:
    """The first `limit` characters of a text, on one line; an ellipsis says that there are more.

    Control and format characters, which could deceive the reader of a terminal, become U+FFFD.
    """
    return cut(one_line(text[: limit + 1]), limit)


def one_line(text: str) -> str:
    """A text of any length on one line, without what could deceive the reader of a terminal or steer it."""
    return "".join(map(_printable, text))


def printable_strings(value: Any) -> Any:
    """A copy of a JSON value in which every string is printable."""
    if isinstance(value, dict):
        return {one_line(str(key)): printable_strings(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [printable_strings(each) for each in value]
    return one_line(value) if isinstance(value, str) else value


def shown(value: Any, limit: int = VALUE_LENGTH) -> str:
    """A value as JSON, shortened."""
    try:
        return shorten(json.dumps(value, ensure_ascii=False, default=str), limit)
    except (RecursionError, ValueError):
        return "a value that is nested too deeply to be shown"


def number(value: Decimal) -> str:
    """A number in full, or with an exponent if it would be long."""
    normal = value.normalize()
    return f"{normal:f}" if abs(normal.adjusted()) <= LARGEST_EXPONENT else f"{normal:.3E}"


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return " " if character in "\t\r\n" else "\ufffd"
