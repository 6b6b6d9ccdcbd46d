"""Children: from what is wanted and what there is to the writes that close the gap."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nested_docker.domain import names
from nested_docker.domain.drift import first_difference
from nested_docker.domain.manifests.base import Identity, Manifest
from nested_docker.domain.manifests.secrets import SecretManifest
from nested_docker.domain.observed import DATA_DIGESTS, Observed, Ownership

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


Action = Create | Apply | Delete
Stage = tuple[Action, ...]


@dataclass(frozen=True)
class Conflict:
    """A name that we need and that is taken."""

    identity: Identity
    ownership: Ownership


class Children:
    """The children of one NestedDocker, and what stands in the way of having them."""

    def __init__(self, observed: Observed) -> None:
        self._observed = observed

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

    def remove(self, kind: str, *child_names: str) -> Stage:
        """Deletions of our own objects of those names, where they are and are not going already."""
        found = (self._observed.child(kind, name) for name in child_names)
        return tuple(
            self._delete(manifest)
            for manifest in found
            if manifest is not None
            and self._observed.ownership(manifest) == Ownership.OURS
            and "deletionTimestamp" not in manifest["metadata"]
        )

    def remove_pods(self, *, but: str = "") -> Stage:
        """Deletions of our pods, except the one of that name and those that are going already."""
        return tuple(
            self._delete(pod)
            for pod in self._observed.pods()
            if pod["metadata"]["name"] != but and "deletionTimestamp" not in pod["metadata"]
        )

    def withdraw(self) -> Stage:
        """Take the files Secret away, so that new clients wait."""
        return self.remove("Secret", names.files_secret(self._observed.owner.name))

    def teardown(self, *, keep_pods: bool = False) -> tuple[Stage, ...]:
        """Remove everything but claims: first what clients wait for, last the key set that names the pod."""
        name = self._observed.owner.name
        stages: tuple[Stage, ...] = (
            self.withdraw(),
            self.remove("Secret", names.env_secret(name))
            + self.remove("Service", name)
            + self.remove("NetworkPolicy", name)
            + (() if keep_pods else self.remove_pods()),
            () if keep_pods else self.remove("Secret", names.tls_secret(name)),
        )
        return tuple(stage for stage in stages if stage)

    def _ensure_one(self, desired: Desired) -> Iterable[Action]:
        manifest = desired.manifest if isinstance(desired, SecretManifest) else desired
        identity = Identity.of(manifest)
        existing = self._observed.children.get(identity)
        if existing is None:
            return [Create(desired)]
        if identity.kind == "Pod":
            desired = manifest = marks_of_a_pod(manifest)
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


def marks_of_a_pod(manifest: Manifest) -> Manifest:
    """What makes a pod ours: all that is ever put back on a running one, which else changes by replacement only."""
    metadata = manifest["metadata"]
    kept = {key: metadata[key] for key in ("name", "namespace", "ownerReferences")}
    labels = {key: value for key, value in metadata["labels"].items() if key in names.OWN_LABELS}
    return {"apiVersion": manifest["apiVersion"], "kind": "Pod", "metadata": kept | {"labels": labels}}


def _without_name(manifest: Manifest) -> Manifest:
    """What drift is looked for in: everything but the identity."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key not in {"name", "namespace"}}
    return {key: value for key, value in manifest.items() if key != "apiVersion"} | {"metadata": metadata}
