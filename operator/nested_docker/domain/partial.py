"""Objects that could be read only in part."""

from __future__ import annotations

from typing import Any


class PartialObject(dict[str, Any]):
    """An object without the values that are nested too deeply to be read.

    Attributes:
        missing: path of the field in which values are missing; it has at most two parts.
    """

    def __init__(self, content: dict[str, Any], missing: str) -> None:
        super().__init__(content)
        self.missing = missing
