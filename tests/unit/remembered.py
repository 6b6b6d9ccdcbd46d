"""How much an object remembers, whatever its attributes are called: for tests that many things come and go."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping


def remembered(holder: object) -> int:
    """The number of entries in an object's own collections, and in those of the dataclasses in them.

    What the object shares with others, such as a cache, is not its own: only private attributes count.
    """
    return sum(_entries(value) for name, value in vars(holder).items() if name.startswith("_"))


def _entries(value: object) -> int:
    if isinstance(value, Mapping):
        return sum(1 + _entries(each) for each in value.values())
    if isinstance(value, (set, list)):
        return sum(1 + _entries(each) for each in value)
    if dataclasses.is_dataclass(value):
        return sum(map(_entries, vars(value).values()))
    return 0
