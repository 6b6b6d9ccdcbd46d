"""What every child has in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nested_docker.api.v1alpha1 import API_VERSION
from nested_docker.domain import names

Manifest = dict[str, Any]


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
    """Which object is meant within a NestedDocker's namespace."""

    kind: str
    name: str

    @classmethod
    def of(cls, manifest: Manifest) -> Identity:
        """The identity of a manifest or an observed object."""
        return cls(manifest["kind"], manifest["metadata"]["name"])


def child(
    api_version: str,
    kind: str,
    name: str,
    owner: Owner,
    *,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    owned: bool = True,
) -> Manifest:
    """The head of a child; `owned=False` leaves it behind when its NestedDocker is deleted."""
    metadata: Manifest = {
        "name": name,
        "namespace": owner.namespace,
        "labels": (labels or {}) | names.common_labels(owner.name, owner.uid),
    }
    if annotations:
        metadata["annotations"] = annotations
    if owned:
        metadata["ownerReferences"] = [owner.reference()]
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}
