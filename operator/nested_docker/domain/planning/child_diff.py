"""The child diff: the writes between the observed and the desired objects of a NestedDocker."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from nested_docker.domain import names
from nested_docker.domain.manifests.secrets import SecretManifest
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import Identity, Manifest
from nested_docker.domain.observed import DATA_DIGESTS, Observed, Ownership
from nested_docker.domain.planning import node_cleanup as cleanup
from nested_docker.domain.planning.drift import first_difference
from nested_docker.domain.planning.pod_state import PodState

Desired = Manifest | SecretManifest

AROUND_POD = ("Service", "NetworkPolicy", "PodDisruptionBudget")
"""Kinds of the objects that select the pod by its labels."""


@dataclass(frozen=True)
class Create:
    """Create an object that is not in the cache. If it exists, it counts as foreign until its owner is known."""

    desired: Desired


@dataclass(frozen=True)
class Apply:
    """Correct an object by server-side apply; `difference` is the path of the first difference."""

    desired: Desired
    difference: str


@dataclass(frozen=True)
class Delete:
    """Delete exactly this object, and no other one of the same name."""

    identity: Identity
    uid: str


@dataclass(frozen=True)
class AddFinalizer:
    """Add the finalizer, before anything is created that no owner reference covers.

    Attributes:
        finalizers: the complete new list.
    """

    finalizers: tuple[str, ...]


@dataclass(frozen=True)
class RemoveFinalizer:
    """Remove the finalizer, if the NestedDocker has nothing in other namespaces any more.

    Attributes:
        finalizers: the complete new list.
        namespaces: namespaces to list first: a write whose answer was lost may have left an object there.
    """

    finalizers: tuple[str, ...]
    namespaces: tuple[str, ...]


Action = Create | Apply | Delete | AddFinalizer | RemoveFinalizer
Stage = tuple[Action, ...]


@dataclass(frozen=True)
class Conflict:
    """A name that the NestedDocker needs and that is taken."""

    identity: Identity
    ownership: Ownership


def action_identity(action: Create | Apply) -> Identity:
    """The object that a write creates or corrects."""
    desired = action.desired
    return Identity.of(desired.manifest if isinstance(desired, SecretManifest) else desired)


def describe_conflict(identity: Identity) -> str:
    """The message about a name that somebody else's object has."""
    return (
        f"{identity.kind} {identity.name} exists and is not managed by this NestedDocker: delete or rename it, or give "
        "the NestedDocker another name. If the operator created it, an admission plugin of the cluster changed its "
        "labels or its owner: exempt it from that plugin first"
    )


