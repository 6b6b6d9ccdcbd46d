"""One pass over one NestedDocker: observe, plan, execute, write the status."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import datetime

from nested_docker.api.v1alpha1 import NestedDockerStatus
from nested_docker.controller.cache import Cache
from nested_docker.controller.cleaner import Cleaner, CleanupRejectedError
from nested_docker.controller.credentials_reader import CredentialsReader
from nested_docker.controller.daemon_prober import DaemonProber
from nested_docker.controller.diagnosis import DIAGNOSE_INTERVAL, Diagnoser
from nested_docker.controller.executor import Executor
from nested_docker.controller.failure import GoverningUnread, RequestFailed, requesting
from nested_docker.controller.fresh_look import FreshLook
from nested_docker.controller.injections import Injections, SettledInjection
from nested_docker.controller.key_sets import KeySets
from nested_docker.controller.observer import Observer
from nested_docker.controller.orphans import Orphans
from nested_docker.controller.outcome import (
    Gone,
    NotConverged,
    Outcome,
    Rejected,
    Settled,
    Stale,
    WriteOutcome,
    Written,
)
from nested_docker.controller.routing import Router
from nested_docker.controller.session import KeyMaterial, Session, Sessions
from nested_docker.controller.status_writer import StatusWriter
from nested_docker.controller.workqueue import Key
from nested_docker.domain.effective import OperatorDefaults
from nested_docker.domain.key_set import KeySet
from nested_docker.domain.manifests.storage import claim_users
from nested_docker.domain.objects import Identity
from nested_docker.domain.observed import Observed
from nested_docker.domain.planning.child_diff import Apply, Create, Delete, Stage
from nested_docker.domain.planning.plan import plan
from nested_docker.domain.planning.planned import Plan
from nested_docker.domain.ports import Certificates, Clock, Kube, KubeError, Recorder
from nested_docker.domain.status.reasons import Type

logger = logging.getLogger(__name__)

PLANS_PER_PASS = 16
"""One plan, one more with a new key set, one with the answers to the writes, one for each rejected write, and a few for
a cluster that differs."""


@dataclass(frozen=True)
class _Replan:
    """What the next plan of a pass starts from.

    Attributes:
        issued: a key set that this pass has made and not written yet.
        looked_again: whether this pass has read again what governs the NestedDocker.
        rejected: the writes that the API server rejected in this pass.
        deleted: deletions that this pass has requested; the watch brings their results later.
        claim_users: pods that use the claim of the data-root; None: this pass has not looked.
        cleanup_failure: which request of the cleanup of nodes failed, as a sentence; empty: none.
    """

    issued: KeySet | None = None
    looked_again: bool = False
    rejected: tuple[Rejected, ...] = ()
    deleted: frozenset[Delete] = frozenset()
    claim_users: tuple[str, ...] | None = None
    cleanup_failure: str = ""


class Reconciler:
    """Brings NestedDockers closer to their specs."""

    def __init__(
        self,
        *,
        cache: Cache,
        router: Router,
        kube: Kube,
        certificates: Certificates,
        prober: DaemonProber,
        recorder: Recorder,
        clock: Clock,
        defaults: OperatorDefaults,
        sessions: Sessions,
        injections: Injections | None = None,
    ) -> None:
        self._cache, self._kube = cache, kube
        self._prober, self._clock, self._defaults = prober, clock, defaults
        self._sessions = sessions
        self._observer = Observer(cache)
        self._fresh_look = FreshLook(kube, cache, router, clock.monotonic)
        self._executor = Executor(kube, cache, sessions, clock)
        self._key_sets = KeySets(certificates, self._executor, clock)
        self._credentials = CredentialsReader(kube)
        self._orphans = Orphans(kube, cache)
        self._cleaner = Cleaner(kube, cache, recorder, clock, defaults)
        self._status = StatusWriter(kube, cache, recorder)
        self._diagnoser = Diagnoser(kube, clock)
        self._injections = injections

    async def reconcile(self, key: Key) -> Outcome:
        """One pass. If a request fails without which it cannot go on, the status says so.

        Raises:
            KubeError: a request to the API server failed; try again later.
        """
        try:
            return await self._complete_pass(key)
        except RequestFailed as failed:
            await self._report(key, failed)
            raise

    async def _report(self, key: Key, failed: RequestFailed) -> None:
        """Write what is true after a failed request."""
        session = self._sessions.of(key)
        if failed.momentary and not session.failures:
            return
        observed = self._observe(key, session, _Replan())
        if observed is None:
            return
        unread = isinstance(failed, GoverningUnread)
        observed = replace(observed, failed_request=failed.description, governing_unread=unread)
        try:
            await self._status.write(observed, plan(observed, self._clock.now(), self._defaults).status)
        except KubeError as error:
            context = {"namespace": key[0], "nested_docker": key[1]}
            logger.warning("the status cannot be written either: %s", error, extra=context)

    async def _complete_pass(self, key: Key) -> Outcome:
        injection = await self._injections.settle(key) if self._injections else SettledInjection()
        if injection.deleting:
            return Settled()
        await self._orphans.collect(key)
        cleanup_at, failure = await self._clean(key)
        outcome = await self._reconcile(key, _why_not_clean(failure))
        if failure is not None:  # the status has it already, where something waits for the cleanup
            raise KubeError(failure.status, failure.reason, failure.message, failure.retry_after) from failure
        match outcome:
            case Settled(requeue_at) | Rejected(requeue_at=requeue_at):
                return replace(outcome, requeue_at=_earliest(injection.look_at, cleanup_at, requeue_at))
            case _:
                return outcome

    async def _clean(self, key: Key) -> tuple[datetime | None, KubeError | None]:
        """Clean nodes up first. A failure is raised at the end of the pass, and does not stop the rest of it."""
        try:
            return await self._cleaner.clean(key), None
        except KubeError as error:
            return None, error

    async def _reconcile(self, key: Key, cleanup_failure: str) -> Outcome:
        session = self._sessions.of(key)
        known = self._cache.get("NestedDocker", *key)
        if known is None or "deletionTimestamp" in known["metadata"]:
            session.reset()
            session.corrections.clear()
            return await self._reconcile_deletion(key, cleanup_failure)
        if not await self._namespace_is_known(key[0]):
            return _nothing_left(key, Gone(f"namespace {key[0]} is gone"))
        at = _Replan(cleanup_failure=cleanup_failure)
        for _ in range(PLANS_PER_PASS):
            step = await self._plan_and_execute(key, session, at)
            if not isinstance(step, _Replan):
                return step
            at = step
        return NotConverged(PLANS_PER_PASS)

    async def _plan_and_execute(self, key: Key, session: Session, at: _Replan) -> _Replan | Outcome:
        revision = self._user_revision(key)
        found = await self._plan(key, session, at)
        if found is None:
            session.reset()
            return Settled()
        observed, planned, at = found
        denial = planned.status.denial if planned.status else None
        session.denial = denial if denial is not None and denial.until is None else session.denial
        if planned.issue is not None or planned.renew is not None:
            return await self._make_keys(key, session, observed, planned, at)
        _log_rivals(key, observed)
        planned = replace(planned, stages=_without(planned.stages, at.deleted))
        outcome = await self._carry_out(session, observed, planned)
        if isinstance(outcome, Written) and not _has_news(planned):
            outcome = await self._finish(key, session, observed, planned)
        elif isinstance(outcome, Written):
            return replace(at, issued=None, deleted=at.deleted | _deletions(planned))
        if not isinstance(outcome, Written):
            failed = self._key_sets.has_failed(key, session, at.issued, outcome)
            return replace(at, issued=None) if failed else _after_failure(key, session, at, outcome)
        # The answer to a write may carry a user's change, and then the watch brings nothing new.
        changed = self._user_revision(key) not in (None, revision)
        if changed or await self._diagnoser.diagnose(session, observed, planned.diagnose):
            return replace(at, issued=None)
        return replace(_rejection(at.rejected) or Settled(), requeue_at=self._requeue_at(planned))

    async def _plan(self, key: Key, session: Session, at: _Replan) -> tuple[Observed, Plan, _Replan] | None:
        """What is observed, the plan, and what it has looked up; None: the NestedDocker is gone.

        It denies nothing and pins no second choice of a mode without a fresh look, and shares no claim.
        """
        observed = self._observe(key, session, at)
        if observed is None:
            return None
        observed = replace(observed, registry_credentials=await self._credentials.look(observed))
        planned = plan(observed, self._clock.now(), self._defaults)
        if (planned.look_again or planned.pins_mode) and not at.looked_again:
            await self._look_again(observed, nodes=planned.pins_mode)
            return await self._plan(key, session, replace(at, looked_again=True))
        if planned.claim is None:
            return observed, planned, at
        with requesting("read the pods that use", planned.claim):
            pods = await self._kube.list("Pod", planned.claim.namespace)
        at = replace(at, claim_users=claim_users(pods, planned.claim.name))
        return await self._plan(key, session, at)

    async def _look_again(self, observed: Observed, *, nodes: bool) -> None:
        """Read afresh what governs it. Without permission the watch decides, so that a lost one lets nothing run on.

        Raises:
            GoverningUnread: the API server did not answer; try again later.
        """
        try:
            await self._fresh_look.look(observed, nodes=nodes)
        except RequestFailed as error:
            if error.status != 403:
                raise GoverningUnread(error.verb, error.identity, error) from error
            logger.warning("what governs a NestedDocker cannot be read again: %s", error)

    async def _make_keys(
        self, key: Key, session: Session, observed: Observed, planned: Plan, at: _Replan
    ) -> _Replan | Outcome:
        """Make a key set, or new pairs of the present one, with which the next plan is made."""
        if planned.issue is not None:
            counted = await self._count_replacement(key, observed, planned.status)
            return counted or replace(at, issued=self._key_sets.issue(session, planned.issue))
        assert planned.renew is not None  # noqa: S101 - narrows the type: the caller asks for one of both
        renewed = await self._key_sets.renew(key, session, observed, planned.renew)
        if isinstance(renewed, Stale):
            return _after_failure(key, session, at, renewed)
        return replace(at, issued=None if session.failed_renewal else renewed)

    async def _count_replacement(
        self, key: Key, observed: Observed, status: NestedDockerStatus | None
    ) -> Settled | None:
        """Write the status that counts a replacement, before it is made; an outcome: it cannot be made."""
        outcome = await self._status.write(observed, status)
        if isinstance(outcome, Gone):
            return _nothing_left(key, outcome)
        if status is not None and status.replacement is not None:
            cause, count = status.replacement.cause, status.replacement.count
            context = {"namespace": key[0], "nested_docker": key[1]}
            logger.info("the pod is replaced: %s, %d in a row", cause, count, extra=context)
        return None

    async def _carry_out(self, session: Session, observed: Observed, planned: Plan) -> WriteOutcome:
        if not observed.rejections and session.rejected and _has_news(planned):
            # A dry run of the writes that were rejected before, so that nothing is made and removed in turns.
            for identity in sorted(session.rejected, key=str):
                still = await self._executor.still_rejected(observed, planned.stages, identity)
                if isinstance(still, Written | Rejected):  # the next key set's objects have other names
                    session.rejected -= {identity}
                if not isinstance(still, Written):
                    return still
        return await self._executor.run(observed, planned.stages)

    async def _finish(self, key: Key, session: Session, observed: Observed, planned: Plan) -> WriteOutcome:
        owner = observed.owner
        if planned.delete_self:
            with requesting("delete", Identity("NestedDocker", owner.namespace, owner.name)):
                await self._kube.delete("NestedDocker", owner.namespace, owner.name, owner.uid)
            return Written()
        keys = await self._keys_for_probe(session, observed, planned)
        if isinstance(keys, Stale):
            return keys
        outcome = await self._status.write(observed, planned.status)
        if not isinstance(outcome, Written):
            return outcome
        session.denial = None
        status = planned.status or observed.status
        if session.admitted and status.admitted_pod and session.admitted.uid == status.admitted_pod.uid:
            session.admitted = None
        if planned.probe is not None:
            if keys is not None:
                session.stop_probe()
                session.probe = self._prober.start(key, planned.probe, keys)
        elif not planned.keep_answer:
            session.stop_probe()
            if status.holds(Type.READY):
                session.reset()
        return outcome

    async def _keys_for_probe(self, session: Session, observed: Observed, planned: Plan) -> KeyMaterial | Stale | None:
        """What a new probe needs; None: there is no new probe. It is read before the status says that all is well."""
        if planned.probe is None or (session.probe is not None and session.probe.target == planned.probe):
            return None
        return await self._executor.keys(observed)

    async def _reconcile_deletion(self, key: Key, cleanup_failure: str) -> Outcome:
        """A deleted NestedDocker stays until what it has in other places is gone; its status says why it stays."""
        for _ in range(PLANS_PER_PASS):
            observed = self._observer.observe(key)
            if observed is None:
                return Settled()
            observed = replace(observed, cleanup_failure=cleanup_failure)
            planned = plan(observed, self._clock.now(), self._defaults)
            outcome = await self._executor.run(observed, planned.stages)
            if isinstance(outcome, Written):
                outcome = await self._status.write(observed, planned.status)
            match outcome:
                case Stale(detail):
                    _log_replan(key, detail)
                case Gone() as gone:
                    return _nothing_left(key, gone)
                case Rejected() as rejected:
                    return rejected
                case Written():
                    return Settled()
        return NotConverged(PLANS_PER_PASS)

    async def _namespace_is_known(self, name: str) -> bool:
        """Look up a namespace that the watch has not brought yet: unknown labels are not missing labels."""
        if self._cache.get("Namespace", "", name) is not None:
            return True
        with requesting("read", Identity("Namespace", "", name)):
            namespace = await self._kube.get("Namespace", None, name)
        if namespace is not None:
            self._cache.put(namespace, "Namespace")
        return namespace is not None

    def _observe(self, key: Key, session: Session, at: _Replan) -> Observed | None:
        observed = self._observer.observe(key)
        if observed is None:
            return None
        diagnosis = session.diagnosis
        return replace(
            observed,
            issued=at.issued,
            failed_renewal=session.failed_renewal,
            probe_result=session.probe.result if session.probe else None,
            probe_failure=session.probe.failure if session.probe else None,
            rejections={each.identity: each.api_rejection for each in at.rejected},
            diagnoses={diagnosis.pod_uid: diagnosis.text} if diagnosis else {},
            corrections=session.corrections,
            made=session.made,
            admitted=session.admitted,
            denial=session.denial,
            claim_users=at.claim_users,
            cleanup_failure=at.cleanup_failure,
        )

    def _user_revision(self, key: Key) -> tuple[int, bool, dict[str, str]] | None:
        """What a user can change of the NestedDocker: generation, deletion, annotations; None: it is gone."""
        known = self._cache.get("NestedDocker", *key)
        if known is None:
            return None
        metadata = known["metadata"]
        return metadata.get("generation", 0), "deletionTimestamp" in metadata, metadata.get("annotations", {})

    def _requeue_at(self, planned: Plan) -> datetime | None:
        diagnosis_at = self._clock.now() + DIAGNOSE_INTERVAL if planned.diagnose else None
        return _earliest(planned.requeue_at, diagnosis_at)


def _why_not_clean(failure: KubeError | None) -> str:
    """Why a node is not clean, for the condition; empty: nothing failed."""
    return failure.description if isinstance(failure, CleanupRejectedError | RequestFailed) else ""


def _has_news(planned: Plan) -> bool:
    """Whether the answers to the plan's writes say what other admission plugins, or the API server, made of them."""
    return any(isinstance(action, Create | Apply) for stage in planned.stages for action in stage)


