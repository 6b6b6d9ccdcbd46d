"""The planner's input: one NestedDocker, its children, and its class and policies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from functools import cached_property
from typing import Any

from nested_docker.api.v1alpha1 import NestedDockerClassSpec, NestedDockerPolicySpec, NestedDockerStatus
from nested_docker.api.v1alpha1.nested_docker import AdmittedPod, Denial, EngineStatus
from nested_docker.domain import names
from nested_docker.domain.key_set import FailedRenewal, KeySet
from nested_docker.domain.kube_types import ObjectMeta
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import ClusterFacts, Identity, Manifest, Owner, controller_of
from nested_docker.domain.registry_credentials import RegistryCredentials
from nested_docker.domain.shown import shorten
from nested_docker.domain.status.conditions import parse_timestamp
from nested_docker.domain.status.reasons import Reason, Type

RESTART_LENGTH = 128
"""Characters of the restart annotation that the status repeats: with the ellipsis, as many as it may have."""

LONGEST_REVISION = 10
"""Digits of a revision; a longer one is not the operator's."""

DATA_DIGESTS = "dataDigests"
"""Key of an observed Secret with the digests of its data; the data itself is never kept."""


@dataclass(frozen=True)
class ProbeResult:
    """A daemon that has answered over TLS.

    Attributes:
        pod_uid: its pod.
        restarts: restarts of its container.
        engine: what it said of itself.
        time: when, but not before the pod became ready by the node's clock; `metav1.Time`.
    """

    pod_uid: str
    restarts: int
    engine: EngineStatus
    time: str

    def mark(self) -> str:
        """The value of the annotation by which the files Secret remembers the answer."""
        return f"{self.pod_uid}/{self.restarts}/{self.time}"


class ProbeError(Enum):
    """Kinds of failed attempts to reach a daemon."""

    SILENCE = "silence"
    """Nobody accepts the connection, and nobody refuses it."""
    NO_ANSWER = "no answer"
    """Somebody accepts the connection, and says nothing, or too little."""
    REFUSED = "refused"
    NO_ROUTE = "no route"
    CLOSED = "closed"
    NO_TLS = "no TLS"
    CERTIFICATE = "certificate"
    """The operator does not accept the certificate of who answers."""
    REJECTED = "rejected"
    """The daemon, or who answers instead of it, does not accept the operator's."""
    OTHER = "other"


@dataclass(frozen=True)
class ProbeFailure:
    """A daemon that has not answered for a while.

    Attributes:
        pod_uid: its pod.
        restarts: restarts of its container.
        kind: of the last error.
        error: message of the last error.
        seconds: how long the operator had tried when it began to report that.
    """

    pod_uid: str
    restarts: int
    kind: ProbeError
    error: str
    seconds: float


