"""The NestedDocker of a pod."""

from __future__ import annotations

from typing import Any

from nested_docker.api.v1alpha1 import API_VERSION
from nested_docker.domain import names
from nested_docker.domain.kube_types import ObjectMeta
from nested_docker.domain.objects import Manifest


def injected_nested_docker(injection_id: str, namespace: str, class_name: str) -> Manifest:
    """The NestedDocker, as policy judges it before the pod exists: only the pod with the id may connect."""
    selector = {"matchLabels": {names.LABEL_INJECTION_ID: injection_id}}
    return {
        "apiVersion": API_VERSION,
        "kind": "NestedDocker",
        "metadata": {"name": names.injected_name(injection_id), "namespace": namespace},
        "spec": {"className": class_name, "connection": {"clients": [{"podSelector": selector}]}},
    }


def owned_by_pod(nested_docker: Manifest, pod: ObjectMeta) -> Manifest:
    """The NestedDocker with a stored pod as its owner.

    The owner reference does not block the pod's deletion, since the operator has no permission on pods/finalizers.
    """
    reference: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": pod["name"],
        "uid": pod["uid"],
        "controller": True,
    }
    return nested_docker | {"metadata": nested_docker["metadata"] | {"ownerReferences": [reference]}}


def owner_pod(metadata: ObjectMeta) -> tuple[str, str]:
    """Name and uid of the pod that a NestedDocker was made for; empty: its owner reference is gone."""
    for reference in metadata.get("ownerReferences", []):
        if reference.get("kind") == "Pod" and reference.get("controller"):
            return str(reference.get("name", "")), str(reference.get("uid", ""))
    return "", ""
