"""The reference pages: fields from the CRDs' schemas, reasons from the source of the one list."""

from __future__ import annotations

import ast
import inspect
import itertools
from collections.abc import Iterator
from typing import Any

from nested_docker.api import crd
from nested_docker.domain.status import reasons

Schema = dict[str, Any]

HEAD = "<!-- Made by hack/generate.py; edit the models instead. -->\n\n"


def api_reference() -> str:
    """docs/api-reference.md."""
    parts = [HEAD, "# API reference\n\nGroup `nesteddocker.dev`, version `v1alpha1`.\n"]
    for kind in crd.KINDS:
        scope = "namespaced" if kind.namespaced else "cluster-wide"
        parts.append(f"\n## {kind.name}\n\n{inspect.getdoc(kind.model)} {scope.capitalize()}; short name ")
        parts.append(", ".join(f"`{name}`" for name in kind.short_names) + ".\n")
        for rule, message in kind.rules:
            del rule
            parts.append(f"\n- {message}\n")
        parts.append("\n| field | type | meaning |\n|---|---|---|\n")
        parts += (f"| `{path}` | {type_} | {meaning} |\n" for path, type_, meaning in _rows(crd.structural(kind.model)))
    return "".join(parts)


def conditions_reference() -> str:
    """docs/conditions.md."""
    parts = [HEAD, "# Reasons of conditions and Events\n\n| reason | meaning | what to do |\n|---|---|---|\n"]
    parts += (f"| `{reason}` | {meaning} | {remedy or '–'} |\n" for reason, meaning, remedy in documented_reasons())
    return "".join(parts)


def documented_reasons() -> Iterator[tuple[str, str, str]]:
    """Each reason, its meaning, and what to do about it; empty: nothing."""
    tree = ast.parse(inspect.getsource(reasons.Reason))
    body = tree.body[0].body  # type: ignore[attr-defined]
    for statement, following in itertools.pairwise(body):
        if isinstance(statement, ast.Assign) and isinstance(following, ast.Expr):
            name = statement.targets[0].id  # type: ignore[attr-defined]
            meaning, _, remedy = inspect.cleandoc(ast.literal_eval(following.value)).partition("\n\n")
            yield reasons.Reason[name].value, " ".join(meaning.split()), " ".join(remedy.split())


def _rows(schema: Schema, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    required = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        yield path, _type(field) + (", required" if name in required else ""), _meaning(field)
        inner = field.get("items", field)
        yield from _rows(inner, f"{path}[]." if field.get("type") == "array" else f"{path}.")


def _type(field: Schema) -> str:
    if field.get("x-kubernetes-int-or-string"):
        return "quantity"
    if "enum" in field:
        return " \\| ".join(f"`{value}`" for value in field["enum"])
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    if "additionalProperties" in field:
        return f"map of {_type(field['additionalProperties'])}"
    bounds = [f"{sign} {field[key]}" for key, sign in (("minimum", "≥"), ("maximum", "≤")) if key in field]
    return " ".join([str(field.get("type", "any")), *bounds])


def _meaning(field: Schema) -> str:
    rules = [rule["message"] for rule in field.get("x-kubernetes-validations", [])]
    return " ".join([field.get("description", ""), *(f"*{rule}.*" for rule in rules)]).replace("|", "\\|")
