"""Trimming: the cache keeps the fields that a plan reads, and no secret data."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from nested_docker.api.meta import GROUP
from nested_docker.api.nesting import MAX_NESTING, nesting_exceeds, without_deep_values
from nested_docker.api.v1alpha1.nested_docker_class import DEFAULT_CLASS_ANNOTATION
from nested_docker.api.v1alpha1.node import NestedDockerNodeStatus
from nested_docker.domain.manifests.secrets import value_digest
from nested_docker.domain.modes.host_socket import NODE_SOCKET_VOLUME, OWNER_FLAG
from nested_docker.domain.names import ANNOTATION_SIDECAR_SIGNATURE
from nested_docker.domain.node_facts import node_facts, runtime_class_facts
from nested_docker.domain.objects import CLIENT_POD, Manifest
from nested_docker.domain.observed import DATA_DIGESTS
from nested_docker.domain.planning.node_cleanup import needs_cleanup

IDENTITY = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
)
METADATA = (*IDENTITY, "labels", "annotations", "finalizers", "ownerReferences")
SPEC_NESTING = 2 * MAX_NESTING
"""Levels of a spec that are kept, because comparing and copying are recursive; the models reject a spec with more."""

POD_CONDITIONS = frozenset({"PodScheduled", "ContainersReady", "DisruptionTarget"})
"""Types of the conditions that a plan reads."""

POD_CONDITION = ("type", "status", "reason", "message", "lastTransitionTime")

CLIENT_CONTAINER = ("name", "restartPolicy", "restartPolicyRules")
"""Fields of a container of a pod that asks for a daemon, by which it is known when that is not needed any more."""

RESERVED_PREFIX = f"{GROUP}/"
"""Prefix of the labels and annotations that only the operator and its webhooks read."""

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def trim(obj: Mapping[str, Any], kind: str) -> Manifest:
    """The part of an object that the cache keeps."""
    metadata = _METADATA.get(kind, _most_metadata)(obj["metadata"])
    return {"kind": kind, "metadata": metadata, **_BODY.get(kind, _nothing)(obj)}


def _most_metadata(metadata: Mapping[str, Any]) -> Manifest:
    kept = {key: metadata[key] for key in METADATA if key in metadata}
    if LAST_APPLIED in kept.get("annotations", {}):
        kept["annotations"] = {key: value for key, value in kept["annotations"].items() if key != LAST_APPLIED}
    return kept


def _identity(metadata: Mapping[str, Any]) -> Manifest:
    return {key: metadata[key] for key in IDENTITY if key in metadata}


def _identity_and_labels(metadata: Mapping[str, Any]) -> Manifest:
    return _identity(metadata) | {"labels": metadata.get("labels", {})}


def _identity_and_marks(metadata: Mapping[str, Any]) -> Manifest:
    """Users of many namespaces write labels and annotations of up to a megabyte; only reserved keys are read."""
    return _identity(metadata) | {field: _marks(metadata.get(field) or {}) for field in ("labels", "annotations")}


def _marks(values: Mapping[str, str]) -> dict[str, str]:
    return {
        key: value
        for key, value in values.items()
        if key.startswith(RESERVED_PREFIX) and key != ANNOTATION_SIDECAR_SIGNATURE
    }


def _identity_and_default(metadata: Mapping[str, Any]) -> Manifest:
    annotations = metadata.get("annotations", {})
    default = {key: annotations[key] for key in (DEFAULT_CLASS_ANNOTATION,) if key in annotations}
    return _identity(metadata) | {"annotations": default}


_METADATA: dict[str, Callable[[Mapping[str, Any]], Manifest]] = {
    "NestedDockerClass": _identity_and_default,
    "NestedDockerPolicy": _identity,
    "RuntimeClass": _identity,
    "Namespace": _identity_and_labels,
    "Node": _identity_and_labels,
    "NestedDockerNode": _identity,
    CLIENT_POD: _identity_and_marks,
}
"""Of objects that concern many NestedDockers, or that others write, only what is read is kept."""


def _nothing(_obj: Mapping[str, Any]) -> Manifest:
    return {}


def _whole(obj: Mapping[str, Any]) -> Manifest:
    return _spec(obj) | ({"status": obj["status"]} if "status" in obj else {})


def _spec(obj: Mapping[str, Any]) -> Manifest:
    if "spec" not in obj:
        return {}
    spec = obj["spec"]
    return {"spec": without_deep_values(spec, SPEC_NESTING) if nesting_exceeds(spec, SPEC_NESTING) else spec}


def _secret(obj: Mapping[str, Any]) -> Manifest:
    data = obj.get("data") or {}
    return {
        "type": obj.get("type"),
        DATA_DIGESTS: {key: value_digest(base64.b64decode(value)) for key, value in data.items()},
    }


def _pod(obj: Mapping[str, Any]) -> Manifest:
    spec, status = obj.get("spec", {}), obj.get("status", {})
    slim: Manifest = {
        key: [{"name": item["name"], "image": item["image"]} for item in spec[key]]
        for key in ("initContainers", "containers")
        if key in spec
    }
    slim |= {key: spec[key] for key in ("nodeName", "schedulingGates") if key in spec}
    if needs_cleanup(dict(obj)):
        slim |= _cleanup_inputs(spec)
    return {
        "spec": slim,
        "status": {
            key: status[key] for key in ("phase", "reason", "message", "hostIP", "podIP", "startTime") if key in status
        }
        | {
            "conditions": [
                {key: condition[key] for key in POD_CONDITION if key in condition}
                for condition in status.get("conditions", [])
                if condition["type"] in POD_CONDITIONS
            ]
        }
        | {
            key: [_container_status(item) for item in status[key]]
            for key in ("initContainerStatuses", "containerStatuses")
            if key in status
        },
    }


def _client_pod(obj: Mapping[str, Any]) -> Manifest:
    """Of a pod that asks for a daemon: its containers, whether they have started and ended, and its node."""
    spec, status = obj.get("spec", {}), obj.get("status", {})
    slim: Manifest = {
        key: [{field: item[field] for field in CLIENT_CONTAINER if field in item} for item in spec[key]]
        for key in ("initContainers", "containers")
        if key in spec
    }
    return {
        "spec": slim | {key: spec[key] for key in ("restartPolicy", "nodeName", "schedulingGates") if key in spec},
        "status": {key: status[key] for key in ("phase",) if key in status}
        | {
            key: [_container_status(item) for item in status[key]]
            for key in ("initContainerStatuses", "containerStatuses")
            if key in status
        },
    }


def _cleanup_inputs(spec: Mapping[str, Any]) -> Manifest:
    """The fields that node cleanup reads: the node's socket, its group, and the owner of the containers."""
    inputs: Manifest = {
        key: [
            {"name": item["name"], "image": item["image"], "args": [*filter(_is_owner_flag, item.get("args", []))]}
            for item in spec[key]
        ]
        for key in ("initContainers", "containers")
        if key in spec
    }
    return inputs | {
        "volumes": [volume for volume in spec.get("volumes", []) if volume["name"] == NODE_SOCKET_VOLUME],
        "securityContext": spec.get("securityContext", {}),
    }


def _is_owner_flag(argument: str) -> bool:
    return argument.startswith(OWNER_FLAG)


def _container_status(status: Mapping[str, Any]) -> Manifest:
    return {
        key: status[key]
        for key in ("name", "image", "state", "lastState", "ready", "started", "restartCount")
        if key in status
    }


def _node(obj: Mapping[str, Any]) -> Manifest:
    return {"facts": node_facts(obj)}


def _nested_docker_node(obj: Mapping[str, Any]) -> Manifest:
    return {"status": NestedDockerNodeStatus.model_validate(obj.get("status", {}))}


def _runtime_class(obj: Mapping[str, Any]) -> Manifest:
    return {"facts": runtime_class_facts(obj)}


_BODY: dict[str, Callable[[Mapping[str, Any]], Manifest]] = {
    "NestedDocker": _whole,
    "NestedDockerClass": _spec,
    "NestedDockerPolicy": _spec,
    "NetworkPolicy": _spec,
    "PodDisruptionBudget": _spec,
    "Service": _spec,
    "Secret": _secret,
    "Pod": _pod,
    CLIENT_POD: _client_pod,
    "Node": _node,
    "NestedDockerNode": _nested_docker_node,
    "RuntimeClass": _runtime_class,
}
