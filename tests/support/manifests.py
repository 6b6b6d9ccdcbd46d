"""Objects of our kinds, as a user writes them."""

from __future__ import annotations

from typing import Any

from nested_docker.api.v1alpha1 import API_VERSION

Manifest = dict[str, Any]


def nested_docker(namespace: str, name: str = "build", **spec: Any) -> Manifest:
    """A NestedDocker."""
    return _object("NestedDocker", {"name": name, "namespace": namespace}, spec)


def nested_docker_class(name: str, **spec: Any) -> Manifest:
    """A NestedDockerClass."""
    return _object("NestedDockerClass", {"name": name}, spec)


GENEROUS: Manifest = {
    "allowedImages": {"patterns": ["**"]},
    "workload": {"allowed": True, "references": ["Secrets", "ConfigMaps"], "sharedPaths": ["**"]},
    "allowedResources": ["**"],
    "allowedStorageClasses": ["**"],
    "connection": {"clientNamespaces": "Any"},
    "scheduling": {
        "tolerationKeys": ["**"],
        "podAnnotations": ["**"],
        "podLabels": ["**"],
        "affinity": ["NodeAffinity", "PodAffinity", "PodAntiAffinity"],
        "affinityNamespaces": "Any",
    },
}
"""Terms of a policy under which a NestedDocker may set whatever it likes."""


def policy(name: str, **spec: Any) -> Manifest:
    """A NestedDockerPolicy."""
    return _object("NestedDockerPolicy", {"name": name}, spec)


def _object(kind: str, metadata: Manifest, spec: Manifest) -> Manifest:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}
