"""Carries out a plan's writes, and remembers their answers."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Mapping

from nested_docker.controller.cache import Cache
from nested_docker.controller.errors import Outdated, WriteRejected, translate
from nested_docker.controller.finalizer import Finalizer
from nested_docker.controller.workqueue import Key
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
    ownership_metadata,
)
from nested_docker.domain.ports import Kube, KubeError
from nested_docker.domain.status.reasons import Reason

KeyMaterial = Mapping[str, bytes]

REMADE = frozenset({"Service", "NetworkPolicy"})
"""Kinds that hold nothing worth keeping."""


class Executor:
    """Writes children; key material is in memory only while a NestedDocker is on its way to Ready."""

    def __init__(self, kube: Kube, cache: Cache) -> None:
        self._kube, self._cache = kube, cache
        self._finalizer = Finalizer(kube, cache)
        self._keys: dict[Key, KeyMaterial] = {}

    def store_keys(self, key: Key, keys: KeyMaterial) -> None:
        """Keep a new key set until it is written and its daemon has answered."""
        self._keys[key] = keys

    def forget_keys(self, key: Key) -> None:
        """Drop a key set from memory."""
        self._keys.pop(key, None)

    async def keys(self, observed: Observed) -> KeyMaterial:
        """The key set in force, from memory or from its Secret.

        Raises:
            Outdated: the Secret does not hold the key set that was planned with.
        """
        key = (observed.owner.namespace, observed.owner.name)
        location, key_set = observed.location, observed.key_set()
        held = self._keys.get(key)
        if held is not None and key_set is not None and _id(held) == key_set.id:
            return held
        if location is None or key_set is None:
            raise Outdated("there is no key set")
        where = location.tls_secret
        secret = await self._kube.get("Secret", where.namespace, where.name)
        keys = _decoded(secret) if secret else {}
        if secret is None or _id(keys) != key_set.id:
            if secret is not None:
                self._cache.put(secret, "Secret")
            elif where in observed.children:
                self._cache.remove(observed.children[where], "Secret")
            raise Outdated(f"Secret {where.name} does not hold the key set {key_set.id}")
        self._keys[key] = keys
        return keys

    async def run(self, observed: Observed, stages: tuple[Stage, ...]) -> None:
        """Carry out the stages one after the other, each one's writes at the same time.

        Raises:
            Refused, Outdated, NamespaceEnds, KubeError: what the first failed write calls for; the
                other writes of its stage have been carried out, the later stages have not.
        """
        for stage in stages:
            outcomes = await asyncio.gather(*(self._act(observed, action) for action in stage), return_exceptions=True)
            failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
            if failures:
                raise min(failures, key=_urgency)

    async def still_rejected(
        self, observed: Observed, stages: tuple[Stage, ...], identity: Identity
    ) -> ApiRejection | None:
        """Whether a write that was refused before would be refused again, asked without writing.

        An object that is not among the next writes, since it only comes later, is looked up instead:
        what stood in its way was another one's of that name. The NestedDocker itself is never taken: that write is
        simply tried again.
        """
        if identity.kind == "NestedDocker":
            return None
        for action in (action for stage in stages for action in stage):
            if isinstance(action, Create):
                manifest = await self._manifest(observed, action.desired)
                if _same(Identity.of(manifest), identity):
                    return await self._would_reject(manifest, identity)
        existing = await self._kube.get(identity.kind, identity.namespace, identity.name)
        taken = existing is not None and observed.ownership(existing) != Ownership.OURS
        return _taken(identity) if taken else None

    async def _would_reject(self, manifest: Manifest, identity: Identity) -> ApiRejection | None:
        try:
            await self._kube.create(manifest, dry_run=True)
        except KubeError as error:
            if error.reason == "AlreadyExists":
                return _taken(identity)
            translated = translate(error, identity)
            if isinstance(translated, WriteRejected):
                return translated.api_rejection
            raise translated from error
        return None

    async def _act(self, observed: Observed, action: Action) -> None:
        match action:
            case Delete(identity, uid):
                await self._kube.delete(identity.kind, identity.namespace, identity.name, uid)
            case AddFinalizer(finalizers):
                await self._finalizer.add_finalizer(observed, finalizers)
            case RemoveFinalizer():
                await self._finalizer.remove_finalizer(observed, action)
            case Create() | Apply():
                await self._put(observed, action)

    async def _put(self, observed: Observed, action: Create | Apply) -> None:
        manifest = await self._manifest(observed, action.desired)
        identity = Identity.of(manifest)
        try:
            write = self._kube.create if isinstance(action, Create) else self._kube.apply
            self._cache.put(await write(manifest), identity.kind)
        except KubeError as error:
            if isinstance(action, Create) and error.reason == "AlreadyExists":
                await self._look_at_existing(observed, identity, manifest)
                return
            if isinstance(action, Apply) and error.status == 422 and identity.kind in REMADE:
                await self._unmake(observed, identity)
            raise translate(error, identity) from error

    async def _manifest(self, observed: Observed, desired: Manifest | SecretManifest) -> Manifest:
        if not isinstance(desired, SecretManifest):
            return desired
        return desired.filled(dict(await self.keys(observed)) if desired.copies else {})

    async def _unmake(self, observed: Observed, identity: Identity) -> None:
        """What somebody has changed so that no apply can mend it is made anew.

        Raises:
            Outdated: always; the next plan makes it.
        """
        existing = observed.children[identity]
        await self._kube.delete(identity.kind, identity.namespace, identity.name, existing["metadata"]["uid"])
        self._cache.remove(existing, identity.kind)
        raise Outdated(f"{identity.kind} {identity.name} could not be mended and is made anew")

    async def _look_at_existing(self, observed: Observed, identity: Identity, manifest: Manifest) -> None:
        """An object of that name is there, but was not known: ours by a lost answer or a lost label, or another's."""
        existing = await self._kube.get(identity.kind, identity.namespace, identity.name)
        if existing is None:
            raise Outdated(f"{identity.kind} {identity.name} has just gone")
        if observed.ownership(existing) == Ownership.FOREIGN:
            raise WriteRejected(identity, _taken(identity))
        if observed.ownership(existing) == Ownership.OURS:
            head = {key: manifest[key] for key in ("apiVersion", "kind", "metadata")}
            existing = await self._kube.apply(ownership_metadata(head) if identity.kind == "Pod" else head)
        self._cache.put(existing, identity.kind)
        raise Outdated(f"{identity.kind} {identity.name} is there already")


def _same(one: Identity, other: Identity) -> bool:
    """Whether both stand for the same child: a pod has another name with every key set."""
    return one.kind == other.kind and (one.kind == "Pod" or one.name == other.name)


def _taken(identity: Identity) -> ApiRejection:
    return ApiRejection(
        Reason.NAME_CONFLICT,
        f"{identity.kind} {identity.name} exists and is someone else's; it is left alone. Delete or rename it, or give "
        "the NestedDocker another name",
    )


def _urgency(failure: BaseException) -> int:
    """What must be dealt with first: a look at the present, a refusal, then everything that may pass."""
    return 0 if isinstance(failure, Outdated) else 1 if isinstance(failure, WriteRejected) else 2


def _id(keys: KeyMaterial) -> str:
    return key_set_id({key: value_digest(value) for key, value in keys.items()})


def _decoded(secret: Manifest) -> dict[str, bytes]:
    try:
        return {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items() if key in pki.KEYS}
    except binascii.Error:
        return {}
