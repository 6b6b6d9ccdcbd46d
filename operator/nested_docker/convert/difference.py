"""What is not the same after a conversion, and why something cannot be converted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nested_docker.domain.shown import shown

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
        return f"{self.path}: {self.what} (value: {shown(self.value, MOST_CHARACTERS)})"


class UnconvertibleError(ValueError):
    """The input cannot be converted as it is.

    Attributes:
        message: path, value and what is wrong.
        remedy: what to do.
    """

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message, self.remedy = message, remedy


def joined(path: str, *parts: str | int) -> str:
    """A path with further fields and indexes."""
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path and not path.endswith(" ") else part
    return path


def mapping_at(value: Any, path: str) -> dict[str, Any]:
    """A value that must be a mapping; absent or null: an empty one.

    Raises:
        UnconvertibleError: it is something else.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong_type(value, path, "a mapping")
    return value


def objects_at(value: Any, path: str) -> list[dict[str, Any]]:
    """A value that must be a list of mappings; absent or null: an empty one.

    Raises:
        UnconvertibleError: it is something else.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise _wrong_type(value, path, "a list")
    return [mapping_at(each, joined(path, number)) for number, each in enumerate(value)]


def texts_at(value: Any, path: str) -> list[str]:
    """A value that must be a list of text; absent or null: an empty one.

    Raises:
        UnconvertibleError: it is something else.
    """
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise _wrong_type(value, path, "a list of text")
    return list(value)


def text_at(value: Any, path: str) -> str:
    """A value that must be text; absent or null: empty.

    Raises:
        UnconvertibleError: it is something else.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong_type(value, path, "text")
    return value


def _wrong_type(value: Any, path: str, wanted: str) -> UnconvertibleError:
    return UnconvertibleError(f"{path} is not {wanted} (value: {shown(value, MOST_CHARACTERS)})", "correct it")
