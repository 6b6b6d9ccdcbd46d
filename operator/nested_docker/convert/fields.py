"""Fields of the input: their paths, and values of the type that a field must have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from nested_docker.convert.difference import MOST_CHARACTERS, UnconvertibleError
from nested_docker.domain.shown import shown


@contextmanager
def moved_paths(moved: Callable[[str], str]) -> Iterator[None]:
    """Let errors of the block name paths of the input, and not of what is made of it.

    Args:
        moved: gives a message with the paths of the input.

    Raises:
        UnconvertibleError: the block raises it.
    """
    try:
        yield
    except UnconvertibleError as error:
        raise UnconvertibleError(moved(str(error)), error.remedy) from error


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


def named_at(value: Any, path: str) -> dict[str, tuple[dict[str, Any], str]]:
    """A value that must be a list of mappings with names: each by its name, with its path.

    Raises:
        UnconvertibleError: it is something else.
    """
    found = {}
    for number, each in enumerate(objects_at(value, path)):
        where = joined(path, number)
        found[text_at(each.get("name"), joined(where, "name"))] = (each, where)
    return found


def mapping_below(value: Mapping[str, Any], fields: Sequence[str], path: str) -> tuple[dict[str, Any], str]:
    """The mapping that is some fields further down, and its path.

    Raises:
        UnconvertibleError: one of the fields has something else.
    """
    below = mapping_at(value, path)
    for each in fields:
        path = joined(path, each)
        below = mapping_at(below.get(each), path)
    return below, path


def set_or_remove(mapping: dict[str, Any], field: str, value: Any) -> None:
    """Set a field, or remove it if its value would be empty."""
    if value:
        mapping[field] = value
    else:
        mapping.pop(field, None)


def _wrong_type(value: Any, path: str, wanted: str) -> UnconvertibleError:
    return UnconvertibleError(f"{path} is not {wanted} (value: {shown(value, MOST_CHARACTERS)})", "correct it")
