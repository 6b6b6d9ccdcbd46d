"""Objects that Python's JSON parser rejects: the API server takes fields that are nested 10,000 levels deep."""

from __future__ import annotations

import json
from typing import Any

from tests.support.api import Api
from tests.support.nesting import BODIES, DEEP, nested

from nested_docker.adapters.resources import RESOURCES
from nested_docker.domain.names import LABEL_NAME
from nested_docker.domain.ports import KubeError

ATTEMPTS = 20
MANAGED_BY = {"app.kubernetes.io/managed-by": "nested-docker-operator"}


async def spoil(api: Api, kind: str, namespace: str, name: str, *, depth: int = DEEP) -> None:
    """Replace an object by itself, with managed fields of that depth; repeat it if the object has changed meanwhile."""
    attempts_left = ATTEMPTS
    while True:
        obj = await api.get(kind, namespace, name)
        assert obj is not None
        try:
            return await _put(api, {"kind": kind, **obj}, depth)
        except KubeError as error:
            attempts_left -= 1
            if error.status != 409 or attempts_left == 0:
                raise


async def _put(api: Api, obj: dict[str, Any], depth: int) -> None:
    metadata = obj["metadata"]
    api_version = RESOURCES[obj["kind"]].api_version
    entry = {"manager": "m", "operation": "Update", "apiVersion": api_version, "fieldsType": "FieldsV1"}
    entry |= {"time": "2026-01-01T00:00:00Z", "fieldsV1": "DEEP"}
    text = json.dumps(obj | {"metadata": metadata | {"managedFields": [entry]}})
    path = RESOURCES[obj["kind"]].path(metadata["namespace"], metadata["name"])
    await api.request_text("PUT", path, text.replace('"DEEP"', nested(depth)))


async def labelled(api: Api, namespace: str, kind: str, name: str, *, depth: int = DEEP) -> None:
    """An object of somebody's with the operator's labels, and managed fields of that depth."""
    metadata = {"name": name, "namespace": namespace, "labels": MANAGED_BY | {LABEL_NAME: "someone"}}
    await api.create({"apiVersion": RESOURCES[kind].api_version, "kind": kind, "metadata": metadata} | BODIES[kind])
    await spoil(api, kind, namespace, name, depth=depth)
