"""Objects by allow-list: a table of the known fields, with a check for the value of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.wire.strict_json import fold_key

FieldCheck = Callable[[Any, str], Any]
"""Maps (value, path) to the value for the daemon, or to OMIT; raises GuardDenied. The path is for messages."""

FieldTable = Mapping[str, FieldCheck]

OMIT = object()
"""The daemon does not get the field."""


def validate_object(value: Any, table: FieldTable, where: str) -> dict[str, Any]:
    """Check the fields of an object.

    Args:
        value: what the client sent.
        table: the known fields; null is the same as an absent field, as in Go's decoder.
        where: path of the object, for messages; empty: it is the whole body.

    Returns:
        The object for the daemon.

    Raises:
        GuardDenied: a field is unknown, or its value is not allowed.
    """
    kept = {}
    for key, each in any_object(value, where or "the body").items():
        path = f"{where}.{key}" if where else key
        if key not in table:
            raise _unknown_field(key, table, path)
        if each is None:
            continue
        result = table[key](each, path)
        if result is not OMIT:
            kept[key] = result
    return kept


def _unknown_field(key: str, table: FieldTable, path: str) -> GuardDenied:
    meant = [known for known in table if fold_key(known) == fold_key(key)]
    if meant:
        return GuardDenied("fields", f"{path} must be spelled {meant[0]}", status=HTTPStatus.BAD_REQUEST)
    return GuardDenied("fields", f"the guard does not support the field {path}")


def any_object(value: Any, where: str) -> dict[str, Any]:
    """Any object."""
    if not isinstance(value, dict):
        raise _wrong_type(where, "an object")
    return value


def any_string(value: Any, where: str) -> str:
    """Any string."""
    if not isinstance(value, str):
        raise _wrong_type(where, "a string")
    return value


def any_boolean(value: Any, where: str) -> bool:
    """Any boolean."""
    if not isinstance(value, bool):
        raise _wrong_type(where, "a boolean")
    return value


def any_integer(value: Any, where: str) -> int:
    """Any integer."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong_type(where, "an integer")
    return value


def any_array(value: Any, where: str) -> list[Any]:
    """Any array."""
    if not isinstance(value, list):
        raise _wrong_type(where, "an array")
    return value


def string_array(value: Any, where: str) -> list[str]:
    """An array of strings."""
    return [any_string(each, f"{where}[{number}]") for number, each in enumerate(any_array(value, where))]


def string_or_array(value: Any, where: str) -> str | list[str]:
    """A string, or an array of them."""
    return value if isinstance(value, str) else string_array(value, where)


def string_map(value: Any, where: str) -> dict[str, str]:
    """An object whose values are strings."""
    return {key: any_string(each, f"{where}.{key}") for key, each in any_object(value, where).items()}


def array_of(table: FieldTable) -> FieldCheck:
    """An array of objects with these fields."""
    return lambda value, where: [
        validate_object(each, table, f"{where}[{number}]") for number, each in enumerate(any_array(value, where))
    ]


def object_of(table: FieldTable) -> FieldCheck:
    """An object with these fields."""
    return lambda value, where: validate_object(value, table, where)


def one_of(*allowed: str) -> FieldCheck:
    """One of these strings."""

    def check(value: Any, where: str) -> str:
        if any_string(value, where) not in allowed:
            raise GuardDenied(where, f"{where} may not be {value!r}; allowed: {', '.join(map(repr, allowed))}")
        return str(value)

    return check


def unset(value: Any, where: str) -> Any:
    """Zero, false or empty, which clients send for a field that the user has not set."""
    if value not in (0, "", [], {}):  # False is 0
        raise GuardDenied(where, f"{where} may not be set")
    return OMIT


def null_only(_value: Any, where: str) -> Any:
    """Null only: for fields in which an empty array has a meaning."""
    raise GuardDenied(where, f"{where} may not be set, even to an empty value")


def ignored(_value: Any, _where: str) -> Any:
    """Any value, since the daemon does not get it."""
    return OMIT


def between(minimum: int, maximum: int) -> FieldCheck:
    """An integer within bounds."""

    def check(value: Any, where: str) -> int:
        if not minimum <= any_integer(value, where) <= maximum:
            raise GuardDenied(where, f"{where} may not be {value}; allowed: {minimum} to {maximum}")
        return int(value)

    return check


def _wrong_type(where: str, expected: str) -> GuardDenied:
    return GuardDenied("fields", f"{where} is not {expected}", status=HTTPStatus.BAD_REQUEST)
