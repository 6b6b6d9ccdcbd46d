"""What all objects have in common, and what is known of the cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nested_docker.api.v1alpha1 import API_VERSION
from nested_docker.api.v1alpha1.node import ProbedFacts
from nested_docker.domain import names
from nested_docker.domain.kube_types import ObjectMeta, OwnerReference

Manifest = dict[str, Any]

CLIENT_POD = "ClientPod"
"""The kind Pod, of those that ask for a daemon by their label; only their scheduling gate and
the clock of a denied sidecar are ever written."""


@dataclass(frozen=True)
class Owner:
    """The NestedDocker that a child belongs to."""

    name: str
    namespace: str
    uid: str

    def reference(self) -> dict[str, Any]:
        """The owner reference by which the garbage collector finds the child."""
        return {
            "apiVersion": API_VERSION,
            "kind": "NestedDocker",
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }


@dataclass(frozen=True, order=True)
class Identity:
    """Kind, namespace and name of an object."""

    kind: str
    namespace: str
    name: str

    @classmethod
    def of(cls, manifest: Manifest) -> Identity:
        """The identity of a manifest or an observed object."""
        metadata = manifest["metadata"]
        return cls(manifest["kind"], metadata["namespace"], metadata["name"])


def secret_reference(name: str) -> Manifest:
    """The owner reference to a Secret that is the controller of an object beside it.

    It has no uid. The executor adds it, because the Secret may not exist yet when the write is planned.
    """
    return {"apiVersion": "v1", "kind": "Secret", "name": name, "controller": True}


def pod_reference(pod: Mapping[str, Any]) -> dict[str, str]:
    """A pod as an Event names what it is about."""
    metadata = pod["metadata"]
    return {"apiVersion": "v1", "kind": "Pod"} | {key: metadata[key] for key in ("namespace", "name", "uid")}


def controller_of(metadata: ObjectMeta) -> OwnerReference | None:
    """The controller of an object; None: it has none that says whose the object is.

    The Secret with a pod's own key set says nothing about that: it controls a pod in another namespace, for drains.
    """
    key_secret = ("Secret", names.tls_secret_of(metadata["name"]))
    controllers = (each for each in metadata.get("ownerReferences", []) if each.get("controller"))
    return next((each for each in controllers if (each.get("kind"), each.get("name")) != key_secret), None)


@dataclass(frozen=True)
class Taint:
    """What keeps pods off a node that do not tolerate it."""

    key: str
    value: str
    effect: str

    def __str__(self) -> str:
        return f"{self.key}={self.value}:{self.effect}" if self.value else f"{self.key}:{self.effect}"


@dataclass(frozen=True)
class NodeFacts:
    """What is known of a node; an empty text: nothing.

    Attributes:
        ready: whether its kubelet reports.
        name: its name.
        labels: its labels.
        taints: those that keep pods off for longer than a node is troubled, starts or ends.
        kernel: version of its kernel.
        kubelet: version of its kubelet.
        runtime: its container runtime, as in `containerd://2.1.9`.
        operating_system: `linux` or `windows`.
        architecture: as Go names it, as in `amd64`.
        handlers: handlers of its container runtime by name, each with whether it supports user namespaces, as far as
            that is known; None: it does not say which it has, as before Kubernetes 1.31.
        boot_id: changes with each boot.
        probed: what a probe has found out in this boot; None: nothing.
    """

    ready: bool
    name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()
    kernel: str = ""
    kubelet: str = ""
    runtime: str = ""
    operating_system: str = ""
    architecture: str = ""
    handlers: Mapping[str, bool | None] | None = None
    boot_id: str = ""
    probed: ProbedFacts | None = None


@dataclass(frozen=True)
class RuntimeClassFacts:
    """What a RuntimeClass says of its pods.

    Attributes:
        handler: the node's handler that runs them.
        node_selector: labels of the nodes that they are scheduled to.
        tolerations: that they get in addition to their own.
    """

    handler: str = ""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True)
class ClusterFacts:
    """What the cluster offers, as far as a mode depends on it."""

    runtime_classes: Mapping[str, RuntimeClassFacts] = field(default_factory=dict)
    nodes: Mapping[str, NodeFacts] = field(default_factory=dict)


def child(
    api_version: str,
    identity: Identity,
    owner: Owner,
    *,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    owned: bool = True,
) -> Manifest:
    """apiVersion, kind and metadata of a child.

    An owner reference cannot refer to another namespace; there, labels identify the owner.

    Args:
        api_version: such as `v1`.
        identity: of the child.
        owner: the NestedDocker.
        labels: further labels.
        annotations: further annotations.
        owned: False keeps the child when its NestedDocker is deleted.
    """
    same_namespace = identity.namespace == owner.namespace
    ownership = names.common_labels(owner.name, owner.uid) | (
        {} if same_namespace else {names.LABEL_NAMESPACE: owner.namespace}
    )
    metadata: Manifest = {"name": identity.name, "namespace": identity.namespace, "labels": (labels or {}) | ownership}
    if annotations:
        metadata["annotations"] = annotations
    if owned and same_namespace:
        metadata["ownerReferences"] = [owner.reference()]
    return {"apiVersion": api_version, "kind": identity.kind, "metadata": metadata}
