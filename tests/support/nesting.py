"""Documents that are nested more deeply than Python's JSON parser can follow."""

from __future__ import annotations

from typing import Any

DEEP = 9_990
"""Levels: just below the API server's limit of 10,000."""

BODIES: dict[str, dict[str, Any]] = {
    "Secret": {"type": "Opaque"},
    "Service": {"spec": {"ports": [{"port": 80}], "selector": {"a": "b"}}},
    "Pod": {"spec": {"nodeName": "nowhere", "containers": [{"name": "a", "image": "a"}]}},
    "PersistentVolumeClaim": {
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    },
    "NetworkPolicy": {"spec": {"podSelector": {"matchLabels": {"a": "b"}}}},
    "PodDisruptionBudget": {"spec": {"minAvailable": 1, "selector": {"matchLabels": {"a": "b"}}}},
}
"""The rest of a valid object, by kind."""


def nested(depth: int, opening: str = '{"f:a":', closing: str = "}") -> str:
    """JSON of that many levels, in the form of managed fields."""
    return opening * depth + "{}" + closing * depth


def nested_document(depth: int) -> dict[str, Any]:
    """A document of that many levels."""
    value: dict[str, Any] = {}
    for _ in range(depth - 1):
        value = {"a": value}
    return value


def with_managed_fields(kind: str, name: str, *, managed: str = "{}", **fields: str) -> str:
    """JSON of an object with these managed fields; further fields are JSON too."""
    more = "".join(f', "{key}": {value}' for key, value in fields.items())
    return (
        f'{{"apiVersion": "v1", "kind": "{kind}", "metadata": {{"name": "{name}", "namespace": "ns", '
        f'"uid": "{name}-uid", "managedFields": [{{"manager": "m", "fieldsV1": {managed}}}]}}{more}}}'
    )
