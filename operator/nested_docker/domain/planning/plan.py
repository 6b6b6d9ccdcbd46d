"""The plan: from an observed NestedDocker to the next writes and its next status.

Pure and level-based: the same observation gives the same plan, whatever happened before, and a plan that was
executed in part is simply made again. `DECISIONS` is the order of precedence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from nested_docker.api.meta import Status
from nested_docker.api.v1alpha1 import NestedDockerStatus
from nested_docker.api.v1alpha1.nested_docker import Replacement
from nested_docker.domain import pki
from nested_docker.domain.admission.acceptance import NotAccepted, accept, class_override_violation
from nested_docker.domain.admission.denial_clock import denied
from nested_docker.domain.effective import OperatorDefaults
from nested_docker.domain.names import FINALIZER
from nested_docker.domain.objects import Identity
from nested_docker.domain.observed import ApiRejection, Observed
from nested_docker.domain.planning import exposure, lifetime, patience
from nested_docker.domain.planning import node_cleanup as cleanup
from nested_docker.domain.planning.child_diff import ChildDiff, nonempty
from nested_docker.domain.planning.patience import Grace
from nested_docker.domain.planning.planned import Plan, if_changed
from nested_docker.domain.planning.reachability import assess
from nested_docker.domain.planning.replacement import REVOKED, SERVES_ON, Cause
from nested_docker.domain.planning.serving import serve
from nested_docker.domain.planning.situation import Situation
from nested_docker.domain.planning.status import status_of, truth
from nested_docker.domain.planning.waiting import why_it_waits, why_replaced
from nested_docker.domain.status.conditions import Conditions, parse_timestamp, timestamp
from nested_docker.domain.status.reasons import Reason, Type

__all__ = ["plan"]

Decide = Callable[[Situation, Conditions], Plan | None]
"""The plan, if this decision applies; None: it does not, and the next one is asked."""


def plan(observed: Observed, now: datetime, defaults: OperatorDefaults) -> Plan:
    """Plan the next step of a NestedDocker."""
    if observed.deleted:
        return _deleted(observed, now, defaults)
    acceptance = accept(observed, defaults)
    if isinstance(acceptance, NotAccepted):
        finished = observed.status.completion_time
        if observed.governing_unread and not finished:
            return _undecided(observed, now)
        return _finished(observed, now) if finished else _not_accepted(observed, acceptance, now, defaults)
    pins_mode = observed.status.mode is None and acceptance.is_second_choice
    if pins_mode and observed.failed_request:
        return _undecided(observed, now)  # that request may have been to confirm the choice
    at = Situation(observed, acceptance, now, defaults)
    conditions = Conditions(observed.status.conditions, generation=observed.generation, now=now)
    conditions.set(Type.ACCEPTED, Status.TRUE, acceptance.reason, acceptance.message)
    planned = next(found for decide in DECISIONS if (found := decide(at, conditions)) is not None)
    planned = replace(planned, pins_mode=pins_mode)
    return _looking_again(planned) if at.cause in REVOKED else planned


def _ended(at: Situation, conditions: Conditions) -> Plan | None:
    ending = lifetime.ending(at.observed, at.accepted, at.pod, at.now)
    if ending is None:
        return None
    if at.observed.failed_request:
        if not (ending.keeps_pod or at.observed.status.completion_time):
            return None  # it has not been stopped
        conditions.set(Type.PROVISIONED, Status.FALSE, Reason.REQUEST_FAILED, at.observed.failed_request)
    completion = at.observed.status.completion_time or timestamp(at.now)
    until = lifetime.time_to_live(at.accepted, completion)
    if until is not None and until <= at.now and not at.observed.failed_request:
        return Plan(delete_self=True)
    completed = ending.reason == Reason.COMPLETED
    ends_by = parse_timestamp(completion) + lifetime.FINISHED_GRACE
    in_grace = ending.keeps_pod and at.now < ends_by
    running = [each for each, pod in at.children.pods().items() if in_grace and not pod.ended]
    keep = _ended_pods(at.children, *running) if ending.keeps_pod else ()
    conditions.set(Type.READY, truth(holds=completed), ending.reason, ending.message)
    if not completed:
        conditions.set(Type.STALLED, Status.TRUE, ending.reason, ending.message)
    if lifetime.one_shot(at.accepted):
        conditions.set(Type.COMPLETE if completed else Type.FAILED, Status.TRUE, ending.reason, ending.message)
    lost = at.lost_pod if ending.pod_lost else at.observed.status.lost_pod
    results = {"completion_time": completion, "results": ending.results, "lost_pod": lost}
    return Plan(
        stages=at.children.teardown(keep=keep),
        status=if_changed(at.observed, status_of(at, conditions, serving=False).model_copy(update=results)),
        requeue_at=min((moment for moment in (until, ends_by if running else None) if moment), default=None),
    )


def _request_failed(at: Situation, conditions: Conditions) -> Plan | None:
    """A request of this pass failed: the status says so, and what holds nevertheless."""
    if not at.observed.failed_request:
        return None
    conditions.set(Type.PROVISIONED, Status.FALSE, Reason.REQUEST_FAILED, at.observed.failed_request)
    reach = assess(at.observed, at.pod, at.mode, at.defaults.operator_namespace)
    conditions.assess(Type.DAEMON_REACHABLE, reach.reason, reach.message, holds=reach.reachable)
    status = status_of(at, conditions, serving=at.key_set is not None, reach=reach)
    return Plan(status=if_changed(at.observed, status))


def _suspended(at: Situation, conditions: Conditions) -> Plan | None:
    if not at.accepted.spec.suspend:
        return None
    conditions.set(Type.READY, Status.FALSE, Reason.SUSPENDED, "spec.suspend is true")
    return _torn_down(at, conditions)


def _write_rejected(at: Situation, conditions: Conditions) -> Plan | None:
    """The API server rejected a write before the daemon was complete, or nobody may reach the daemon any longer.

    What exists is removed, and the condition has the server's answer. A pod that this removes counts as replaced, so
    that the next one is not created and removed at once.
    """
    if not at.observed.rejections or _goes_on(at):
        return None
    rejection = next(iter(at.observed.rejections.values()))
    conditions.set(Type.PROVISIONED, Status.FALSE, rejection.reason, rejection.message)
    torn_down = status_of(at, conditions, serving=False)
    if at.pod is not None or at.pod_was_created:
        torn_down = torn_down.model_copy(update={"replacement": at.next_replacement(Cause.WRITE_REJECTED)})
    return Plan(stages=at.children.teardown(), status=if_changed(at.observed, torn_down))


def _moved(at: Situation, _: Conditions) -> Plan | None:
    """The class has another pod namespace now: this plan only removes what is in the old one."""
    needs_pod = at.pod is None or at.must_rotate
    return Plan(stages=at.children.teardown()) if needs_pod and at.object_names != at.wanted else None


def _no_new_pod(at: Situation, _: Conditions) -> Plan | None:
    """A running pod may stay, but no new one may be created."""
    if at.pod is not None and not at.must_rotate:
        return None
    if at.accepted.reason == Reason.GRANT_REVOKED:
        not_accepted: NotAccepted | None = NotAccepted(Reason.NOT_GRANTED, at.accepted.message)
    else:
        not_accepted = class_override_violation(at.observed, at.accepted, at.defaults)
    return None if not_accepted is None else _not_accepted(at.observed, not_accepted, at.now, at.defaults)


def _rotating(at: Situation, conditions: Conditions) -> Plan | None:
    """A new pod with a new key set, as soon as it may be created; until then the old one serves on or is removed."""
    if not at.must_rotate or (at.observed.rejections and _goes_on(at)):
        return None
    replacement = at.replacement
    if replacement is None or parse_timestamp(replacement.time) <= at.now:
        request = pki.certificate_request(
            at.object_names,
            cluster_domain=at.defaults.cluster_domain,
            now=at.now,
            deadline=at.deadline,
            rotation=at.rotation,
        )
        return Plan(issue=request, status=_counted(at, conditions) if replacement is not None else None)
    if at.cause in SERVES_ON and at.key_set is not None:
        return None
    return _waiting(at, conditions, replacement)


def _counted(at: Situation, conditions: Conditions) -> NestedDockerStatus | None:
    """The status before a replacement is made: it is counted, and nobody takes the old pod for the new one.

    A replacement that is tried again has been counted, and then the last status says why it failed.
    """
    before = at.observed.status
    if before.replacement == at.latest_replacement and not before.holds(Type.READY):
        return None
    if before.holds(Type.PROVISIONED):
        conditions.keep(Type.PROVISIONED)
    conditions.set(
        Type.DAEMON_REACHABLE, Status.UNKNOWN, Reason.DAEMON_STARTING, f"a new pod starts: {why_replaced(at)}"
    )
    known = {
        "conditions": conditions.complete(),
        "observed_generation": at.observed.generation,
        "observed_restart": at.observed.restart,
        "replacement": at.latest_replacement,
        "lost_pod": at.lost_pod,
    }
    return if_changed(at.observed, before.model_copy(update=known))


def _waiting(at: Situation, conditions: Conditions, replacement: Replacement) -> Plan:
    """What must not run any longer is removed at once, though its replacement comes later."""
    conditions.set(Type.PROVISIONED, Status.FALSE, *why_it_waits(at, replacement))
    pods = () if at.cause == Cause.POD_ENDED else tuple(at.children.pods())
    return Plan(
        stages=nonempty(at.children.withdraw(), at.children.remove(*pods)),
        status=if_changed(at.observed, status_of(at, conditions, serving=at.key_set is not None)),
        requeue_at=parse_timestamp(replacement.time),
    )


def _in_conflict(at: Situation, conditions: Conditions) -> Plan | None:
    """Somebody else has a name that a daemon needs; one that runs goes on without."""
    if not at.blocked or _goes_on(at):
        return None
    conflict = next(iter(at.blocked.values()))
    conditions.set(Type.PROVISIONED, Status.FALSE, conflict.reason, conflict.message)
    if conflict.reason == Reason.WAITING_FOR_PREVIOUS:
        return Plan(status=if_changed(at.observed, status_of(at, conditions, serving=False)))
    return _torn_down(at, conditions)


def _goes_on(at: Situation) -> bool:
    """Whether the daemon runs on although not every object can be written."""
    return at.was_complete and not (exposure.is_exposed(at) and exposure.grace_left(at) is None)


def _renewing(at: Situation, _: Conditions) -> Plan | None:
    """Client and operator get new pairs, and the pod runs on; the present pairs stay valid until they expire."""
    if at.renewal is None or at.key_set is None or at.observed.rejections:
        return None
    return Plan(renew=pki.RenewalRequest(at.observed.owner.uid, at.key_set.rotation, at.renewal))


def _serving(at: Situation, conditions: Conditions) -> Plan | None:
    return None if at.key_set is None else serve(at, conditions, at.key_set)


DECISIONS: tuple[Decide, ...] = (
    _ended,
    _request_failed,
    _suspended,
    _write_rejected,
    _moved,
    _no_new_pod,
    _rotating,
    _in_conflict,
    _renewing,
    _serving,
)
"""The decisions on an accepted NestedDocker, in order of precedence: the first that applies gives the plan."""


def _torn_down(at: Situation, conditions: Conditions) -> Plan:
    status = if_changed(at.observed, status_of(at, conditions, serving=False))
    return Plan(stages=at.children.teardown(), status=status)


# --- not accepted, or deleted ------------------------------------------------------------------------------


def _not_accepted(observed: Observed, acceptance: NotAccepted, now: datetime, defaults: OperatorDefaults) -> Plan:
    """Nothing is created. What runs has a grace time, and then everything is removed.

    A corrected spec, class or policy starts again.
    """
    grace = patience.grace(observed, now, defaults)
    return _looking_again(
        _stop(observed, acceptance, now) if grace is None else _wait(observed, acceptance, grace, now, defaults)
    )


def _looking_again(planned: Plan) -> Plan:
    """A plan that follows from what governs a NestedDocker, which is read again unless nothing changes."""
    changes = bool(planned.stages) or planned.status is not None or planned.issue is not None
    return replace(planned, look_again=changes)


def _undecided(observed: Observed, now: datetime) -> Plan:
    """What governs it cannot be read: nothing is denied, no mode is chosen, and what runs serves on."""
    conditions = Conditions(observed.status.conditions, generation=observed.generation, now=now)
    conditions.keep(Type.ACCEPTED, Type.DAEMON_REACHABLE, Type.UPDATE_PENDING)
    if observed.status.holds(Type.READY):
        conditions.keep(Type.READY)
    conditions.set(Type.PROVISIONED, Status.FALSE, Reason.REQUEST_FAILED, observed.failed_request)
    status = observed.status.model_copy(update={"conditions": conditions.complete()})
    return Plan(status=if_changed(observed, status))


def _stop(observed: Observed, acceptance: NotAccepted, now: datetime) -> Plan:
    conditions = Conditions(observed.status.conditions, generation=observed.generation, now=now)
    conditions.set(Type.ACCEPTED, Status.FALSE, acceptance.reason, acceptance.message)
    if observed.failed_request:
        conditions.set(Type.PROVISIONED, Status.FALSE, Reason.REQUEST_FAILED, observed.failed_request)
    before = observed.latest_denial
    status = NestedDockerStatus(
        observed_generation=observed.generation,
        observed_restart=observed.restart,
        conditions=conditions.complete(),
        class_name=observed.status.class_name,
        mode=observed.status.mode,
        modes_not_chosen=observed.status.modes_not_chosen,
        replacement=observed.status.replacement,
        lost_pod=observed.status.lost_pod,
        denial=None if before is None else denied(before, now),
    )
    return Plan(stages=ChildDiff(observed).teardown(), status=if_changed(observed, status))


def _wait(observed: Observed, acceptance: NotAccepted, grace: Grace, now: datetime, defaults: OperatorDefaults) -> Plan:
    """The daemon runs on until its grace time ends; clients that cannot connect any more wait, as always."""
    conditions = Conditions(observed.status.conditions, generation=observed.generation, now=now)
    conditions.keep(Type.PROVISIONED, Type.UPDATE_PENDING)
    if observed.failed_request:
        conditions.set(Type.PROVISIONED, Status.FALSE, Reason.REQUEST_FAILED, observed.failed_request)
    end = f"the operator stops the daemon at {timestamp(grace.until)}, unless this changes: {acceptance.message}"
    conditions.set(Type.ACCEPTED, Status.FALSE, acceptance.reason, end)
    reach = assess(observed, grace.pod, grace.mode, defaults.operator_namespace)
    conditions.assess(Type.DAEMON_REACHABLE, reach.reason, reach.message, holds=reach.reachable)
    if reach.reachable and observed.status.holds(Type.READY):
        conditions.set(Type.READY, Status.TRUE, Reason.READY, f"clients can connect; {end}")
    status = observed.status.model_copy(update={"conditions": conditions.complete(), "denial": grace.denial})
    return Plan(
        stages=nonempty(() if reach.probe_result else ChildDiff(observed).withdraw()),
        status=if_changed(observed, status),
        requeue_at=grace.until,
    )


def _finished(observed: Observed, now: datetime) -> Plan:
    """A finished NestedDocker without a grant keeps its results and its ended pods, for their logs."""
    children = ChildDiff(observed)
    conditions = Conditions(observed.status.conditions, generation=observed.generation, now=now)
    conditions.keep(*(type_ for type_ in Type if type_ != Type.PROVISIONED))
    if observed.failed_request:
        conditions.set(Type.PROVISIONED, Status.FALSE, Reason.REQUEST_FAILED, observed.failed_request)
    known = {"conditions": conditions.complete(), "observed_restart": observed.restart}
    status = observed.status.model_copy(update=known)
    return Plan(stages=children.teardown(keep=_ended_pods(children)), status=if_changed(observed, status))


def _ended_pods(children: ChildDiff, *more: Identity) -> tuple[Identity, ...]:
    return (*(each for each, pod in children.pods().items() if pod.ended), *more)


def _deleted(observed: Observed, now: datetime, defaults: OperatorDefaults) -> Plan:
    """Everything is removed without any evaluation; the status says what the deletion waits for."""
    children = ChildDiff(observed)
    if observed.failed_request:
        message = (
            f"deletion waits: {observed.failed_request}. As a last resort, the admin removes the objects, and then the "
            f"finalizer {FINALIZER}"
        )
        return Plan(status=_blocked(observed, ApiRejection(Reason.REQUEST_FAILED, message), now))
    unclean = [pod for _, pod in children.pods_needing_cleanup]
    waits = (
        ApiRejection(
            Reason.CLEANING_UP, cleanup.describe(unclean[0], defaults, observed.cluster.nodes, observed.cleanup_failure)
        )
        if unclean
        else None
    )
    return Plan(stages=children.finalize(), status=_blocked(observed, waits, now) if waits else None)


def _blocked(observed: Observed, blocker: ApiRejection, now: datetime) -> NestedDockerStatus | None:
    """The status that says why a deleted NestedDocker still exists."""
    conditions = Conditions(observed.status.conditions, generation=observed.generation, now=now)
    conditions.set(Type.PROVISIONED, Status.FALSE, blocker.reason, blocker.message)
    return if_changed(observed, observed.status.model_copy(update={"conditions": conditions.complete()}))
