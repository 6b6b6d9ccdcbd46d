"""Ends what runs as a sidecar when nothing grants it any more.

Nobody can remove a container from a running pod, so it is the pod that goes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from nested_docker.api.v1alpha1.nested_docker import Denial
from nested_docker.controller.cache import Cache
from nested_docker.controller.failure import REFUSED, RequestFailed, requesting
from nested_docker.controller.fresh_look import FreshLook
from nested_docker.controller.observer import Observer
from nested_docker.controller.outcome import Settled
from nested_docker.controller.workqueue import Key
from nested_docker.domain import names
from nested_docker.domain.admission.acceptance import Accepted, NotAccepted
from nested_docker.domain.effective import OperatorDefaults
from nested_docker.domain.injection.sidecar_verdict import (
    SIDECAR_STOP_SECONDS,
    SidecarVerdict,
    as_nested_docker,
    has_sidecar,
    is_over,
    judge_running,
    verdict,
    written,
)
from nested_docker.domain.objects import CLIENT_POD, Identity, Manifest, pod_reference
from nested_docker.domain.ports import Clock, Kube, KubeError, Recorder
from nested_docker.domain.status.conditions import timestamp
from nested_docker.domain.status.reasons import Reason

logger = logging.getLogger(__name__)

GRANTED, DENIED, REPORTED, STOPPED, NOT_STOPPED = (
    "SidecarGranted",
    "SidecarDenied",
    "SidecarGrantRevoked",
    "SidecarStopped",
    "SidecarNotStopped",
)
"""Reasons of the Events about pods."""

REMEDY_OF_DENIAL = "A cluster admin keeps the job by a policy, class and namespace labels that grant its daemon"

FORBIDDEN = 403
Judged = Callable[[Mapping[str, Any], Accepted | NotAccepted], None]
"""Called with a pod and each new judgement of its daemon, for the audit log."""


SHARED_LOOK_SECONDS = 5.0
"""Age up to which a fresh read counts for other pods of a namespace, so that many cost one."""

MOST_REPORTS = 16
"""Events that are remembered of a pod."""


@dataclass
class _Memory:
    """What is remembered of a pod.

    Attributes:
        uid: its uid.
        unwritten: what its annotation does not have yet, because it could not be written; None: nothing.
        reported: Events that were recorded since it was last granted.
    """

    uid: str
    unwritten: Denial | None = None
    reported: set[tuple[str, str]] = field(default_factory=set)


@dataclass(frozen=True)
class _Look:
    """A fresh read of what governs the pods of a namespace. It counts for pods that were known when it began.

    Attributes:
        began: when, by the clock that never goes back.
        began_at: when.
        version: of what governs, after it.
        pods: uids that were known.
    """

    began: float
    began_at: datetime
    version: int
    pods: frozenset[str]


@dataclass
class Sidecars:
    """Judges the daemons that run as sidecars.

    Attributes:
        cache: has the pods, and what governs them.
        kube: annotates and deletes pods.
        fresh_look: confirms a denial.
        clock: for grace times.
        recorder: for Events about the pods.
        judged: gets what is news.
        defaults: the operator's.
    """

    cache: Cache
    kube: Kube
    fresh_look: FreshLook
    clock: Clock
    recorder: Recorder
    judged: Judged
    defaults: OperatorDefaults
    _observer: Observer = field(init=False)
    _looks: dict[str, _Look] = field(default_factory=dict)
    _memories: dict[Key, _Memory] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._observer = Observer(self.cache)

    async def settle(self, key: Key) -> Settled:
        """Judge the daemon of the pod of that namespace and name, and act on it.

        Raises:
            KubeError: try again later.
        """
        pod = self.cache.get(CLIENT_POD, *key)
        if pod is None or not has_sidecar(pod) or is_over(pod, self.clock.now()):
            self._memories.pop(key, None)
            return Settled()
        known = self._memories.get(key)
        memory = known if known and known.uid == pod["metadata"]["uid"] else _Memory(pod["metadata"]["uid"])
        found = self._verdict(pod, memory)
        if isinstance(found.outcome, NotAccepted) and (found.is_news or self._must_stop(found)):
            await self._look_again(pod, found)
            found = self._verdict(pod, memory)
        self._memories[key] = memory
        return await self._act(key, pod, memory, found)

    async def _act(self, key: Key, pod: Manifest, memory: _Memory, found: SidecarVerdict) -> Settled:
        failed = await self._note(key, pod, memory, found)
        must_stop = self._must_stop(found)
        if must_stop:
            await self._stop(key, pod, memory, found.outcome)
        if found.outcome.reason == Reason.GRANT_REVOKED:
            self._report(pod, memory, REPORTED, found.outcome.message)
        elif isinstance(found.outcome, Accepted):
            memory.reported.clear()
        if failed is not None:
            raise failed
        if memory == _Memory(memory.uid):
            self._memories.pop(key, None)
        return Settled(None if must_stop else found.stop_at)

    def _verdict(self, pod: Manifest, memory: _Memory) -> SidecarVerdict:
        observed = self._observer.candidate(as_nested_docker(pod))
        outcome = judge_running(pod, observed, self.defaults)
        return verdict(pod, outcome, memory.unwritten, self.clock.now(), self.defaults)

    def _must_stop(self, found: SidecarVerdict) -> bool:
        return found.stop_at is not None and found.stop_at <= self.clock.now()

    async def _look_again(self, pod: Manifest, found: SidecarVerdict) -> None:
        """Read afresh what governs the daemon, unless that was read for it, or for others of its namespace, just now.

        Without permission the watch decides, as for NestedDockers.
        """
        namespace, now = pod["metadata"]["namespace"], self.clock.now()
        latest = self._looks.get(namespace)
        if latest is not None and self._counts(latest, pod, found):
            return
        known = frozenset(self._uids(namespace))
        began = self.clock.monotonic()
        try:
            await self.fresh_look.look(self._observer.candidate(as_nested_docker(pod)))
        except RequestFailed as error:
            if error.status != FORBIDDEN:
                raise
            logger.warning("what governs the sidecars of pods cannot be read again: %s", error)
            return
        self._looks = {name: each for name, each in self._looks.items() if began - each.began < SHARED_LOOK_SECONDS}
        self._looks[namespace] = _Look(began, now, self.cache.governing_version, known)

    def _counts(self, look: _Look, pod: Manifest, found: SidecarVerdict) -> bool:
        """Whether a read is as good as another one: an end needs one that began when the grace time was over."""
        return (
            self.clock.monotonic() - look.began < SHARED_LOOK_SECONDS
            and look.version == self.cache.governing_version
            and pod["metadata"]["uid"] in look.pods
            and (found.is_news or found.stop_at is None or look.began_at >= found.stop_at)
        )

    def _uids(self, namespace: str) -> Iterator[str]:
        for place in self.cache.injection.with_sidecar(namespace):
            pod = self.cache.get(CLIENT_POD, *place)
            if pod is not None:
                yield pod["metadata"]["uid"]

    async def _note(self, key: Key, pod: Manifest, memory: _Memory, found: SidecarVerdict) -> KubeError | None:
        """Tell what is news, and write the clock into the pod; the failure to write it, which stops nothing."""
        if found.is_news:
            self.judged(pod, found.outcome)
            type_, reason = ("Normal", GRANTED) if found.stop_at is None else ("Warning", DENIED)
            self.recorder.record(pod_reference(pod), type_, reason, _news(found))
            memory.unwritten = found.denial
        if memory.unwritten is None:
            return None
        try:
            with requesting("annotate", Identity("Pod", *key)):
                stored = await self.kube.annotate_pod(
                    pod["metadata"], names.ANNOTATION_DENIAL, written(memory.unwritten)
                )
        except KubeError as error:
            return error
        memory.unwritten = None
        self.cache.put(stored, CLIENT_POD)
        return None

    async def _stop(self, key: Key, pod: Manifest, memory: _Memory, outcome: Accepted | NotAccepted) -> None:
        """Delete the pod. An eviction would depend on a PodDisruptionBudget, which users of the namespace may write."""
        self._report(pod, memory, STOPPED, f"the operator deletes the pod: {outcome.message}. {REMEDY_OF_DENIAL}")
        logger.info("deleting a pod because its sidecar is denied", extra={"namespace": key[0], "pod": key[1]})
        try:
            with requesting("delete", Identity("Pod", *key)):
                await self.kube.delete(CLIENT_POD, *key, pod["metadata"]["uid"], grace_seconds=SIDECAR_STOP_SECONDS)
        except RequestFailed as error:
            if error.status in REFUSED:
                self._report(pod, memory, NOT_STOPPED, error.description)
            raise

    def _report(self, pod: Manifest, memory: _Memory, reason: str, message: str) -> None:
        """Record a warning, once."""
        if (reason, message) in memory.reported:
            return
        self.recorder.record(pod_reference(pod), "Warning", reason, message)
        if len(memory.reported) >= MOST_REPORTS:
            memory.reported.clear()
        memory.reported.add((reason, message))


def _news(found: SidecarVerdict) -> str:
    if found.stop_at is None:
        return f"the pod goes on: {found.outcome.message}"
    end = f"the operator deletes the pod at {timestamp(found.stop_at)}"
    return f"{end}, unless this changes: {found.outcome.message}. {REMEDY_OF_DENIAL}"