@dataclass(frozen=True)
class ApiRejection:
    """Why an object cannot be written now: the API server's answer, or who has its name."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Correction:
    """Corrections of one object in a row, each to the same desired state.

    Attributes:
        desired: digest of the desired state.
        count: how many.
        last: time of the latest.
    """

    desired: str
    count: int
    last: datetime


@dataclass(frozen=True)
class NamespaceFacts:
    """What is known of an existing namespace."""

    labels: Mapping[str, str] = field(default_factory=dict)
    terminating: bool = False


class Ownership(Enum):
    """Who owns an observed object."""

    OURS = "ours"
    PREVIOUS = "previous"
    """It belongs to a deleted NestedDocker of the same name."""
    FOREIGN = "foreign"
    """It belongs to nobody that the operator knows."""


@dataclass(frozen=True)
class Observed:
    """A snapshot of everything that a plan depends on.

    Attributes:
        deleted: whether the NestedDocker is being deleted; it exists as long as it has finalizers.
        namespace_labels: labels of the NestedDocker's namespace.
        pod_namespaces: the existing ones of the classes' pod namespaces.
        children: objects with the NestedDocker's labels or names, in any namespace and of any owner.
        rejections: writes of this pass that the API server has rejected, by object.
        corrections: what the operator has corrected lately, in this process.
        made: what the operator has created since clients could connect last, in this process.
        admitted: the API server's answer to the creation of a pod, until the status has it.
        departed: the latest pod that has gone, as it was when it went; None: none, or nobody saw it.
        issued: a key set that this pass has made, or renewed, and not written yet.
        failed_renewal: the latest renewal of pairs that did not succeed; None: none is known.
        probe_failure: what keeps the probe of the daemon from success; None: nothing, or not for long.
        failed_request: what is wrong with a request that failed in this pass and is repeated later; empty: none. The
            plan is then made only for its status.
        governing_unread: whether that request was to read what governs the NestedDocker, so that nothing is denied.
        denial: the latest denial of what runs, until the status has it.
        claim_users: pods that mount the claim of the data-root and have not ended; None: nobody has looked.
        registry_credentials: those for clients; None: the NestedDocker names none.
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
    failed_renewal: FailedRenewal | None = None
    probe_result: ProbeResult | None = None
    rejections: Mapping[Identity, ApiRejection] = field(default_factory=dict)
    diagnoses: Mapping[str, str] = field(default_factory=dict)
    corrections: Mapping[Identity, Correction] = field(default_factory=dict)
    made: frozenset[Identity] = frozenset()
    admitted: AdmittedPod | None = None
    departed: Manifest | None = None
    probe_failure: ProbeFailure | None = None
    failed_request: str = ""
    governing_unread: bool = False
    denial: Denial | None = None
    claim_users: tuple[str, ...] | None = None
    cleanup_failure: str = ""
    registry_credentials: RegistryCredentials | None = None

    @property
    def restart(self) -> str:
        """The restart annotation as the status has it; empty: there is none."""
        return shorten(self.annotations.get(names.ANNOTATION_RESTART, ""), RESTART_LENGTH)

    def labels(self, namespace: str) -> Mapping[str, str]:
        """Labels of the NestedDocker's namespace, or of one with pods."""
        if namespace == self.owner.namespace:
            return self.namespace_labels
        return self.pod_namespaces.get(namespace, NamespaceFacts()).labels

    def ownership(self, manifest: Manifest) -> Ownership:
        """Whose an observed object is: by its controller, else by our labels.

        In another namespace only a pod has a controller, its key set's Secret. A kept claim has none, nor has what an
        orphaning deletion has left. There the labels must name the uid, because a NestedDocker's successor of the same
        name is another one. Only a claim is passed on to the successor.
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

    def _ownership_elsewhere(self, metadata: ObjectMeta) -> Ownership:
        if controller_of(metadata) is not None or not names.has_name_prefix(metadata["name"]):
            return Ownership.FOREIGN
        labels = metadata.get("labels", {})
        if labels.get(names.LABEL_UID) == self.owner.uid:
            return Ownership.OURS
        named = (labels.get(names.LABEL_NAMESPACE), labels.get(names.LABEL_NAME))
        return Ownership.PREVIOUS if named == (self.owner.namespace, self.owner.name) else Ownership.FOREIGN

    def ours(self) -> Iterator[tuple[Identity, Manifest]]:
        """The children that this NestedDocker owns."""
        return (
            (each, manifest) for each, manifest in self.children.items() if self.ownership(manifest) == Ownership.OURS
        )

    def locations(self) -> Iterator[ObjectNames]:
        """Where its daemon can be: in the namespace that status names, in its own, and in the classes' pod namespaces.

        Labels alone do not count: a user who can write in some other namespace can set our labels there, and must
        not be able to give a key set to another user's NestedDocker.
        """
        return (
            ObjectNames(self.owner, name)
            for name in dict.fromkeys((self.status.pod_namespace, "", *self.pod_namespaces))
        )

    @property
    def class_name(self) -> str:
        """The class: the spec's, otherwise the one chosen at acceptance, otherwise the only default; empty: none."""
        default = self.default_classes[0] if len(self.default_classes) == 1 else ""
        return self.spec.get("className") or self.status.class_name or default

    def possible_pod_namespaces(self) -> list[str]:
        """Other namespaces in which it may have objects that are not in the cache yet, except terminating ones."""
        class_spec = self.classes.get(self.class_name)
        names_of_both = {self.status.pod_namespace, class_spec.pod_namespace if class_spec else None}
        return sorted(
            name for name, facts in self.pod_namespaces.items() if name in names_of_both and not facts.terminating
        )

    @property
    def location(self) -> ObjectNames | None:
        """Where the daemon is: where its key set is; None: nowhere, so the class decides where the next one is.

        If the class has another pod namespace by now, that applies to the next pod, like every change of a class.
        """
        return self._kept[0] if self._kept else None

    @property
    def current_pod(self) -> Manifest | None:
        """The pod that serves with the stored key set, terminating or not; None: there is none."""
        if self._kept is None:
            return None
        location, key_set = self._kept
        pod = self.children.get(location.pod(key_set.id))
        return pod if pod is not None and self.ownership(pod) == Ownership.OURS else None

    @property
    def latest_denial(self) -> Denial | None:
        """The latest denial of what runs, past or present."""
        return self.denial or self.status.denial

    @property
    def was_accepted(self) -> bool:
        """Whether this spec was accepted, be it denied now and in its grace time."""
        unchanged = self.generation == self.status.observed_generation
        in_grace = self.latest_denial is not None and self.latest_denial.until is None
        return unchanged and (self.status.holds(Type.ACCEPTED) or in_grace)

    def key_set(self) -> KeySet | None:
        """The current key set; None: there is none, or it has been edited."""
        if self.issued is not None:
            if self.issued.revision:
                return self.issued
            return replace(self.issued, revision=1 + max((_revision(each) for _, each in self.ours()), default=0))
        return self._kept[1] if self._kept else None

    @property
    def rivals(self) -> list[str]:
        """Names of Secrets with key sets of the same number as the one in force: only another operator makes them."""
        if self._kept is None:
            return []
        location, key_set = self._kept
        mine = location.tls_secret(key_set.id)
        return sorted(
            each.name
            for each, secret in self.ours()
            if each != mine and location.may_hold_key_set(each) and _revision(secret) == key_set.revision
        )

    @cached_property
    def _kept(self) -> tuple[ObjectNames, KeySet] | None:
        found = ((location, self._key_set_at(location)) for location in self.locations())
        return next(((location, key_set) for location, key_set in found if key_set is not None), None)

    def _key_set_at(self, location: ObjectNames) -> KeySet | None:
        """The latest key set in a namespace. An earlier one is never in force again, whatever becomes of the latest.

        Two operators at once may have made one each with the same number. Then the name decides, for both.
        """
        stored = [secret for each, secret in self.ours() if location.may_hold_key_set(each)]
        latest = max(stored, key=lambda secret: (_revision(secret), secret["metadata"]["name"]), default=None)
        if latest is None or "deletionTimestamp" in latest["metadata"]:
            return None
        key_set = _key_set_in(latest)
        named = key_set is not None and Identity.of(latest) == location.tls_secret(key_set.id)
        return key_set if named else None


def _key_set_in(secret: Manifest) -> KeySet | None:
    """The key set that a Secret holds; None: it is damaged."""
    annotations: Mapping[str, str] = secret["metadata"].get("annotations", {})
    ends = (annotations.get(names.ANNOTATION_NOT_AFTER), annotations.get(names.ANNOTATION_SERVER_NOT_AFTER))
    if ends[0] is None or ends[1] is None:
        return None
    key_set = KeySet(
        digests=secret.get(DATA_DIGESTS, {}),
        not_after=parse_timestamp(ends[0]),
        server_not_after=parse_timestamp(ends[1]),
        revision=_revision(secret),
        rotation=annotations.get(names.ANNOTATION_ROTATE_AUTHORITY, ""),
    )
    stored = (annotations.get(names.ANNOTATION_DATA_DIGEST), annotations.get(names.ANNOTATION_PAIRS_DIGEST))
    return key_set if (key_set.id, key_set.pairs) == stored else None


def _revision(obj: Manifest) -> int:
    """The revision of a Secret with a key set; 0: it has none."""
    text = obj["metadata"].get("annotations", {}).get(names.ANNOTATION_REVISION, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < LONGEST_REVISION else 0
