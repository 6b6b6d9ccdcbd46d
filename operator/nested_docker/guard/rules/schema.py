"""Objects by allow-list: a table of the known fields, with a check for the value of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
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
        table: the known fields; null is the same as an absent field, and case does not matter, as in Go's decoder.
        where: path of the object, for messages; empty: it is the whole body.

    Returns:
        The object for the daemon.

    Raises:
        GuardDenied: an unknown field says something, or a value is not allowed.
    """
    kept = {}
    for key, each in any_object(value, where or "the body").items():
        if each is None:
            continue
        known = key if key in table else _meant(key, table, where)
        if known:
            result = table[known](each, _join(where, known))
            if result is not OMIT:
                kept[known] = result
        elif not is_empty(each):
            raise GuardDenied("fields", f"the guard does not support the field {_join(where, key)}")
    return kept


def require_spelling(value: Mapping[str, Any], fields: Iterable[str], where: str) -> None:
    """Check that no key is another spelling of these fields, which the daemon would merge with them.

    Raises:
        GuardDenied: one is.
    """
    for field in fields:
        for key in value.keys() - {field}:
            if fold_key(key) == fold_key(field):
                raise _misspelled(_join(where, key), field)


def is_empty(value: Any) -> bool:
    """Whether a value is zero, false, null or empty, which clients send for what the user has not set."""
    return value is None or value in (0, "", [], {})  # False is 0


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _meant(key: str, table: FieldTable, where: str) -> str:
    """The field that Go's decoder takes a key for; empty: none.

    Raises:
        GuardDenied: the key has a character beyond ASCII, which not every decoder takes for the letter.
    """
    for known in table:
        if fold_key(known) == fold_key(key):
            if key.isascii():
                return known
            raise _misspelled(_join(where, key), known)
    return ""


def _misspelled(path: str, field: str) -> GuardDenied:
    return GuardDenied("fields", f"{path} must be spelled {field}", status=HTTPStatus.BAD_REQUEST)


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
    if not is_empty(value):
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
