"""Objects as a watch brings them."""

from __future__ import annotations

from typing import Any

from nested_docker.domain.names import LABEL_NAME


def obj(name: str, version: int = 1, uid: str = "u", **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "ns", "uid": uid, "resourceVersion": str(version)}
    return {"metadata": metadata | fields.pop("metadata", {}), **fields}


def child(name: str, owner: str, **fields: Any) -> dict[str, Any]:
    return obj(name, **fields) | {"metadata": obj(name, **fields)["metadata"] | {"labels": {LABEL_NAME: owner}}}
