"""NestedDockers as rows of a table."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from nested_docker.cli.user.durations import age_of
from nested_docker.cli.user.tables import table
from nested_docker.client.progress import condition
from nested_docker.domain.objects import Manifest


def listing(nested_dockers: Iterable[Manifest], now: datetime, *, namespaces: bool = False, wide: bool = False) -> str:
    """A table of NestedDockers.

    Args:
        nested_dockers: the objects.
        now: the time that ages are relative to.
        namespaces: with a column for the namespace.
        wide: with further columns.
    """
    head = ["NAME", "READY", "REASON", "MODE", "CLASS", "AGE"]
    further = ["ENDPOINT", "NODE", "POD", "VERSION", "POLICY", "EXPIRES"]
    head = [*(["NAMESPACE"] if namespaces else []), *head, *(further if wide else [])]
    rows = []
    for each in nested_dockers:
        row = [*([each["metadata"].get("namespace", "")] if namespaces else []), *_row(each, now)]
        rows.append([*row, *(_further(each) if wide else [])])
    return table(head, rows)


def _row(nested_docker: Manifest, now: datetime) -> list[str]:
    metadata, status, spec = nested_docker["metadata"], _status(nested_docker), nested_docker.get("spec") or {}
    ready = condition(nested_docker, "Ready")
    deleting = metadata.get("deletionTimestamp")
    return [
        metadata["name"],
        "False" if deleting else ready.get("status", "Unknown"),
        "Deleting" if deleting else ready.get("reason", ""),
        status.get("mode") or spec.get("mode") or "",
        status.get("className") or spec.get("className") or "",
        age_of(metadata.get("creationTimestamp"), now),
    ]


def _further(nested_docker: Manifest) -> list[str]:
    status = _status(nested_docker)
    engine = status.get("engine") or {}
    keys = ("endpoint", "nodeName", "podName")
    return [
        *(str(status.get(key) or "") for key in keys),
        str(engine.get("version") or ""),
        str(status.get("policyName") or ""),
        str(status.get("expirationTime") or ""),
    ]


def _status(nested_docker: Manifest) -> Manifest:
    return nested_docker.get("status") or {}
