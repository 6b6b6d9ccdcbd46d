"""What the planner looks at: one NestedDocker, its children, and what governs it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from functools import cached_property
from typing import Any

from nested_docker.api.v1alpha1 import NestedDockerClassSpec, NestedDockerPolicySpec, NestedDockerStatus
from nested_docker.api.v1alpha1.nested_docker import EngineStatus
from nested_docker.domain import names
from nested_docker.domain.manifests import secrets
from nested_docker.domain.modes.base import ClusterFacts
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import Identity, Manifest, Owner
from nested_docker.domain.status.conditions import parse_timestamp
from nested_docker.domain.status.reasons import Reason

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
class ProbeResult:
    """A daemon that has answered over TLS."""

    pod_uid: str
    restarts: int
    engine: EngineStatus

    def mark(self) -> str:
        """The contact in the form of an annotation."""
        return f"{self.pod_uid}/{self.restarts}"


@dataclass(frozen=True)
class ApiRejection:
    """What the API server said to the last write, where repeating it as it is cannot help."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class NamespaceFacts:
    """What is known of a namespace that exists."""

    labels: Mapping[str, str] = field(default_factory=dict)
    terminating: bool = False


class Ownership(Enum):
    """Whose an observed object is."""

    OURS = "ours"
    PREVIOUS = "a deleted NestedDocker's of that name"
    FOREIGN = "someone else's"


@dataclass(frozen=True)
class Observed:
    """A snapshot of everything that a plan depends on.

    Attributes:
        deleted: whether somebody has deleted the NestedDocker, which stays as long as it has finalizers.
        namespace_labels: of the NestedDocker's namespace.
        pod_namespaces: those that exist of the namespaces in which classes have their pods.
        children: what bears the NestedDocker's marks, wherever it is and whoever's it is.
    """

    owner: Owner
    spec: Mapping[str, Any]
    created: datetime
    generation: int = 1
    annotations: Mapping[str, str] = field(default_factory=dict)
    finalizers: tuple[str, ...] = ()
    deleted: bool = False
    status: NestedDockerStatus = field(default_factory=NestedDockerStatus)
    namespace_labels: Mapping[str, str] = field(default_factory=dict)
    pod_namespaces: Mapping[str, NamespaceFacts] = field(default_factory=dict)
    classes: Mapping[str, NestedDockerClassSpec] = field(default_factory=dict)
    default_classes: tuple[str, ...] = ()
    policies: Mapping[str, NestedDockerPolicySpec] = field(default_factory=dict)
    cluster: ClusterFacts = field(default_factory=ClusterFacts)
    children: Mapping[Identity, Manifest] = field(default_factory=dict)
    issued: KeySet | None = None
    probe_result: ProbeResult | None = None
    api_rejection: ApiRejection | None = None
    diagnoses: Mapping[str, str] = field(default_factory=dict)

    def labels(self, namespace: str) -> Mapping[str, str]:
        """Labels of the NestedDocker's namespace, or of one with pods."""
        if namespace == self.owner.namespace:
            return self.namespace_labels
        return self.pod_namespaces.get(namespace, NamespaceFacts()).labels

    def ownership(self, manifest: Manifest) -> Ownership:
        """Whose an observed object is: by its controller, else by our labels.

        Nothing has a controller in another namespace, nor has a kept claim, nor what an orphaning deletion has left.
        There the labels must name the uid, because a NestedDocker's successor of the same name is another one. Only a
        claim is passed on to the successor.
        """
        if manifest["metadata"]["namespace"] != self.owner.namespace:
            return self._ownership_elsewhere(manifest["metadata"])
        for reference in manifest["metadata"].get("ownerReferences", []):
            if reference.get("controller"):
                if reference.get("uid") == self.owner.uid:
                    return Ownership.OURS
                same_name = reference.get("kind") == "NestedDocker" and reference.get("name") == self.owner.name
                return Ownership.PREVIOUS if same_name else Ownership.FOREIGN
        labels = manifest["metadata"].get("labels", {})
        if labels.get(names.MANAGED_BY) != names.OPERATOR or labels.get(names.LABEL_NAME) != self.owner.name:
            return Ownership.FOREIGN
        inherited = manifest["kind"] == "PersistentVolumeClaim"
        same = labels.get(names.LABEL_UID, self.owner.uid) == self.owner.uid
        return Ownership.OURS if same or inherited else Ownership.PREVIOUS

    def _ownership_elsewhere(self, metadata: Manifest) -> Ownership:
        controlled = any(reference.get("controller") for reference in metadata.get("ownerReferences", []))
        if controlled or not names.has_name_prefix(metadata["name"]):
            return Ownership.FOREIGN
        labels = metadata.get("labels", {})
        if labels.get(names.LABEL_UID) == self.owner.uid:
            return Ownership.OURS
        named = (labels.get(names.LABEL_NAMESPACE), labels.get(names.LABEL_NAME))
        return Ownership.PREVIOUS if named == (self.owner.namespace, self.owner.name) else Ownership.FOREIGN

    def ours(self) -> Iterator[tuple[Identity, Manifest]]:
        """Our own children."""
        return (
            (each, manifest) for each, manifest in self.children.items() if self.ownership(manifest) == Ownership.OURS
        )

    def locations(self) -> Iterator[ObjectNames]:
        """Where its daemon may be: where status says, at home, and where classes have their pods.

        Nowhere else, whatever labels say: who can write in some namespace can set our labels there, and must not
        slip a key set of his own to a NestedDocker of somebody else's.
        """
        return (
            ObjectNames(self.owner, name)
            for name in dict.fromkeys((self.status.pod_namespace, "", *self.pod_namespaces))
        )

    @property
    def class_name(self) -> str:
        """The class in question: the spec's, else the one pinned at acceptance, else the only default; empty: none."""
        default = self.default_classes[0] if len(self.default_classes) == 1 else ""
        return self.spec.get("className") or self.status.class_name or default

    def possible_pod_namespaces(self) -> list[str]:
        """Namespaces, its own aside, in which it may have something that nobody has seen yet, and that are to stay."""
        class_spec = self.classes.get(self.class_name)
        names_of_both = {self.status.pod_namespace, class_spec.pod_namespace if class_spec else None}
        return sorted(
            name for name, facts in self.pod_namespaces.items() if name in names_of_both and not facts.terminating
        )

    @property
    def location(self) -> ObjectNames | None:
        """Where the daemon is: where its key set is; None: nowhere, so that the next one may be anywhere.

        Its class may want it elsewhere by now. Like everything that a class wants, that waits for the next pod.
        """
        return self._kept[0] if self._kept else None

    def key_set(self) -> KeySet | None:
        """The key set in force; None: there is none, or somebody has edited it."""
        return self.issued or (self._kept[1] if self._kept else None)

    @cached_property
    def _kept(self) -> tuple[ObjectNames, KeySet] | None:
        found = ((location, self._key_set_at(location)) for location in self.locations())
        return next(((location, key_set) for location, key_set in found if key_set is not None), None)

    def _key_set_at(self, location: ObjectNames) -> KeySet | None:
        secret = self.children.get(location.tls_secret)
        if secret is None or self.ownership(secret) != Ownership.OURS:
            return None
        annotations = secret["metadata"].get("annotations", {})
        not_after = annotations.get(names.ANNOTATION_NOT_AFTER)
        if not_after is None:
            return None
        key_set = KeySet(secret.get(DATA_DIGESTS, {}), parse_timestamp(not_after))
        return key_set if key_set.id == annotations.get(names.ANNOTATION_DATA_DIGEST) else None
