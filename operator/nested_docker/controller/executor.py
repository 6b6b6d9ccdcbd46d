"""Carries out a plan's writes, and puts the answers into the cache."""

from __future__ import annotations

import asyncio
import base64
import binascii
from dataclasses import replace

from nested_docker.controller.cache import Cache
from nested_docker.controller.credentials_reader import CredentialsReader
from nested_docker.controller.failure import requesting
from nested_docker.controller.finalizer import FinalizerWriter
from nested_docker.controller.outcome import Gone, Rejected, Stale, WriteOutcome, Written, outcome_of
from nested_docker.controller.session import KeyMaterial, Session, Sessions
from nested_docker.controller.trim import trim
from nested_docker.domain import names, pki
from nested_docker.domain.key_set import KeySet
from nested_docker.domain.manifests.secrets import SecretManifest, value_digest
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import Identity, Manifest
from nested_docker.domain.observed import ApiRejection, Observed, Ownership
from nested_docker.domain.planning.admitted import admitted
from nested_docker.domain.planning.child_diff import (
    Action,
    AddFinalizer,
    Apply,
    ChildDiff,
    Create,
    Delete,
    RemoveFinalizer,
    Stage,
    action_identity,
    describe_conflict,
    ownership_metadata,
)
from nested_docker.domain.planning.contested import corrected
from nested_docker.domain.ports import Clock, Kube, KubeError
from nested_docker.domain.status.reasons import Reason, Type

RECREATED = frozenset({"Service", "NetworkPolicy", "PodDisruptionBudget"})
"""Kinds that hold no data, so that an object which no apply can correct is deleted and created again."""


