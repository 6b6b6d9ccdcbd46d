"""Children: from what is wanted and what there is to the writes that close the gap."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nested_docker.domain import names
from nested_docker.domain.manifests.secrets import SecretManifest
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import Identity, Manifest
from nested_docker.domain.observed import DATA_DIGESTS, Observed, Ownership
from nested_docker.domain.planning import node_cleanup as cleanup
from nested_docker.domain.planning.drift import first_difference

Desired = Manifest | SecretManifest


@dataclass(frozen=True)
class Create:
    """Make an object that is not there. If it is there after all, it is somebody else's until looked at."""

    desired: Desired


@dataclass(frozen=True)
class Apply:
    """Put back what differs, server-side; `difference` is the path of the first one."""

    desired: Desired
    difference: str


@dataclass(frozen=True)
class Delete:
    """Remove exactly this object: another one of the same name is left alone."""

    identity: Identity
    uid: str


@dataclass(frozen=True)
class AddFinalizer:
    """Have the NestedDocker stay, whatever happens to it, until what it has elsewhere is gone.

    Attributes:
        finalizers: all that it has then.
    """

    finalizers: tuple[str, ...]


@dataclass(frozen=True)
class RemoveFinalizer:
    """Let the NestedDocker go, if nothing of it is to be found elsewhere.

    Attributes:
        finalizers: all that it has then.
        namespaces: where to look before: a write whose answer was lost has left what nobody knows of.
    """

    finalizers: tuple[str, ...]
    namespaces: tuple[str, ...]


Action = Create | Apply | Delete | AddFinalizer | RemoveFinalizer
Stage = tuple[Action, ...]


@dataclass(frozen=True)
class Conflict:
    """A name that we need and that is taken."""

    identity: Identity
    ownership: Ownership


