"""What is not the same after a conversion, and why something cannot be converted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nested_docker.domain.shown import one_line, shown

MOST_CHARACTERS = 160
"""Characters of a value that a line repeats, before it is cut."""


@dataclass(frozen=True)
class Difference:
    """Something of the input that the output does not have, or has otherwise.

    Attributes:
        path: where it is in the input, such as `Pod/ci: spec.containers[1].ports`.
        value: what is there, as JSON values.
        what: what differs, and what to do about it.
    """

    path: str
    value: Any
    what: str

    @property
    def line(self) -> str:
        """One line for people."""
        return f"{one_line(self.path)}: {one_line(self.what)} (value: {shown(self.value, MOST_CHARACTERS)})"


class UnconvertibleError(ValueError):
    """The input cannot be converted as it is.

    As text it is the message as it was given.

    Attributes:
        remedy: what to do.
    """

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy

    @property
    def message(self) -> str:
        """Path, value and what is wrong, on one line for people."""
        return one_line(str(self))
