"""What the planner looks at: one NestedDocker, its children, and what governs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from nested_docker.api.v1alpha1 import NestedDockerClassSpec, NestedDockerPolicySpec, NestedDockerStatus
from nested_docker.api.v1alpha1.nested_docker import EngineStatus
from nested_docker.domain import names
from nested_docker.domain.conditions import parse_timestamp
from nested_docker.domain.manifests import secrets
from nested_docker.domain.manifests.base import Identity, Manifest, Owner
from nested_docker.domain.modes.base import ClusterFacts
from nested_docker.domain.reasons import Reason

DATA_DIGESTS = "dataDigests"
"""Where an observed Secret has the digests of its data; the data itself is never kept."""


@dataclass(frozen=True)
class KeySet:
    """A key set by its digests: what the planner needs to know of it."""

    digests: Mapping[str, str]
    not_after: datetime

    @property
    def id(self) -> str:
        """Its name, and so the name of the pod that serves with it."""
        return secrets.key_set_id(dict(self.digests))


@dataclass(frozen=True)
class Contact:
    """A daemon that has answered over TLS."""

    pod_uid: str
    restarts: int
    engine: EngineStatus

    def mark(self) -> str:
        """The contact in the form of an annotation."""
        return f"{self.pod_uid}/{self.restarts}"


@dataclass(frozen=True)
class Refusal:
    """What the API server said to the last write, where repeating it as it is cannot help."""

    reason: Reason
    message: str


class Ownership(Enum):
    """Whose an observed object is."""

    OURS = "ours"
    PREVIOUS = "a deleted NestedDocker's of that name"
    FOREIGN = "someone else's"


@dataclass(frozen=True)
class Observed:
    """A snapshot of everything that a plan depends on."""

    owner: Owner
    spec: Mapping[str, Any]
    created: datetime
    generation: int = 1
    annotations: Mapping[str, str] = field(default_factory=dict)
    status: NestedDockerStatus = field(default_factory=NestedDockerStatus)
    namespace_labels: Mapping[str, str] = field(default_factory=dict)
    classes: Mapping[str, NestedDockerClassSpec] = field(default_factory=dict)
    default_classes: tuple[str, ...] = ()
    policies: Mapping[str, NestedDockerPolicySpec] = field(default_factory=dict)
    cluster: ClusterFacts = field(default_factory=ClusterFacts)
    children: Mapping[Identity, Manifest] = field(default_factory=dict)
    issued: KeySet | None = None
    contact: Contact | None = None
    refusal: Refusal | None = None
    diagnoses: Mapping[str, str] = field(default_factory=dict)

    def child(self, kind: str, name: str) -> Manifest | None:
        """An observed child, whoever's it is."""
        return self.children.get(Identity(kind, name))

    def ownership(self, manifest: Manifest) -> Ownership:
        """Whose an observed object is: by its controller, else by our labels (a kept claim has no controller)."""
        for reference in manifest["metadata"].get("ownerReferences", []):
            if reference.get("controller"):
                if reference.get("uid") == self.owner.uid:
                    return Ownership.OURS
                same_name = reference.get("kind") == "NestedDocker" and reference.get("name") == self.owner.name
                return Ownership.PREVIOUS if same_name else Ownership.FOREIGN
        labels = manifest["metadata"].get("labels", {})
        labelled = labels.get(names.MANAGED_BY) == names.OPERATOR and labels.get(names.LABEL_NAME) == self.owner.name
        return Ownership.OURS if labelled else Ownership.FOREIGN

    def pods(self) -> Iterator[Manifest]:
        """Our own pods, the current one and those being replaced."""
        for identity, manifest in self.children.items():
            if identity.kind == "Pod" and self.ownership(manifest) == Ownership.OURS:
                yield manifest

    def key_set(self) -> KeySet | None:
        """The key set in force; None: there is none, or somebody has edited it."""
        if self.issued is not None:
            return self.issued
        secret = self.child("Secret", names.tls_secret(self.owner.name))
        if secret is None or self.ownership(secret) != Ownership.OURS:
            return None
        annotations = secret["metadata"].get("annotations", {})
        not_after = annotations.get(names.ANNOTATION_NOT_AFTER)
        if not_after is None:
            return None
        key_set = KeySet(secret.get(DATA_DIGESTS, {}), parse_timestamp(not_after))
        return key_set if key_set.id == annotations.get(names.ANNOTATION_DATA_DIGEST) else None
