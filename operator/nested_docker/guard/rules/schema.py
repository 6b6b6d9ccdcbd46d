"""Objects by allow-list: every key that is known, with what may stand there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nested_docker.guard.errors import MALFORMED, GuardDenied
from nested_docker.guard.wire.strict_json import fold

Check = Callable[[Any, str], Any]
"""From (value, path) to the value that is passed on; DROP: none is. Raises Refusal."""

Table = Mapping[str, Check]

DROP = object()
"""The daemon does not get the key."""


def validated(value: Any, table: Table, where: str) -> dict[str, Any]:
    """An object with what a table lets through.

    Args:
        value: what the client sent.
        table: the known keys; null stands for a key that is not there, as Go's decoder has it.
        where: path of the object, for messages; empty: it is the whole body.

    Raises:
        Refusal: a key is not known, or what stands there may not.
    """
    kept = {}
    for key, each in mapping(value, where or "the body").items():
        path = f"{where}.{key}" if where else key
        if key not in table:
            raise _unknown(key, table, path)
        if each is None:
            continue
        result = table[key](each, path)
        if result is not DROP:
            kept[key] = result
    return kept


def _unknown(key: str, table: Table, path: str) -> GuardDenied:
    meant = [known for known in table if fold(known) == fold(key)]
    if meant:
        return GuardDenied("fields", f"{path} must be written {meant[0]}", status=MALFORMED)
    return GuardDenied("fields", f"the guard does not know the field {path}")


def mapping(value: Any, where: str) -> dict[str, Any]:
    """An object."""
    if not isinstance(value, dict):
        raise _wrong(where, "an object")
    return value


def text(value: Any, where: str) -> str:
    """A text."""
    if not isinstance(value, str):
        raise _wrong(where, "a text")
    return value


def boolean(value: Any, where: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise _wrong(where, "true or false")
    return value


def integer(value: Any, where: str) -> int:
    """A whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(where, "a number")
    return value


def items(value: Any, where: str) -> list[Any]:
    """A list."""
    if not isinstance(value, list):
        raise _wrong(where, "a list")
    return value


def texts(value: Any, where: str) -> list[str]:
    """A list of texts."""
    return [text(each, f"{where}[{number}]") for number, each in enumerate(items(value, where))]


def text_or_texts(value: Any, where: str) -> str | list[str]:
    """A text, or a list of them."""
    return value if isinstance(value, str) else texts(value, where)


def text_map(value: Any, where: str) -> dict[str, str]:
    """An object whose values are texts."""
    return {key: text(each, f"{where}.{key}") for key, each in mapping(value, where).items()}


def objects(table: Table) -> Check:
    """A list of objects of one kind."""
    return lambda value, where: [
        validated(each, table, f"{where}[{number}]") for number, each in enumerate(items(value, where))
    ]


def nested(table: Table) -> Check:
    """An object of one kind."""
    return lambda value, where: validated(value, table, where)


def one_of(*allowed: str) -> Check:
    """One of a few texts."""

    def check(value: Any, where: str) -> str:
        if text(value, where) not in allowed:
            raise GuardDenied(where, f"{where} may not be {value!r}; it may be {', '.join(map(repr, allowed))}")
        return str(value)

    return check


def nothing(value: Any, where: str) -> Any:
    """Nothing: zero, false and what is empty, which clients send for what was not asked for."""
    if value not in (0, "", [], {}):  # False is 0
        raise GuardDenied(where, f"{where} may not be set")
    return DROP


def null(_value: Any, where: str) -> Any:
    """Null alone: where an empty list is a wish, too."""
    raise GuardDenied(where, f"{where} may not be set, not even to an empty value")


def ignored(_value: Any, _where: str) -> Any:
    """Anything, since the daemon never gets it."""
    return DROP


def between(least: int, most: int) -> Check:
    """A number within bounds."""

    def check(value: Any, where: str) -> int:
        if not least <= integer(value, where) <= most:
            raise GuardDenied(where, f"{where} may not be {value}; it may be {least} to {most}")
        return int(value)

    return check


def _wrong(where: str, words: str) -> GuardDenied:
    return GuardDenied("fields", f"{where} is not {words}", status=MALFORMED)
