"""Strict validation of hand-written documents: unknown fields, which the models ignore, are errors.

Everything is derived from the models and their structural schemas. CEL rules are not evaluated: only the
API server does that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from nested_docker.api.amounts import QUANTITY
from nested_docker.api.crd import Schema, structural
from nested_docker.api.meta import KubeModel
from nested_docker.cli.findings import Findings, Position, did_you_mean, format_value

Model = TypeVar("Model", bound=KubeModel)
Violation = tuple[str, str]
"""A path in the document, and what is wrong there."""


def parse_model(
    model: type[Model], raw: Any, position: Position, findings: Findings, *, path: str = ""
) -> Model | None:
    """Validate a document, or the part of one at `path`; None if there are problems, which go to `findings`.

    Types are as strict as the API server's: the string "true" is not a boolean.
    """
    found = dict(_schema_violations(_schema(model), raw, path))
    parsed = None
    try:
        parsed = model.model_validate_json(json.dumps(raw), strict=True)
    except ValidationError as error:
        found = dict(_describe(problem, path) for problem in error.errors(include_url=False)) | found
    for where, what in sorted(found.items()):
        findings.problem(position, what, path=where)
    return None if found else parsed


@lru_cache
def _schema(model: type[KubeModel]) -> Schema:
    return structural(model)


def _schema_violations(schema: Schema, value: Any, path: str) -> Iterator[Violation]:
    """What the API server rejects and pydantic accepts."""
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        yield from _free_form_violations(schema, value, path)
    elif value is None and schema.get("type"):
        yield path, "null is not allowed: set a value, or remove the field"
    elif isinstance(value, dict):
        yield from _object_violations(schema, value, path)
    elif isinstance(value, list):
        yield from _list_violations(schema, value, path)


_TYPES: dict[str, type] = {"object": dict, "array": list, "string": str}


def _free_form_violations(schema: Schema, value: Any, path: str) -> Iterator[Violation]:
    """Violations of the schema in a part that the models leave open."""
    expected = schema.get("type", "")
    if value is None or not expected:
        return
    if not isinstance(value, _TYPES[expected]):
        yield path, f"must be of type {expected} (value: {format_value(value)})"
    elif isinstance(value, dict):
        yield from (
            (_join(path, key), "required field is missing") for key in schema.get("required", []) if key not in value
        )
        properties, others = schema.get("properties", {}), schema.get("additionalProperties", {})
        for key, member in value.items():
            yield from _free_form_violations(properties.get(key, others), member, _join(path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _free_form_violations(schema.get("items", {}), item, f"{path}[{number}]")


def _object_violations(schema: Schema, value: dict[str, Any], path: str) -> Iterator[Violation]:
    properties, additional = schema.get("properties"), schema.get("additionalProperties")
    most = schema.get("maxProperties")
    if most is not None and len(value) > most:
        yield path, f"has {len(value)} entries, and the maximum is {most}"
    for key, member in value.items():
        where = _join(path, key)
        if properties is not None and key not in properties:
            yield where, f"unknown field (value: {format_value(member)}); {did_you_mean(key, properties)}"
        elif properties is not None:
            yield from _schema_violations(properties[key], member, where)
        elif isinstance(additional, dict):
            yield from _schema_violations(additional, member, where)


def _list_violations(schema: Schema, value: list[Any], path: str) -> Iterator[Violation]:
    keys = schema.get("x-kubernetes-list-map-keys", [])
    is_set = schema.get("x-kubernetes-list-type") == "set"
    seen = []
    for number, item in enumerate(value):
        where = f"{path}[{number}]"
        mark = item if is_set else [item.get(key) for key in keys] if isinstance(item, dict) and keys else None
        if mark is not None and mark in seen:
            yield where, f"duplicate {', '.join(keys) or 'item'} (value: {format_value(mark)}); remove one"
        seen.append(mark)
        yield from _schema_violations(schema.get("items", {}), item, where)


def _describe(problem: ErrorDetails, path: str) -> Violation:
    where = _join(path, *problem["loc"])
    if problem["type"] == "missing":
        return where, "required field is missing"
    message = problem["msg"].removeprefix("Value error, ").replace(f"match pattern '{QUANTITY}'", "be a quantity")
    remedy = _remedy(problem)
    return where, f"{message} (value: {format_value(problem['input'])}){'; ' if remedy else ''}{remedy}"


def _remedy(problem: ErrorDetails) -> str:
    type_, given = problem["type"], problem["input"]
    if type_ == "enum" and isinstance(given, str):
        return did_you_mean(given, re.findall(r"'([^']*)'", problem["ctx"]["expected"]))
    if type_ == "string_type" and isinstance(given, bool | int | float):
        return f'write it in quotes: "{format_value(given)}"'
    if type_ == "string_pattern_mismatch" and problem["ctx"]["pattern"] == QUANTITY:
        return "for example 500m, 4 or 8Gi"
    if type_ in {"int_type", "bool_type"} and isinstance(given, str) and re.fullmatch("[0-9]+|true|false", given):
        return f"write it without quotes: {given}"
    return ""


def _join(path: str, *parts: str | int) -> str:
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path
