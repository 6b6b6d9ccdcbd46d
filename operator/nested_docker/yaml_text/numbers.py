"""Plain scalars of YAML that are numbers for kubectl, so that nothing changes its type on the way through this program.

PyYAML takes 22:22 for a number, as YAML 1.1 says, and 1e3 for text.
"""

from __future__ import annotations

import math
import re

FIRST = list("-+.0123456789")
"""Characters with which a number begins."""

FORM = re.compile(r"[-+]?(?:[0-9][0-9a-fA-FxXoO_.+-]*|\.[0-9][0-9eE+-]*|\.(?:inf|Inf|INF))\Z|\.(?:nan|NaN|NAN)\Z")
"""What may be a number; a date, for one, is none."""

_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_BASES = {"0x": 16, "0b": 2, "0o": 8}
_LARGEST = 2**64
AMBIGUOUS_BOOLEANS = frozenset("yYnN")
"""Text for PyYAML, and booleans for kubectl."""


def number_in(text: str) -> int | float | str:
    """The number that kubectl reads; the text, if it reads none.

    Args:
        text: the scalar.

    Raises:
        ValueError: it has not the form of a number at all.
    """
    if not FORM.match(text):
        raise ValueError(f"{text} is no number")
    if text[-3:].lower() in {"inf", "nan"}:
        return float(text.replace(".", ""))
    plain = text.replace("_", "")
    whole = _integer(plain)
    if whole is not None:
        return whole
    number = float(plain) if _FLOAT.fullmatch(plain) else math.inf
    return number if math.isfinite(number) else text


def _integer(text: str) -> int | None:
    digits = text.lstrip("+-")
    base = _BASES.get(digits[:2].lower(), 8 if digits.startswith("0") and digits != "0" else 10)
    if len(digits) > 66:  # two for the base, and 64 bits
        return None
    try:
        value = int(text, base)
    except ValueError:
        return None
    return value if -_LARGEST // 2 <= value < _LARGEST else None


def needs_quotes(text: str) -> bool:
    """Whether kubectl reads a plain scalar as something else than text."""
    return text in AMBIGUOUS_BOOLEANS or (bool(FORM.match(text)) and number_in(text) != text)