class ChildDiff:
    """The children of one NestedDocker, and what stands in the way of having them."""

    def __init__(self, observed: Observed) -> None:
        self._observed = observed
        self._home = ObjectNames(observed.owner)

    def conflict(self, needed: Iterable[Identity]) -> Conflict | None:
        """The first of these names that is known to be another's."""
        for identity in needed:
            existing = self._observed.children.get(identity)
            if existing is not None and self._observed.ownership(existing) != Ownership.OURS:
                return Conflict(identity, self._observed.ownership(existing))
        return None

    def ensure(self, *wanted: Desired | None) -> Stage:
        """Writes after which each of these is there as wanted; None is nothing wanted."""
        return tuple(action for desired in wanted if desired is not None for action in self._ensure_one(desired))

    def remove(self, *identities: Identity) -> Stage:
        """Deletions of our own objects of those names, where they are and are not going already."""
        present = dict(self._present())
        return tuple(self._delete(present[identity]) for identity in identities if identity in present)

    def remove_pods(self, *, but: Identity | None = None) -> Stage:
        """Deletions of our pods, wherever they are, except that one and those that are going already."""
        return self.remove(*(each for each, _ in self._present() if each.kind == "Pod" and each != but))

    def withdraw(self) -> Stage:
        """Take the files Secret away, so that new clients wait."""
        return self.remove(self._home.files_secret)

    def teardown(self, *, keep_pods: bool = False) -> tuple[Stage, ...]:
        """Remove everything but claims: first what clients wait for, last the key set that names the pod."""
        home = self._home
        return nonempty(
            self.withdraw(),
            self.remove(home.env_secret, home.service, home.network_policy)
            + self.remove(*self._elsewhere("Service", "NetworkPolicy"))
            + (() if keep_pods else self.remove_pods()),
            () if keep_pods else self.remove(home.tls_secret, *self._elsewhere("Secret")),
        )

    def leave_others(self, object_names: ObjectNames) -> Stage:
        """Deletions of what is in other places than this one, pods aside."""
        at_home = self._home.pod_objects if object_names.remote else ()
        elsewhere = self._elsewhere("Service", "NetworkPolicy", "Secret")
        return self.remove(*at_home, *(each for each in elsewhere if each.namespace != object_names.namespace))

    # --- what no owner reference takes along --------------------------------------------------

    def add_finalizer(self) -> Stage:
        """The finalizer, before anything is made where only it makes sure of its end."""
        finalizers = self._observed.finalizers
        if names.FINALIZER in finalizers:
            return ()
        return (AddFinalizer((*finalizers, names.FINALIZER)),)

    def remove_finalizer(self) -> Stage:
        """The end of the finalizer, if no node has anything left of it."""
        finalizers = self._observed.finalizers
        if names.FINALIZER not in finalizers or self.pods_needing_cleanup:
            return ()
        kept = tuple(finalizer for finalizer in finalizers if finalizer != names.FINALIZER)
        return (RemoveFinalizer(kept, tuple(self._observed.possible_pod_namespaces())),)

    @property
    def pods_needing_cleanup(self) -> list[tuple[Identity, Manifest]]:
        """Pods, going or not, whose nodes may have something left of the NestedDocker."""
        return cleanup.pods_needing_cleanup(self._observed.ours())

    def finalize(self) -> tuple[Stage, ...]:
        """Remove what is elsewhere or owes, and let the NestedDocker go; the rest is the garbage collector's."""
        elsewhere = self._elsewhere("Pod", "Service", "NetworkPolicy", "Secret")
        return nonempty(
            self.remove(*dict.fromkeys((*elsewhere, *(each for each, _ in self.pods_needing_cleanup)))),
            self.remove_finalizer(),
        )

    def _elsewhere(self, *kinds: str) -> tuple[Identity, ...]:
        return tuple(
            each for each, _ in self._present() if each.kind in kinds and each.namespace != self._home.namespace
        )

    def _present(self) -> Iterable[tuple[Identity, Manifest]]:
        """What is ours, and is not going already."""
        return ((each, found) for each, found in self._observed.ours() if "deletionTimestamp" not in found["metadata"])

    def _ensure_one(self, desired: Desired) -> Iterable[Action]:
        manifest = desired.manifest if isinstance(desired, SecretManifest) else desired
        identity = Identity.of(manifest)
        existing = self._observed.children.get(identity)
        if existing is None:
            return [Create(desired)]
        if identity.kind == "Pod":
            desired = manifest = ownership_metadata(manifest)
        elif identity.kind == "PersistentVolumeClaim":  # grown or bound by others, and kept whatever it is
            return []
        difference = first_difference(_without_name(manifest), existing)
        if not difference and isinstance(desired, SecretManifest):
            difference = self._data_difference(desired, existing)
        return [Apply(desired, difference)] if difference else []

    def _data_difference(self, desired: SecretManifest, existing: Manifest) -> str:
        key_set = self._observed.key_set()
        wanted = desired.digests(dict(key_set.digests) if key_set else {})
        return first_difference(wanted, existing.get(DATA_DIGESTS, {}), "data")

    @staticmethod
    def _delete(manifest: Manifest) -> Delete:
        return Delete(Identity.of(manifest), str(manifest["metadata"].get("uid", "")))


def ownership_metadata(manifest: Manifest) -> Manifest:
    """What makes a pod ours: all that is ever put back on a running one, which else changes by replacement only."""
    metadata = manifest["metadata"]
    marks = ("name", "namespace", "ownerReferences", "finalizers")
    kept = {key: metadata[key] for key in marks if key in metadata}
    labels = {key: value for key, value in metadata["labels"].items() if key in names.OWN_LABELS}
    return {"apiVersion": manifest["apiVersion"], "kind": "Pod", "metadata": kept | {"labels": labels}}


def _without_name(manifest: Manifest) -> Manifest:
    """What drift is looked for in: everything but the identity."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key not in {"name", "namespace"}}
    return {key: value for key, value in manifest.items() if key != "apiVersion"} | {"metadata": metadata}


def nonempty(*stages: Stage) -> tuple[Stage, ...]:
    """The stages in which there is anything to do."""
    return tuple(stage for stage in stages if stage)
