"""One pass over one NestedDocker: observe, plan, carry out, tell."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from nested_docker.api.v1alpha1 import API_VERSION, NestedDockerStatus
from nested_docker.controller.cache import Cache
from nested_docker.controller.cleaner import Cleaner
from nested_docker.controller.daemon_prober import DaemonProber
from nested_docker.controller.errors import NamespaceEnds, Outdated, WriteRejected
from nested_docker.controller.executor import Executor
from nested_docker.controller.observer import Observer
from nested_docker.controller.orphans import Orphans
from nested_docker.controller.workqueue import Key
from nested_docker.domain.effective import OperatorDefaults
from nested_docker.domain.manifests.secrets import value_digest
from nested_docker.domain.names import FINALIZER
from nested_docker.domain.objects import Identity
from nested_docker.domain.observed import ApiRejection, KeySet, Observed
from nested_docker.domain.pki import CertificateRequest
from nested_docker.domain.planning.plan import plan
from nested_docker.domain.planning.planned import Plan
from nested_docker.domain.ports import Certificates, Clock, Kube, KubeError, Recorder
from nested_docker.domain.status.events import transitions
from nested_docker.domain.status.reasons import Reason, Type

logger = logging.getLogger(__name__)

ATTEMPTS = 6
"""Plans per pass: one, one with a new key set, and a few for what turns out differently."""

DIAGNOSE_INTERVAL = timedelta(seconds=10)
"""Least time between two looks at the Events of a pod that does not start."""


class NotConverged(Exception):
    """The pass kept meeting a cluster that differs from what was known; it is tried again later."""


@dataclass
class _Diagnosis:
    pod_uid: str
    text: str
    at: datetime


class Reconciler:
    """Brings NestedDockers closer to what they ask for. Remembers nothing that a restart may not lose."""

    def __init__(
        self,
        *,
        cache: Cache,
        kube: Kube,
        certificates: Certificates,
        prober: DaemonProber,
        recorder: Recorder,
        clock: Clock,
        defaults: OperatorDefaults,
    ) -> None:
        self._cache, self._kube, self._certificates = cache, kube, certificates
        self._prober, self._recorder, self._clock = prober, recorder, clock
        self._defaults = defaults
        self._observer = Observer(cache)
        self._executor = Executor(kube, cache)
        self._orphans = Orphans(kube, cache)
        self._cleaner = Cleaner(kube, cache, recorder, clock, defaults)
        self._rejected_writes: dict[Key, Identity] = {}
        self._diagnoses: dict[Key, _Diagnosis] = {}

    async def reconcile(self, key: Key) -> datetime | None:
        """One pass.

        Returns:
            When to look again at the latest; None: when something happens.

        Raises:
            KubeError: the API server did not do its part; try again later.
            NotSettled: try again later.
            Refused: what was refused before still is, and its status tells so; ask again later.
        """
        try:
            await self._orphans.collect(key)
            again, unclean = await self._clean(key)
            known = self._cache.get("NestedDocker", *key)
            if known is not None and "deletionTimestamp" not in known["metadata"]:
                again = _earliest(again, await self._reconcile(key))
            else:
                self._forget(key)
                await self._reconcile_deletion(key)
            if unclean is not None:
                raise unclean
            return again
        except NamespaceEnds as ends:
            logger.info("nothing to do: %s", ends, extra={"namespace": key[0], "nested_docker": key[1]})
            return None

    async def _clean(self, key: Key) -> tuple[datetime | None, KubeError | None]:
        """Nodes first. Trouble with them is told at the end of the pass: it is no reason to leave the rest undone."""
        try:
            return await self._cleaner.clean(key), None
        except KubeError as error:
            return None, error

    async def _reconcile(self, key: Key) -> datetime | None:
        await self._know_namespace(key[0])
        issued: KeySet | None = None
        rejected_write: WriteRejected | None = None
        for _ in range(ATTEMPTS):
            asked = self._asked(key)
            observed = self._observe(key, issued, rejected_write)
            if observed is None:
                self._forget(key)
                return None
            planned = plan(observed, self._clock.now(), self._defaults)
            if planned.issue is not None:
                issued = self._issue(key, planned.issue)
                continue
            try:
                if rejected_write is None:
                    await self._recheck(key, observed, planned)
                await self._executor.run(observed, planned.stages)
                await self._finish(key, observed, planned)
            except Outdated as outdated:
                logger.debug("planning again: %s", outdated, extra={"namespace": key[0], "nested_docker": key[1]})
                issued = None
                continue
            except WriteRejected as now_refused:
                if rejected_write is not None:
                    raise
                self._rejected_writes[key] = now_refused.identity
                rejected_write = now_refused
                continue
            # The answer to a write may tell what somebody did meanwhile, and then the watch brings nothing new.
            if self._asked(key) not in (None, asked) or await self._diagnose(key, observed, planned.diagnose):
                issued = None
                continue
            if rejected_write is not None:
                raise rejected_write
            return self._next_look(planned)
        raise NotConverged(f"{ATTEMPTS} plans in a row met a different cluster")

    async def _reconcile_deletion(self, key: Key) -> None:
        """A NestedDocker that is deleted stays until what it has elsewhere is gone; why it stays longer is told."""
        for _ in range(ATTEMPTS):
            observed = self._observer.observe(key)
            if observed is None:
                return
            planned = plan(observed, self._clock.now(), self._defaults)
            try:
                await self._executor.run(observed, planned.stages)
                if planned.status is not None:
                    await self._write_status(observed, planned.status)
            except Outdated as outdated:
                logger.debug("planning again: %s", outdated, extra={"namespace": key[0], "nested_docker": key[1]})
            except KubeError as error:
                if error.status == 403:
                    await self._tell_hindrance(observed, error)
                raise
            else:
                return
        raise NotConverged(f"{ATTEMPTS} plans in a row met a different cluster")

    async def _tell_hindrance(self, observed: Observed, error: KubeError) -> None:
        message = (
            f"deletion waits, since the operator may not remove what is in another namespace: {error.message}. It is "
            "tried again from time to time; a cluster admin gives it its rights there back, or removes what is there "
            f"and takes the finalizer {FINALIZER} off"
        )
        rejected_write = replace(observed, api_rejection=ApiRejection(Reason.API_REJECTED, message))
        planned = plan(rejected_write, self._clock.now(), self._defaults)
        if planned.status is not None:
            await self._write_status(observed, planned.status)

    async def _know_namespace(self, name: str) -> None:
        """A namespace that the watch has not brought yet is looked up: unknown labels are not absent ones.

        Raises:
            NamespaceEnds: it is gone.
        """
        if self._cache.get("Namespace", "", name) is not None:
            return
        namespace = await self._kube.get("Namespace", None, name)
        if namespace is None:
            raise NamespaceEnds(f"namespace {name} is gone")
        self._cache.put(namespace, "Namespace")

    def _observe(self, key: Key, issued: KeySet | None, rejected_write: WriteRejected | None) -> Observed | None:
        observed = self._observer.observe(key)
        if observed is None:
            return None
        diagnosis = self._diagnoses.get(key)
        return replace(
            observed,
            issued=issued,
            probe_result=self._prober.probe_result(key),
            api_rejection=rejected_write.api_rejection if rejected_write else None,
            diagnoses={diagnosis.pod_uid: diagnosis.text} if diagnosis else {},
        )

    def _issue(self, key: Key, request: CertificateRequest) -> KeySet:
        keys = self._certificates.issue(request)
        self._executor.store_keys(key, keys)
        return KeySet({name: value_digest(value) for name, value in keys.items()}, request.not_after)

    async def _recheck(self, key: Key, observed: Observed, planned: Plan) -> None:
        """What was refused before is asked for without writing first, so that nothing is made and unmade in turns."""
        identity = self._rejected_writes.get(key)
        if identity is None:
            return
        api_rejection = await self._executor.still_rejected(observed, planned.stages, identity)
        if api_rejection is not None:
            raise WriteRejected(identity, api_rejection)
        del self._rejected_writes[key]

    async def _finish(self, key: Key, observed: Observed, planned: Plan) -> None:
        owner = observed.owner
        if planned.delete_self:
            await self._kube.delete("NestedDocker", owner.namespace, owner.name, owner.uid)
            return
        if planned.status is not None:
            await self._write_status(observed, planned.status)
        if planned.probe is not None and not self._prober.probing(key, planned.probe):
            self._prober.probe(key, planned.probe, await self._executor.keys(observed))
        elif planned.probe is None:
            self._prober.forget(key)
            if (planned.status or observed.status).holds(Type.READY):
                self._forget(key)

    async def _write_status(self, observed: Observed, status: NestedDockerStatus) -> None:
        owner = observed.owner
        identity = {"name": owner.name, "namespace": owner.namespace, "uid": owner.uid}
        head = {"apiVersion": API_VERSION, "kind": "NestedDocker", "metadata": identity}
        try:
            written = await self._kube.apply_status(head | {"status": status.dump()})
        except KubeError as error:
            if error.status == 404:
                raise NamespaceEnds("the NestedDocker has just been deleted") from error
            raise
        self._cache.put(written, "NestedDocker")
        regarding = {"apiVersion": API_VERSION, "kind": "NestedDocker", **identity}
        for step in transitions(observed.status, status):
            self._recorder.record(regarding, step.type, step.reason, step.message)
            logger.info(
                "%s: %s", step.reason, step.message, extra={"namespace": owner.namespace, "nested_docker": owner.name}
            )

    async def _diagnose(self, key: Key, observed: Observed, pod_uid: str) -> bool:
        """Look the kubelet's last warning up, where a pod is in need of it; whether it says something new."""
        if not pod_uid:
            return False
        now, known = self._clock.now(), self._diagnoses.get(key)
        if known is not None and known.pod_uid != pod_uid:
            known = None
        if known is not None and now - known.at < DIAGNOSE_INTERVAL:
            return False
        namespace = next(each.namespace for each, pod in observed.ours() if pod["metadata"].get("uid") == pod_uid)
        events = await self._kube.list("CoreEvent", namespace, fields=f"involvedObject.uid={pod_uid},type=Warning")
        latest = max(events, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime")), default={})
        text = str(latest.get("message", ""))
        self._diagnoses[key] = _Diagnosis(pod_uid, text, now)
        return text != (known.text if known is not None else "")

    def _asked(self, key: Key) -> tuple[int, bool, dict[str, str]] | None:
        """What others say of the NestedDocker, to be compared: generation, deletion, annotations; None: it is gone."""
        known = self._cache.get("NestedDocker", *key)
        if known is None:
            return None
        metadata = known["metadata"]
        return metadata.get("generation", 0), "deletionTimestamp" in metadata, metadata.get("annotations", {})

    def _next_look(self, planned: Plan) -> datetime | None:
        again = self._clock.now() + DIAGNOSE_INTERVAL if planned.diagnose else None
        return _earliest(planned.requeue_at, again)

    def _forget(self, key: Key) -> None:
        self._prober.forget(key)
        self._executor.forget_keys(key)
        self._rejected_writes.pop(key, None)
        self._diagnoses.pop(key, None)


def _earliest(*moments: datetime | None) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)
