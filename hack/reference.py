"""The reference pages: fields from the CRDs' schemas, reasons from the source of the one list."""

from __future__ import annotations

import ast
import inspect
import itertools
from collections.abc import Iterator
from typing import Any

from nested_docker.api import crd
from nested_docker.api.tenancy import TenantUse, declarations
from nested_docker.api.v1alpha1 import NestedDocker, NestedDockerSpec
from nested_docker.domain.status import reasons

Schema = dict[str, Any]

NEEDS = (
    "The column *needs* says which permission the requester must have in the NestedDocker's namespace to set a field, "
    "which fields of a policy limit its value, and which fields a class with `podNamespace` rejects."
)
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
        needs = _needs() if kind.model is NestedDocker else {}
        head, rule = (" needs |", "---|") if needs else ("", "")
        if needs:
            parts.append(f"\n{NEEDS}\n")
        parts.append(f"\n| field | type | meaning |{head}\n|---|---|---|{rule}\n")
        for path, type_, meaning in _rows(crd.structural(kind.model)):
            cell = f" {needs.get(path, '')} |" if needs else ""
            parts.append(f"| `{path}` | {type_} | {meaning} |{cell}\n")
    return "".join(parts)


def _needs() -> dict[str, str]:
    """Path of a field of the spec → what it needs, for the fields that need something."""
    return {path: text for path, use in declarations(NestedDockerSpec) if use and (text := _need(use))}


def _need(use: TenantUse) -> str:
    named = " for each named object" if use.named and not use.has_default else ""
    permission = f"permission `{use.permission}`{named}" if use.permission else ""
    policy = f"policy {', '.join(f'`{field}`' for field in use.governed_by)}" if use.governed_by else ""
    place = "a class without `podNamespace`" if use.tenant_owned else ""
    return "; ".join(part for part in (permission, policy, place) if part)


def conditions_reference() -> str:
    """docs/conditions.md."""
    parts = [
        HEAD,
        "# Reasons of conditions and Events\n\nBy what happens: [troubleshooting](troubleshooting.md#reasons).\n",
    ]
    for reason, meaning, remedy in documented_reasons():
        parts.append(f"\n## {reason}\n\n{meaning}\n")
        if remedy:
            parts.append(f"\n**What to do:** {remedy}\n")
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
