"""Objects as people write them."""

from __future__ import annotations

from typing import Any

API_VERSION = "nesteddocker.dev/v1alpha1"
Object = dict[str, Any]


def nested_docker(name: str = "build", namespace: str | None = "team-a", **spec: Any) -> Object:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": API_VERSION, "kind": "NestedDocker", "metadata": metadata, "spec": spec}


def class_(name: str = "standard", *, default: bool = True, **spec: Any) -> Object:
    metadata: Object = {"name": name}
    if default:
        metadata["annotations"] = {"nesteddocker.dev/is-default-class": "true"}
    return {
        "apiVersion": API_VERSION,
        "kind": "NestedDockerClass",
        "metadata": metadata,
        "spec": {"modes": ["Dind", "Sysbox"]} | spec,
    }


def policy(name: str = "ci", **spec: Any) -> Object:
    grant = {
        "namespaceSelector": {"matchLabels": {"ci": "true"}},
        "allowedClasses": ["standard"],
        "allowedModes": ["Dind", "Sysbox"],
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "NestedDockerPolicy",
        "metadata": {"name": name},
        "spec": grant | spec,
    }


def namespace(name: str = "team-a", **labels: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels or {"ci": "true"}}}


def node(name: str = "node-1", **labels: str) -> Object:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


def runtime_class(name: str = "sysbox-runc") -> Object:
    return {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": name}


def policy_test(*cases: Object, **fields: Any) -> Object:
    return {
        "apiVersion": "cli.nesteddocker.dev/v1alpha1",
        "kind": "PolicyTest",
        "namespaces": {"team-a": {"ci": "true"}, "team-b": {}},
        "cases": list(cases),
    } | fields


def case(name: str = "one", **fields: Any) -> Object:
    return {"name": name, "namespace": "team-a", "spec": {"mode": "Dind"}, "expect": "Granted"} | fields


GOVERNING = (class_(), policy(), namespace())
