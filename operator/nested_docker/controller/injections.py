"""Makes and deletes the NestedDockers of pods that ask for a daemon by their label.

All is decided from what is stored: the pods, and the NestedDockers with a name that only injection uses. So it does not
matter when the operator was away, or what it was doing when it ended.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from nested_docker.controller.cache import Cache
from nested_docker.controller.failure import REFUSED, requesting
from nested_docker.controller.injection_turns import (
    InjectionTurns,
    denial_of,
    ended_too_soon,
    quota_of,
    shortcoming_of,
)
from nested_docker.controller.workqueue import Key
from nested_docker.domain import names
from nested_docker.domain.injection.fairness import PATIENCE, is_gated, is_gated_by_others
from nested_docker.domain.injection.manifest import injected_nested_docker, owned_by_pod, owner_pod
from nested_docker.domain.injection.pod_life import grace_ends, has_ended, has_started
from nested_docker.domain.injection.signature import Injection, signed_injection
from nested_docker.domain.objects import CLIENT_POD, Identity, Manifest, pod_reference
from nested_docker.domain.ports import Clock, Kube, KubeError, Recorder
from nested_docker.domain.status.conditions import parse_timestamp

logger = logging.getLogger(__name__)

CREATED, NOT_CREATED, HELD, NOT_READY = (
    "NestedDockerCreated",
    "NestedDockerNotCreated",
    "NestedDockerHeld",
    "NestedDockerNotReady",
)
"""Reasons of the Events about pods."""

HELD_MESSAGE = (
    "the pod waits for its turn: in a namespace no more pods wait for a node with their daemons than run there, and "
    "the oldest comes first"
)

QUOTA_REMEDY = (
    "A quota on pods counts pods that wait behind a gate too. If they have used it up, delete some of them, and let "
    "the quota count no daemons, or limit Jobs instead"
)

REMEMBERED = 4096
"""Pods of which the latest Event is remembered, so that it is not written again."""


@dataclass(frozen=True)
class SettledInjection:
    """What was found for the name of a NestedDocker.

    Attributes:
        deleting: whether the NestedDocker is being deleted because its pod does not need it.
        look_at: when to look again at the latest; None: when something happens.
    """

    deleting: bool = False
    look_at: datetime | None = None


@dataclass
class Injections:
    """Keeps the NestedDockers of pods in step with the pods.

    Attributes:
        cache: has both.
        kube: creates and deletes NestedDockers.
        key: of the webhook's signatures.
        clock: for grace periods.
        recorder: for Events about the pods.
        turns: the order of those that wait.
    """

    cache: Cache
    kube: Kube
    key: Callable[[], bytes]
    clock: Clock
    recorder: Recorder
    turns: InjectionTurns
    _reported: dict[str, str] = field(default_factory=dict)

    async def settle(self, key: Key) -> SettledInjection:
        """Create or delete the NestedDocker with that name, if it is one of a pod.

        Raises:
            KubeError: try again later.
        """
        id_ = names.injection_id(key[1])
        if not id_:
            return SettledInjection()
        known = self.cache.get("NestedDocker", *key)
        try:
            settled = await (self._make(key, id_) if known is None else self._keep_or_delete(key, id_, known))
        finally:
            self.turns.pass_on(key)
        looks = (settled.look_at, self.turns.late_at(key))
        return replace(settled, look_at=min(filter(None, looks), default=None))

    async def _make(self, key: Key, id_: str) -> SettledInjection:
        """Create the NestedDocker for the oldest pod that may have it, when it is that pod's turn."""
        candidates = self._candidates(key[0], id_)
        for pod in candidates:
            injection = self._wanted(pod)
            if injection is None:
                continue
            if is_gated(pod) and not self.turns.has_come(key):
                self._report(pod, self._held_message(key[0]), HELD)
                return SettledInjection()
            with self.turns.taken(key):
                stored = await self._create(pod, injection)
            return self._waits(pod, stored)
        if any("deletionTimestamp" not in pod["metadata"] and not has_started(pod) for pod in candidates):
            self.turns.refuse(key)
        else:
            self.turns.forget(key)
        return SettledInjection()

    async def _keep_or_delete(self, key: Key, id_: str, known: Manifest) -> SettledInjection:
        for rival in self._candidates(key[0], id_):
            if rival["metadata"]["uid"] != owner_pod(known["metadata"])[1] and not has_started(rival):
                self._report(
                    rival, f"NestedDocker {key[1]} belongs to another pod: delete this one and create it again"
                )
        if "deletionTimestamp" in known["metadata"]:
            return SettledInjection()
        pod = await self._living_owner(key[0], id_, known)
        if pod is not None and ended_too_soon(pod, known):
            self._report(pod, f"{_ended(known)}, and the pod gets another one", NOT_READY)
            return await self._delete(key, known)
        if pod is not None:
            await self._open_gate(pod, key)
            return self._waits(pod, known)
        context = {"namespace": key[0], "nested_docker": key[1]}
        logger.info("deleting a NestedDocker because its pod has ended or is gone", extra=context)
        return await self._delete(key, known)

    async def _delete(self, key: Key, known: Manifest) -> SettledInjection:
        with requesting("delete", Identity("NestedDocker", *key)):
            await self.kube.delete("NestedDocker", *key, known["metadata"]["uid"])
        return SettledInjection(deleting=True)

    async def _living_owner(self, namespace: str, id_: str, known: Manifest) -> Mapping[str, Any] | None:
        """The pod that a NestedDocker was made for; None: it needs none any more.

        Before a pod counts as gone it is read afresh: its watch may lag behind.
        """
        name, uid = owner_pod(known["metadata"])
        pod: Mapping[str, Any] | None = self.cache.get(CLIENT_POD, namespace, name) if name else None
        if name and (pod is None or pod["metadata"]["uid"] != uid):
            with requesting("read", Identity("Pod", namespace, name)):
                pod = await self.kube.get(CLIENT_POD, namespace, name)
        if pod is None or pod["metadata"]["uid"] != uid or _id_of(pod) != id_:
            return None
        return None if has_ended(pod, self.clock.now()) else pod

    def _candidates(self, namespace: str, id_: str) -> list[Manifest]:
        """Pods with that id, the oldest first. There are several only if somebody has copied a pod."""
        places = self.cache.injection.claimants((namespace, names.injected_name(id_)))
        found = [pod for place in places if (pod := self.cache.get(CLIENT_POD, *place)) and _id_of(pod) == id_]
        return sorted(found, key=lambda pod: (pod["metadata"].get("creationTimestamp", ""), pod["metadata"]["uid"]))

    def _wanted(self, pod: Manifest) -> Injection | None:
        """What the webhook has signed for a pod that waits for its daemon; None: the pod gets none.

        A pod that has started had its daemon: somebody has deleted it, or its time was over.
        """
        if "deletionTimestamp" in pod["metadata"] or has_started(pod) or is_gated_by_others(pod):
            return None
        injection, created = signed_injection(pod, self.key()), pod["metadata"]["creationTimestamp"]
        if injection is None or not injection.is_fresh(parse_timestamp(created)):
            self._report(pod, "the pod's injection signature is not the webhook's for this pod: create the pod again")
            return None
        if not self._is_enabled(injection.namespace):
            message = (
                f"namespace {injection.namespace} gives its pods no daemons: ask a cluster admin to label it with "
                f"{names.NAMESPACE_INJECTION}={names.INJECTION_ENABLED}"
            )
            self._report(pod, message)
            return None
        return injection

    def _is_enabled(self, namespace: str) -> bool:
        known = self.cache.get("Namespace", "", namespace)
        labels = known["metadata"].get("labels", {}) if known else {}
        return bool(labels.get(names.NAMESPACE_INJECTION) == names.INJECTION_ENABLED)

    async def _open_gate(self, pod: Mapping[str, Any], key: Key) -> None:
        """Let the scheduler have a pod whose daemon has a node."""
        if not is_gated(pod) or not self._daemon_has_node(key):
            return
        try:
            with requesting("remove the scheduling gate of", Identity("Pod", key[0], pod["metadata"]["name"])):
                opened = await self.kube.remove_scheduling_gate(pod["metadata"], names.SCHEDULING_GATE)
        except KubeError as error:
            if error.status in REFUSED:
                gate = f"the scheduling gate {names.SCHEDULING_GATE} could not be removed, and the operator tries again"
                self._report(pod, f"{gate}: {error.message}")
            raise
        self.cache.put(opened, CLIENT_POD)

    def _daemon_has_node(self, key: Key) -> bool:
        pods = [obj for each, obj in self.cache.children(key).items() if each.kind == "Pod"]
        return any(pod["spec"].get("nodeName") and "deletionTimestamp" not in pod["metadata"] for pod in pods)

    async def _create(self, pod: Manifest, injection: Injection) -> Manifest:
        made = injected_nested_docker(injection.id, injection.namespace, injection.class_name)
        manifest = owned_by_pod(made, pod["metadata"])
        name = manifest["metadata"]["name"]
        try:
            with requesting("create", Identity("NestedDocker", injection.namespace, name)):
                stored = await self.kube.create(manifest)
        except KubeError as error:
            if error.status in REFUSED:
                self._report(pod, f"NestedDocker {name} was rejected, and the operator tries again: {error.message}")
            raise
        self.cache.put(stored, "NestedDocker")
        where = f"kubectl describe nesteddocker {name}"
        self.recorder.record(
            pod_reference(pod), "Normal", CREATED, f"the pod starts when its Docker daemon is ready: see `{where}`"
        )
        return stored

    def _waits(self, pod: Mapping[str, Any], known: Manifest) -> SettledInjection:
        """When to look again at a pod with a daemon. If it waits in vain, or for long, an Event says for what."""
        looks = [grace_ends(pod)]
        if not has_started(pod):
            late_at = parse_timestamp(known["metadata"]["creationTimestamp"]) + PATIENCE
            is_late = late_at <= self.clock.now()
            quota = quota_of(known)
            problem = denial_of(known) or (f"{quota}. {QUOTA_REMEDY}" if quota else shortcoming_of(known) * is_late)
            if problem:
                self._report(pod, f"the pod waits for NestedDocker {known['metadata']['name']}: {problem}", NOT_READY)
            looks.append(late_at)
        return SettledInjection(look_at=min((at for at in looks if at and at > self.clock.now()), default=None))

    def _held_message(self, namespace: str) -> str:
        blocker = self.turns.blocker(namespace)
        if blocker is None:
            return HELD_MESSAGE
        pod, known = blocker
        return (
            f"{HELD_MESSAGE}. Pod {pod['metadata']['name']} comes first, and has waited for a node for more than "
            f"{PATIENCE.total_seconds() / 60:g} minutes. If no node can ever take it or its daemon, delete it: see "
            f"`kubectl describe nesteddocker {known['metadata']['name']}`"
        )

    def _report(self, pod: Mapping[str, Any], message: str, reason: str = NOT_CREATED) -> None:
        """Record once why a pod waits."""
        uid = pod["metadata"]["uid"]
        if self._reported.get(uid) != message:
            self._reported.pop(uid, None)
            self._reported[uid] = message
            if len(self._reported) > REMEMBERED:
                del self._reported[next(iter(self._reported))]
            self.recorder.record(pod_reference(pod), "Normal" if reason == HELD else "Warning", reason, message)


def _id_of(pod: Mapping[str, Any]) -> str:
    labels = pod["metadata"].get("labels", {})
    return str(labels.get(names.LABEL_INJECTION_ID, "")) if names.LABEL_INJECT in labels else ""


def _ended(known: Manifest) -> str:
    return f"the daemon {known['metadata']['name']} has ended before the pod has started ({shortcoming_of(known)})"