class Executor:
    """Writes the objects of NestedDockers."""

    def __init__(self, kube: Kube, cache: Cache, sessions: Sessions, clock: Clock) -> None:
        self._kube, self._cache, self._sessions, self._clock = kube, cache, sessions, clock
        self._finalizer = FinalizerWriter(kube, cache)
        self._credentials = CredentialsReader(kube)

    async def keys(self, observed: Observed) -> KeyMaterial | Stale:
        """The key set in force, from memory or from its Secret; `Stale` if that holds another one.

        Raises:
            RequestFailed: the Secret cannot be read; try again later.
        """
        session = self._session(observed)
        location, key_set = observed.location, observed.key_set()
        if session.keys is not None and key_set is not None and _match(session.keys, key_set):
            return session.keys
        if location is None or key_set is None:
            return Stale("there is no key set")
        where = location.tls_secret(key_set.id)
        with requesting("read", where):
            secret = await self._kube.get("Secret", where.namespace, where.name)
        keys = _decoded(secret) if secret else {}
        if secret is None or not _match(keys, key_set):
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
            RequestFailed: a write failed, and may succeed later.
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
        """Whether a write that was rejected before would be rejected again: a creation is asked by a dry run.

        An object that is not among the next writes, because it comes later, is looked up instead: its name was
        taken. A correction, and the write of the NestedDocker itself, are simply repeated.

        Raises:
            RequestFailed: the dry run failed, and may succeed later.
        """
        if identity.kind == "NestedDocker":
            return Written()
        with requesting("create", identity):
            return await self._ask_again(observed, stages, identity)

    async def _ask_again(self, observed: Observed, stages: tuple[Stage, ...], identity: Identity) -> WriteOutcome:
        for action in (action for stage in stages for action in stage):
            if isinstance(action, Apply) and action_identity(action) == identity:
                return await self._put(observed, action)
            if isinstance(action, Create) and _same(action_identity(action), identity):
                manifest = await self._manifest(observed, action.desired)
                return manifest if isinstance(manifest, Stale) else await self._dry_run(observed, manifest, identity)
        existing = await self._kube.get(identity.kind, identity.namespace, identity.name)
        taken = existing is not None and observed.ownership(existing) != Ownership.OURS
        return _taken(identity) if taken else Written()

    async def _dry_run(self, observed: Observed, manifest: Manifest, identity: Identity) -> WriteOutcome:
        """Ask for an object that was rejected as `identity`, whose name stays, or each try would change the status."""
        try:
            stored = await self._kube.create(manifest, dry_run=True)
        except KubeError as error:
            if error.reason == "AlreadyExists":
                return _taken(identity)
            words = error.message.replace(manifest["metadata"]["name"], identity.name)
            return outcome_of(KubeError(error.status, error.reason, words, error.retry_after), identity)
        if observed.ownership(stored) != Ownership.OURS:
            return _taken_away(identity)
        unusable = _lost_key_set(manifest, _with_child(observed, identity, stored))
        return _unusable_key_set(identity) if unusable else Written()

    async def _act(self, observed: Observed, action: Action) -> WriteOutcome:
        match action:
            case Delete(identity, uid):
                self._session(observed).made -= {identity}
                with requesting("delete", identity):
                    await self._kube.delete(identity.kind, identity.namespace, identity.name, uid)
                return Written()
            case AddFinalizer() | RemoveFinalizer():
                with requesting("update", _nested_docker(observed)):
                    return await self._write_finalizer(observed, action)
            case Create() | Apply():
                with requesting("create" if isinstance(action, Create) else "update", action_identity(action)):
                    return await self._put(observed, action)

    async def _write_finalizer(self, observed: Observed, action: AddFinalizer | RemoveFinalizer) -> WriteOutcome:
        if isinstance(action, AddFinalizer):
            return await self._finalizer.add(observed, action.finalizers)
        return await self._finalizer.remove(observed, action)

    async def _put(self, observed: Observed, action: Create | Apply) -> WriteOutcome:
        manifest = await self._manifest(observed, action.desired)
        if isinstance(manifest, Stale):
            return manifest
        identity = Identity.of(manifest)
        try:
            write = self._kube.create if isinstance(action, Create) else self._kube.apply
            stored = await write(manifest)
            self._cache.put(stored, identity.kind)
        except KubeError as error:
            if isinstance(action, Create) and error.reason == "AlreadyExists":
                return await self._look_at_existing(observed, identity, manifest)
            if isinstance(action, Apply) and error.status == 422 and _may_be_recreated(observed, identity):
                return await self._delete_to_recreate(observed, action, manifest)
            return outcome_of(error, identity)
        if isinstance(action, Create) and observed.ownership(stored) != Ownership.OURS:
            await self._remove_at_once(observed, stored)
            return _taken_away(identity)
        return self._look_at_answer(observed, action, manifest, stored)

    async def _remove_at_once(self, observed: Observed, stored: Manifest) -> None:
        """Remove an object that is not ours although the operator has just created it: nobody else would.

        A claim stays, because the operator may not delete claims.
        """
        identity = Identity.of(stored)
        self._session(observed).made |= {identity}  # a pod counts as replaced
        if identity.kind != "PersistentVolumeClaim":
            with requesting("delete", identity):
                await self._kube.delete(identity.kind, identity.namespace, identity.name, stored["metadata"]["uid"])
            self._cache.remove(stored, identity.kind)

    def _look_at_answer(
        self, observed: Observed, action: Create | Apply, manifest: Manifest, stored: Manifest
    ) -> Written | Rejected:
        """What other admission plugins made of a write: from now on that is compared with, not the manifest."""
        identity, session = Identity.of(manifest), self._session(observed)
        was_there = _was_there(observed, identity) or identity in session.made
        if isinstance(action, Create):
            session.made |= {identity}
        if isinstance(action, Create) and identity.kind == "Pod":
            session.admitted = admitted(manifest, stored)
            return Written()
        with_answer = _with_child(observed, identity, stored)
        if _lost_key_set(manifest, with_answer):
            return _unusable_key_set(identity)
        if isinstance(action, Apply) or identity in session.corrections or was_there:
            differs = bool(ChildDiff(with_answer).ensure(action.desired))
            self._count_correction(observed, action, identity, in_vain=differs and isinstance(action, Apply))
        return Written()

    def _count_correction(
        self, observed: Observed, action: Create | Apply, identity: Identity, *, in_vain: bool
    ) -> None:
        corrections = self._session(observed).corrections
        before, now = corrections.get(identity), self._clock.now()
        corrections[identity] = corrected(before, action.desired, now, in_vain=in_vain)

    def _session(self, observed: Observed) -> Session:
        return self._sessions.of((observed.owner.namespace, observed.owner.name))

    async def _manifest(self, observed: Observed, desired: Manifest | SecretManifest) -> Manifest | Stale:
        if not isinstance(desired, SecretManifest):
            return self._with_uids(desired)
        foreign = {key: await self._credentials.value(wanted) for key, wanted in desired.foreign.items()}
        known = {key: value for key, value in foreign.items() if value is not None}
        if len(known) < len(foreign):
            return Stale("the registry credentials have just changed")
        if not desired.copies:
            return desired.filled({}, known)
        keys = await self.keys(observed)
        return keys if isinstance(keys, Stale) else desired.filled(keys, known)

    def _with_uids(self, manifest: Manifest) -> Manifest:
        """The manifest with the uid of each Secret that controls it.

        A Secret that is not in the cache is left out: a dry run asks before it exists. The next plan adds it.
        """
        references, namespace = manifest["metadata"].get("ownerReferences", []), manifest["metadata"]["namespace"]
        if all("uid" in each for each in references):
            return manifest
        found = ((each, self._cache.get("Secret", namespace, each["name"])) for each in references if "uid" not in each)
        complete = [each for each in references if "uid" in each]
        complete += [each | {"uid": secret["metadata"]["uid"]} for each, secret in found if secret is not None]
        return manifest | {"metadata": manifest["metadata"] | {"ownerReferences": complete}}

    async def _delete_to_recreate(self, observed: Observed, action: Apply, manifest: Manifest) -> WriteOutcome:
        """Somebody has changed an immutable field, so no apply can correct the object; the next plan creates it.

        Nothing is deleted that the API server would not create: the dry run passes every check before the name's.
        """
        identity = Identity.of(manifest)
        existing = observed.children[identity]
        try:
            await self._kube.create(manifest, dry_run=True)
        except KubeError as error:
            if error.reason != "AlreadyExists":
                return outcome_of(error, identity)
        self._count_correction(observed, action, identity, in_vain=False)
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