def _deletions(planned: Plan) -> frozenset[Delete]:
    return frozenset(action for stage in planned.stages for action in stage if isinstance(action, Delete))


def _without(stages: tuple[Stage, ...], deleted: frozenset[Delete]) -> tuple[Stage, ...]:
    """The stages without deletions that have been requested already."""
    return tuple(
        tuple(action for action in stage if not (isinstance(action, Delete) and action in deleted)) for stage in stages
    )


def _after_failure(key: Key, session: Session, at: _Replan, outcome: Stale | Rejected | Gone) -> _Replan | Outcome:
    match outcome:
        case Stale(detail):
            _log_replan(key, detail)
            return replace(at, issued=None)
        case Rejected() if outcome.identity in {each.identity for each in at.rejected}:
            return outcome
        case Rejected():
            session.rejected |= {outcome.identity}
            return replace(at, issued=None, rejected=(*at.rejected, outcome))
        case Gone():
            return _nothing_left(key, outcome)


def _rejection(rejected: tuple[Rejected, ...]) -> Rejected | None:
    """The rejection that decides when the next pass is: one that may pass, if there is one."""
    return next((each for each in rejected if each.may_pass), next(iter(rejected), None))


def _nothing_left(key: Key, gone: Gone) -> Settled:
    logger.info("nothing to do: %s", gone.detail, extra={"namespace": key[0], "nested_docker": key[1]})
    return Settled()


def _log_replan(key: Key, detail: str) -> None:
    logger.debug("planning again: %s", detail, extra={"namespace": key[0], "nested_docker": key[1]})


def _log_rivals(key: Key, observed: Observed) -> None:
    if observed.rivals:
        logger.warning(
            "another operator makes key sets for the same NestedDocker (Secret %s): let only one installation serve "
            "namespace %s, by watchNamespaces of its chart",
            ", ".join(observed.rivals),
            key[0],
            extra={"namespace": key[0], "nested_docker": key[1]},
        )


def _earliest(*moments: datetime | None) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)