class ChildDiff:
    """The writes for one NestedDocker, and the conflicts that block them."""

    def __init__(self, observed: Observed) -> None:
        self._observed = observed
        self._home = ObjectNames(observed.owner)

    def conflicts(self, needed: Iterable[Identity]) -> list[Conflict]:
        """Those of these names that belong to somebody else."""
        found = ((identity, self._observed.children.get(identity)) for identity in needed)
        owners = (
            (identity, self._observed.ownership(existing)) for identity, existing in found if existing is not None
        )
        return [Conflict(identity, ownership) for identity, ownership in owners if ownership != Ownership.OURS]

    def ensure(self, *wanted: Desired | None) -> Stage:
        """Writes that create or correct these objects; None entries are ignored."""
        return tuple(action for desired in wanted if desired is not None for action in self._ensure_one(desired))

    def remove(self, *identities: Identity) -> Stage:
        """Deletions of our objects of these names, unless they terminate already."""
        present = dict(self._present())
        return tuple(self._delete(present[identity]) for identity in identities if identity in present)

    def remove_pods(self, *, but: Identity) -> Stage:
        """Deletions of our pods in every namespace, except this one and those that terminate already."""
        return self.remove(*(each for each, _ in self._present() if each.kind == "Pod" and each != but))

    def remove_key_sets(self, *, but: Identity | None = None) -> Stage:
        """Deletions of our Secrets with key sets in every namespace, except this one."""
        for_clients = {self._home.files_secret, self._home.env_secret}
        secrets = (each for each, _ in self._present() if each.kind == "Secret" and each not in for_clients)
        return self.remove(*(each for each in secrets if each != but))

    def withdraw(self) -> Stage:
        """Delete the files Secret, so that new clients wait."""
        return self.remove(self._home.files_secret)

    def teardown(self, *, keep: Collection[Identity] = ()) -> tuple[Stage, ...]:
        """Delete everything but claims: the files Secret first, the key set that names the pod last.

        Args:
            keep: pods that stay; the key set stays with them.
        """
        home = self._home
        pods = (each for each, _ in self._present() if each.kind == "Pod" and each not in keep)
        return nonempty(
            self.withdraw(),
            self.remove(home.env_secret, home.service, home.network_policy, home.disruption_budget)
            + self.remove(*self._elsewhere(*AROUND_POD))
            + self.remove(*pods),
            () if keep else self.remove_key_sets(),
        )

    def pods(self) -> dict[Identity, PodState]:
        """Our pods, terminating or not."""
        return {each: PodState(found) for each, found in self._observed.ours() if each.kind == "Pod"}

    def remove_others(self, object_names: ObjectNames) -> Stage:
        """Deletions of what is around a pod, in other namespaces than this one."""
        home = self._home
        at_home = (home.service, home.network_policy, home.disruption_budget) if object_names.remote else ()
        elsewhere = self._elsewhere(*AROUND_POD)
        return self.remove(*at_home, *(each for each in elsewhere if each.namespace != object_names.namespace))

    # --- what no owner reference covers -------------------------------------------------------

    def add_finalizer(self) -> Stage:
        """The write that adds the finalizer, if it is missing."""
        finalizers = self._observed.finalizers
        if names.FINALIZER in finalizers:
            return ()
        return (AddFinalizer((*finalizers, names.FINALIZER)),)

    def remove_finalizer(self) -> Stage:
        """The write that removes the finalizer, if no node needs cleanup."""
        finalizers = self._observed.finalizers
        if names.FINALIZER not in finalizers or self.pods_needing_cleanup:
            return ()
        kept = tuple(finalizer for finalizer in finalizers if finalizer != names.FINALIZER)
        return (RemoveFinalizer(kept, tuple(self._observed.possible_pod_namespaces())),)

    @property
    def pods_needing_cleanup(self) -> list[tuple[Identity, Manifest]]:
        """Pods, terminating or not, whose nodes may need cleanup."""
        return cleanup.pods_needing_cleanup(self._observed.ours())

    def finalize(self) -> tuple[Stage, ...]:
        """Delete what no owner reference covers, then remove the finalizer; the garbage collector does the rest.

        Another finalizer keeps the NestedDocker, and with it the garbage collector from its work, or even makes that
        orphan the children. Nothing may run on until then, so everything is deleted here.
        """
        if any(finalizer != names.FINALIZER for finalizer in self._observed.finalizers):
            return nonempty(*self.teardown(), self.remove_finalizer())
        elsewhere = self._elsewhere("Pod", *AROUND_POD, "Secret")
        return nonempty(
            self.remove(*dict.fromkeys((*elsewhere, *(each for each, _ in self.pods_needing_cleanup)))),
            self.remove_finalizer(),
        )

    def _elsewhere(self, *kinds: str) -> tuple[Identity, ...]:
        return tuple(
            each for each, _ in self._present() if each.kind in kinds and each.namespace != self._home.namespace
        )

    def _present(self) -> Iterable[tuple[Identity, Manifest]]:
        """Our objects that do not terminate yet."""
        return ((each, found) for each, found in self._observed.ours() if "deletionTimestamp" not in found["metadata"])

    def _ensure_one(self, desired: Desired) -> Iterable[Action]:
        manifest = desired.manifest if isinstance(desired, SecretManifest) else desired
        identity = Identity.of(manifest)
        existing = self._observed.children.get(identity)
        if existing is None:
            return [Create(desired)]
        if identity.kind == "Pod":
            desired = manifest = ownership_metadata(manifest)
        elif identity.kind == "PersistentVolumeClaim":  # others resize and bind it, and it is never replaced
            desired = manifest = _template_metadata(manifest)
        difference = self._data_difference(desired, existing) if isinstance(desired, SecretManifest) else ""
        difference = difference or first_difference(_compared(manifest), existing)
        return [Apply(desired, difference)] if difference else []

    def _data_difference(self, desired: SecretManifest, existing: Manifest) -> str:
        key_set = self._observed.key_set()
        wanted = desired.digests(dict(key_set.digests) if key_set else {})
        return first_difference(wanted, existing.get(DATA_DIGESTS, {}), "data")

    @staticmethod
    def _delete(manifest: Manifest) -> Delete:
        return Delete(Identity.of(manifest), str(manifest["metadata"].get("uid", "")))


def ownership_metadata(manifest: Manifest) -> Manifest:
    """The metadata that makes a pod ours: the only part that is corrected on a running pod."""
    metadata = manifest["metadata"]
    marks = ("name", "namespace", "ownerReferences", "finalizers")
    kept = {key: metadata[key] for key in marks if key in metadata}
    labels = {key: value for key, value in metadata["labels"].items() if key in names.OWN_LABELS}
    return {"apiVersion": manifest["apiVersion"], "kind": "Pod", "metadata": kept | {"labels": labels}}


def _template_metadata(manifest: Manifest) -> Manifest:
    """A claim's labels and annotations, without those that name its owner: a successor inherits the claim."""
    metadata = manifest["metadata"]
    labels = {key: value for key, value in metadata["labels"].items() if key not in names.OWN_LABELS}
    kept = {key: metadata[key] for key in ("name", "namespace", "annotations") if key in metadata}
    return {"apiVersion": manifest["apiVersion"], "kind": manifest["kind"], "metadata": kept | {"labels": labels}}


def _compared(manifest: Manifest) -> Manifest:
    """The part of a manifest that is compared: everything but the identity, and metadata last, as it matters least."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key not in {"name", "namespace"}}
    content = {key: value for key, value in manifest.items() if key not in {"apiVersion", "metadata"}}
    return content | {"metadata": metadata}


def nonempty(*stages: Stage) -> tuple[Stage, ...]:
    """The stages that have writes."""
    return tuple(stage for stage in stages if stage)
