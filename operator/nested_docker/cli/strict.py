"""What people write by hand, read strictly: the models ignore what they do not know, which hides a typing error.

Everything is derived from the models and the structural schemas made from them. Rules in CEL are not
evaluated: the API server does that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from nested_docker.api.crd import Schema, structural
from nested_docker.api.meta import QUANTITY, KubeModel
from nested_docker.cli.findings import Findings, Place, did_you_mean, shown

Model = TypeVar("Model", bound=KubeModel)
Found = tuple[str, str]
"""A path, and what is wrong there."""


def parse(model: type[Model], raw: Any, place: Place, findings: Findings, *, path: str = "") -> Model | None:
    """A document, or the part of one at `path`, as a model; None: problems were found.

    Types are held to as the API server does: the text "true" is no boolean.
    """
    found = dict(_beyond_the_model(_schema(model), raw, path))
    parsed = None
    try:
        parsed = model.model_validate_json(json.dumps(raw), strict=True)
    except ValidationError as error:
        found = dict(_told(problem, path) for problem in error.errors(include_url=False)) | found
    for where, what in sorted(found.items()):
        findings.problem(place, what, path=where)
    return None if found else parsed


@lru_cache
def _schema(model: type[KubeModel]) -> Schema:
    return structural(model)


def _beyond_the_model(schema: Schema, value: Any, path: str) -> Iterator[Found]:
    """What the API server refuses and pydantic lets pass."""
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        yield from _open(schema, value, path)
    elif value is None and schema.get("type"):
        yield path, "it is null: give a value, or leave it out"
    elif isinstance(value, dict):
        yield from _object(schema, value, path)
    elif isinstance(value, list):
        yield from _list(schema, value, path)


_TYPES: dict[str, type] = {"object": dict, "array": list, "string": str}


def _open(schema: Schema, value: Any, path: str) -> Iterator[Found]:
    """A part that pydantic does not look into, held to as much of a shape as its schema names."""
    expected = schema.get("type", "")
    if value is None or not expected:
        return
    if not isinstance(value, _TYPES[expected]):
        yield path, f"it must be of type {expected} (value: {shown(value)})"
    elif isinstance(value, dict):
        yield from (
            (_join(path, key), "it must be there, and is not") for key in schema.get("required", []) if key not in value
        )
        properties, others = schema.get("properties", {}), schema.get("additionalProperties", {})
        for key, member in value.items():
            yield from _open(properties.get(key, others), member, _join(path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _open(schema.get("items", {}), item, f"{path}[{number}]")


def _object(schema: Schema, value: dict[str, Any], path: str) -> Iterator[Found]:
    properties, additional = schema.get("properties"), schema.get("additionalProperties")
    most = schema.get("maxProperties")
    if most is not None and len(value) > most:
        yield path, f"it has {len(value)} entries, and may have {most}"
    for key, member in value.items():
        where = _join(path, key)
        if properties is not None and key not in properties:
            yield where, f"unknown field (value: {shown(member)}); {did_you_mean(key, properties)}"
        elif properties is not None:
            yield from _beyond_the_model(properties[key], member, where)
        elif isinstance(additional, dict):
            yield from _beyond_the_model(additional, member, where)


def _list(schema: Schema, value: list[Any], path: str) -> Iterator[Found]:
    keys = schema.get("x-kubernetes-list-map-keys", [])
    is_set = schema.get("x-kubernetes-list-type") == "set"
    seen = []
    for number, item in enumerate(value):
        where = f"{path}[{number}]"
        mark = item if is_set else [item.get(key) for key in keys] if isinstance(item, dict) and keys else None
        if mark is not None and mark in seen:
            yield where, f"{', '.join(keys) or 'it'} is in the list twice (value: {shown(mark)}); leave one out"
        seen.append(mark)
        yield from _beyond_the_model(schema.get("items", {}), item, where)


def _told(problem: ErrorDetails, path: str) -> Found:
    where = _join(path, *problem["loc"])
    if problem["type"] == "missing":
        return where, "it must be there, and is not"
    message = problem["msg"].removeprefix("Value error, ").replace(f"match pattern '{QUANTITY}'", "be a quantity")
    remedy = _remedy(problem)
    return where, f"{message} (value: {shown(problem['input'])}){'; ' if remedy else ''}{remedy}"


def _remedy(problem: ErrorDetails) -> str:
    type_, given = problem["type"], problem["input"]
    if type_ == "enum" and isinstance(given, str):
        return did_you_mean(given, re.findall(r"'([^']*)'", problem["ctx"]["expected"]))
    if type_ == "string_type" and isinstance(given, bool | int | float):
        return f'write it in quotes: "{shown(given)}"'
    if type_ == "string_pattern_mismatch" and problem["ctx"]["pattern"] == QUANTITY:
        return "such as 500m, 4 or 8Gi"
    if type_ in {"int_type", "bool_type"} and isinstance(given, str) and re.fullmatch("[0-9]+|true|false", given):
        return f"write it without quotes: {given}"
    return ""


def _join(path: str, *parts: str | int) -> str:
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path
