"""Carries out a plan's writes, and puts the answers into the cache."""

from __future__ import annotations

import asyncio
import base64
import binascii

from nested_docker.controller.cache import Cache
from nested_docker.controller.finalizer import FinalizerWriter
from nested_docker.controller.outcome import Gone, Rejected, Stale, WriteOutcome, Written, outcome_of
from nested_docker.controller.session import KeyMaterial, Sessions
from nested_docker.domain import pki
from nested_docker.domain.manifests.secrets import SecretManifest, key_set_id, value_digest
from nested_docker.domain.objects import Identity, Manifest
from nested_docker.domain.observed import ApiRejection, Observed, Ownership
from nested_docker.domain.planning.child_diff import (
    Action,
    AddFinalizer,
    Apply,
    Create,
    Delete,
    RemoveFinalizer,
    Stage,
    describe_conflict,
    ownership_metadata,
)
from nested_docker.domain.ports import Kube, KubeError
from nested_docker.domain.status.reasons import Reason

RECREATED = frozenset({"Service", "NetworkPolicy"})
"""Kinds that hold no data, so that an object which no apply can correct is deleted and created again."""


class Executor:
    """Writes the objects of NestedDockers."""

    def __init__(self, kube: Kube, cache: Cache, sessions: Sessions) -> None:
        self._kube, self._cache, self._sessions = kube, cache, sessions
        self._finalizer = FinalizerWriter(kube, cache)

    async def keys(self, observed: Observed) -> KeyMaterial | Stale:
        """The key set in force, from memory or from its Secret; `Stale` if that holds another one.

        Raises:
            KubeError: the Secret cannot be read; try again later.
        """
        session = self._sessions.of((observed.owner.namespace, observed.owner.name))
        location, key_set = observed.location, observed.key_set()
        if session.keys is not None and key_set is not None and _id(session.keys) == key_set.id:
            return session.keys
        if location is None or key_set is None:
            return Stale("there is no key set")
        where = location.tls_secret
        secret = await self._kube.get("Secret", where.namespace, where.name)
        keys = _decoded(secret) if secret else {}
        if secret is None or _id(keys) != key_set.id:
            if secret is not None:
                self._cache.put(secret, "Secret")
            elif where in observed.children:
                self._cache.remove(observed.children[where], "Secret")
            return Stale(f"Secret {where.name} does not hold the key set {key_set.id}")
        session.keys = keys
        return keys

    async def run(self, observed: Observed, stages: tuple[Stage, ...]) -> WriteOutcome:
        """Carry out the stages one after the other, the writes of a stage at the same time.

        Returns:
            What the first stage with a failed write calls for; its other writes have been made, the later stages
            have not.

        Raises:
            KubeError: a write failed, and may succeed later.
        """
        for stage in stages:
            outcomes = await asyncio.gather(*(self._act(observed, action) for action in stage), return_exceptions=True)
            worst = max(outcomes, key=_urgency, default=Written())
            if isinstance(worst, BaseException):
                raise worst
            if not isinstance(worst, Written):
                return worst
        return Written()

    async def still_rejected(self, observed: Observed, stages: tuple[Stage, ...], identity: Identity) -> WriteOutcome:
        """Whether a write that was rejected before would be rejected again, asked by a dry run.

        An object that is not among the next writes, because it comes later, is looked up instead: its name was
        taken. The write of the NestedDocker itself has no dry run and is simply repeated.

        Raises:
            KubeError: the dry run failed, and may succeed later.
        """
        if identity.kind == "NestedDocker":
            return Written()
        for action in (action for stage in stages for action in stage):
            if isinstance(action, Create):
                manifest = await self._manifest(observed, action.desired)
                if isinstance(manifest, Stale):
                    return manifest
                if _same(Identity.of(manifest), identity):
                    return await self._dry_run(manifest, identity)
        existing = await self._kube.get(identity.kind, identity.namespace, identity.name)
        taken = existing is not None and observed.ownership(existing) != Ownership.OURS
        return _taken(identity) if taken else Written()

    async def _dry_run(self, manifest: Manifest, identity: Identity) -> WriteOutcome:
        try:
            await self._kube.create(manifest, dry_run=True)
        except KubeError as error:
            return _taken(identity) if error.reason == "AlreadyExists" else outcome_of(error, identity)
        return Written()

    async def _act(self, observed: Observed, action: Action) -> WriteOutcome:
        match action:
            case Delete(identity, uid):
                await self._kube.delete(identity.kind, identity.namespace, identity.name, uid)
                return Written()
            case AddFinalizer(finalizers):
                return await self._finalizer.add(observed, finalizers)
            case RemoveFinalizer():
                return await self._finalizer.remove(observed, action)
            case Create() | Apply():
                return await self._put(observed, action)

    async def _put(self, observed: Observed, action: Create | Apply) -> WriteOutcome:
        manifest = await self._manifest(observed, action.desired)
        if isinstance(manifest, Stale):
            return manifest
        identity = Identity.of(manifest)
        try:
            write = self._kube.create if isinstance(action, Create) else self._kube.apply
            self._cache.put(await write(manifest), identity.kind)
        except KubeError as error:
            if isinstance(action, Create) and error.reason == "AlreadyExists":
                return await self._look_at_existing(observed, identity, manifest)
            if isinstance(action, Apply) and error.status == 422 and identity.kind in RECREATED:
                return await self._delete_to_recreate(observed, identity)
            return outcome_of(error, identity)
        return Written()

    async def _manifest(self, observed: Observed, desired: Manifest | SecretManifest) -> Manifest | Stale:
        if not isinstance(desired, SecretManifest):
            return desired
        if not desired.copies:
            return desired.filled({})
        keys = await self.keys(observed)
        return keys if isinstance(keys, Stale) else desired.filled(dict(keys))

    async def _delete_to_recreate(self, observed: Observed, identity: Identity) -> Stale:
        """Somebody has changed an immutable field, so no apply can correct the object; the next plan creates it."""
        existing = observed.children[identity]
        await self._kube.delete(identity.kind, identity.namespace, identity.name, existing["metadata"]["uid"])
        self._cache.remove(existing, identity.kind)
        return Stale(f"{identity.kind} {identity.name} could not be corrected and is created again")

    async def _look_at_existing(self, observed: Observed, identity: Identity, manifest: Manifest) -> Stale | Rejected:
        """The name is taken by an object that is not in the cache: ours after a lost answer or label, or another's."""
        existing = await self._kube.get(identity.kind, identity.namespace, identity.name)
        if existing is None:
            return Stale(f"{identity.kind} {identity.name} has just gone")
        if observed.ownership(existing) == Ownership.FOREIGN:
            return _taken(identity)
        if observed.ownership(existing) == Ownership.OURS:
            head = {key: manifest[key] for key in ("apiVersion", "kind", "metadata")}
            existing = await self._kube.apply(ownership_metadata(head) if identity.kind == "Pod" else head)
        self._cache.put(existing, identity.kind)
        return Stale(f"{identity.kind} {identity.name} exists already")


def _same(one: Identity, other: Identity) -> bool:
    """Whether both are the same child: a pod has another name with every key set."""
    return one.kind == other.kind and (one.kind == "Pod" or one.name == other.name)


def _taken(identity: Identity) -> Rejected:
    return Rejected(identity, ApiRejection(Reason.NAME_CONFLICT, describe_conflict(identity)))


def _urgency(outcome: WriteOutcome | BaseException) -> int:
    """What the caller deals with first: an outdated cache, a rejection, then everything that may pass."""
    match outcome:
        case Stale():
            return 4
        case Rejected():
            return 3
        case Gone():
            return 2
        case Written():
            return 0
        case _:
            return 1


def _id(keys: KeyMaterial) -> str:
    return key_set_id({key: value_digest(value) for key, value in keys.items()})


def _decoded(secret: Manifest) -> dict[str, bytes]:
    try:
        return {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items() if key in pki.KEYS}
    except binascii.Error:
        return {}