def _nested_docker(observed: Observed) -> Identity:
    return Identity("NestedDocker", observed.owner.namespace, observed.owner.name)


def _may_be_recreated(observed: Observed, identity: Identity) -> bool:
    """Whether an object can be deleted and created again: that is how an immutable connection Secret changes."""
    return identity.kind in RECREATED or _is_for_clients(observed, identity)


def _is_for_clients(observed: Observed, identity: Identity) -> bool:
    home = ObjectNames(observed.owner)
    return identity in {home.files_secret, home.env_secret}


def _with_child(observed: Observed, identity: Identity, child: Manifest) -> Observed:
    return replace(observed, children=dict(observed.children) | {identity: trim(child, identity.kind)})


def _lost_key_set(manifest: Manifest, with_answer: Observed) -> bool:
    """Whether a key set was written, and is not what the API server stored."""
    written = manifest["metadata"].get("annotations", {}).get(names.ANNOTATION_DATA_DIGEST)
    stored = replace(with_answer, issued=None).key_set()
    return written is not None and (stored is None or stored.id != written)


def _was_there(observed: Observed, identity: Identity) -> bool:
    """Whether an object that is created now existed before, so that somebody has deleted it."""
    connection = _is_for_clients(observed, identity)
    return observed.status.holds(Type.DAEMON_REACHABLE if connection else Type.PROVISIONED) and observed.issued is None


def _unusable_key_set(identity: Identity) -> Rejected:
    message = (
        f"an admission plugin of the cluster changed the data or the annotations of Secret {identity.name} when it was "
        "stored, so no daemon can use its keys: exempt Secrets with the label "
        f"{names.MANAGED_BY}={names.OPERATOR} from that plugin. The operator tries again from time to time"
    )
    return Rejected(identity, ApiRejection(Reason.CONTESTED, message))


def _taken_away(identity: Identity) -> Rejected:
    kind, name = identity.kind, identity.name
    what = (
        "exempt it from that plugin, then delete it"
        if kind == "PersistentVolumeClaim"
        else "exempt it from that plugin"
    )
    message = (
        f"an admission plugin of the cluster changed the labels or the owner of {kind} {name} when it was stored, so "
        f"it does not belong to this NestedDocker: {what}. The operator's objects have the label "
        f"{names.MANAGED_BY}={names.OPERATOR}. The operator tries again from time to time"
    )
    return Rejected(identity, ApiRejection(Reason.CONTESTED, message))


def _same(one: Identity, other: Identity) -> bool:
    """Whether both are the same child: a pod and its key Secret have other names with every key set."""
    with_keys = one.kind == "Pod" or (names.is_tls_secret(one.name) and names.is_tls_secret(other.name))
    return one.kind == other.kind and (with_keys or one.name == other.name)


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


def _match(keys: KeyMaterial, key_set: KeySet) -> bool:
    """Whether these are the keys of that key set, with its present pairs."""
    return all(key in keys and value_digest(keys[key]) == key_set.digests.get(key) for key in pki.KEYS)


def _decoded(secret: Manifest) -> dict[str, bytes]:
    try:
        return {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items() if key in pki.KEYS}
    except binascii.Error:
        return {}
