"""What `doctor` finds: each check with its remedy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nested_docker.api.v1alpha1.nested_docker_class import DEFAULT_CLASS_ANNOTATION
from nested_docker.domain.shown import one_line


class Verdict(StrEnum):
    """The result of a check."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: what was checked.
        verdict: the result.
        detail: what was found.
        remedy: what to do; empty: nothing.
    """

    name: str
    verdict: Verdict
    detail: str = ""
    remedy: str = ""


NEEDED = (
    ("create", "nesteddocker.dev", "nesteddockers", "", "create NestedDockers"),
    ("get", "nesteddocker.dev", "nesteddockers", "", "see their state"),
    ("delete", "nesteddocker.dev", "nesteddockers", "", "delete them"),
    ("get", "", "secrets", "", "read the client's certificate"),
    ("get", "", "pods", "portforward", "reach daemons from outside the cluster"),
    ("create", "", "pods", "portforward", "reach daemons from outside the cluster"),
)
"""Permissions as verb, group, resource, subresource, and what they are for."""

USEFUL = (
    ("get", "", "pods", "", "use nested-docker why"),
    ("get", "", "pods", "log", "use nested-docker logs"),
    ("list", "", "events", "", "see Events in nested-docker status"),
)
"""Permissions without which only some commands fail."""


def class_checks(classes: Iterable[Mapping[str, Any]]) -> list[Check]:
    """Whether there are classes, and one default class."""
    found = list(classes)
    names = sorted(each["metadata"]["name"] for each in found)
    if not names:
        remedy = "a cluster admin creates a NestedDockerClass: helm get notes RELEASE of the operator shows one"
        return [Check("classes", Verdict.FAILED, "there is no NestedDockerClass", remedy)]
    default = [
        each["metadata"]["name"]
        for each in found
        if (each["metadata"].get("annotations") or {}).get(DEFAULT_CLASS_ANNOTATION) == "true"
    ]
    checks = [Check("classes", Verdict.OK, ", ".join(names))]
    if len(default) == 1:
        return [*checks, Check("default class", Verdict.OK, default[0])]
    detail = f"several: {', '.join(default)}" if default else "none"
    remedy = f"name one by --class, or a cluster admin annotates one with {DEFAULT_CLASS_ANNOTATION}=true"
    return [*checks, Check("default class", Verdict.WARNING, detail, remedy)]


def permission_check(needed: tuple[str, str, str, str, str], namespace: str, *, allowed: bool, required: bool) -> Check:
    """The verdict about one permission."""
    verb, group, resource, subresource, purpose = needed
    what = f"{resource}{'/' + subresource if subresource else ''}{'.' + group if group else ''}"
    name = f"may {verb} {what}"
    if allowed:
        return Check(name, Verdict.OK, f"in namespace {namespace}")
    remedy = f"ask an admin of namespace {namespace} for a Role with verb {verb} on {what}: you need it to {purpose}"
    return Check(name, Verdict.FAILED if required else Verdict.WARNING, f"not in namespace {namespace}", remedy)


def checks_text(checks: Iterable[Check]) -> str:
    """One line per check, and its remedy below."""
    lines = []
    for each in checks:
        lines.append(f"{each.verdict:8} {each.name}{': ' + one_line(each.detail) if each.detail else ''}")
        if each.remedy:
            lines.append(f"         -> {one_line(each.remedy)}")
    return "\n".join(lines)
