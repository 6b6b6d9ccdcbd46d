"""A pod of a CI system, as the webhook sees it, and JSON Patches."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from nested_docker.domain.names import LABEL_INJECT

Pod = dict[str, Any]


def pod(*, labels: Mapping[str, str] | None = None, annotations: Mapping[str, str] | None = None, **spec: Any) -> Pod:
    """A pod with an init container, a native sidecar and two containers, without a name."""
    metadata: dict[str, Any] = {"generateName": "job-", "namespace": "team-a"}
    metadata["labels"] = {LABEL_INJECT: "standard"} if labels is None else dict(labels)
    if annotations is not None:
        metadata["annotations"] = dict(annotations)
    default = {
        "initContainers": [{"name": "clone"}, {"name": "mesh", "restartPolicy": "Always"}],
        "containers": [{"name": "build"}, {"name": "helper"}],
        "restartPolicy": "Never",
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": default | spec}


def patched(obj: Pod, operations: Iterable[Mapping[str, Any]]) -> Pod:
    """The object after a JSON Patch that adds members, and adds or removes items of lists."""
    result = copy.deepcopy(obj)
    for operation in operations:
        *path, last = (part.replace("~1", "/") for part in operation["path"].split("/")[1:])
        place: Any = result
        for part in path:
            place = place[int(part)] if isinstance(place, list) else place[part]
        if operation["op"] == "remove":
            del place[int(last)]
        elif isinstance(place, list):
            place.insert(int(last), copy.deepcopy(operation["value"]))
        else:
            assert operation["op"] == "add"
            place[last] = copy.deepcopy(operation["value"])
    return result
