"""The lifetime: when a NestedDocker ends, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from nested_docker.api.v1alpha1.nested_docker import ContainerResult
from nested_docker.api.v1alpha1.workload import RestartPolicy
from nested_docker.domain.admission.acceptance import Accepted
from nested_docker.domain.modes.dockerd import IDLE_WATCH
from nested_docker.domain.observed import Observed
from nested_docker.domain.planning.pod_state import PodState
from nested_docker.domain.status.conditions import parse_timestamp, timestamp
from nested_docker.domain.status.reasons import Reason, Trait, Type, traits_of

FINISHED_GRACE = timedelta(seconds=30)
"""How long the pod of a finished workload may take to end.

A container beside the workload, from the class or from an admission webhook, may never exit, and the daemon would run
on with it.
"""


@dataclass(frozen=True)
class Ending:
    """Why a NestedDocker never gets a daemon again.

    Attributes:
        pod_lost: whether its pod ended and not its workload.
    """

    reason: Reason
    message: str
    keeps_pod: bool = False
    pod_lost: bool = False
    results: list[ContainerResult] = field(default_factory=list)


def one_shot(accepted: Accepted) -> bool:
    """Whether the workload is one-shot: its containers exit, and that ends the NestedDocker."""
    workload = accepted.spec.workload
    return workload is not None and workload.restart_policy == RestartPolicy.NEVER


def deadline(observed: Observed, accepted: Accepted) -> datetime | None:
    """When the operator stops the daemon; None: never."""
    seconds = accepted.lifetime_seconds
    return observed.created + timedelta(seconds=seconds) if seconds is not None else None


def ending(observed: Observed, accepted: Accepted, pod: PodState | None, now: datetime) -> Ending | None:
    """Why it has ended, now or in an earlier pass; None: it has not.

    Args:
        observed: the NestedDocker.
        accepted: its accepted request.
        pod: its current pod.
        now: the current time.
    """
    return (
        _remembered(observed)
        or (_workload_ended(accepted, pod) if pod is not None and one_shot(accepted) else None)
        or _deadline_passed(observed, accepted, now)
        or _idle(accepted, pod)
    )


def time_to_live(accepted: Accepted, completion_time: str) -> datetime | None:
    """When a finished NestedDocker is deleted; None: it stays."""
    seconds = accepted.spec.ttl_seconds_after_finished
    if seconds is None:
        seconds = accepted.class_spec.lifetime.ttl_seconds_after_finished
    return None if seconds is None else parse_timestamp(completion_time) + timedelta(seconds=seconds)


def _remembered(observed: Observed) -> Ending | None:
    ready = observed.status.condition(Type.READY)
    if observed.status.completion_time is None or ready is None or Trait.FINAL not in traits_of(ready.reason):
        return None
    reason = Reason(ready.reason)
    return Ending(reason, ready.message, keeps_pod=reason.has(Trait.KEEPS_POD), results=observed.status.results)


def _workload_ended(accepted: Accepted, pod: PodState) -> Ending | None:
    workload = accepted.spec.workload
    results = pod.results([container.name for container in workload.containers]) if workload else None
    if results is None:
        if not pod.ended:
            return None
        first = [container.name for container in workload.init_containers or []] if workload else []
        failed = [result for name in first for result in pod.results([name]) or [] if result.exit_code != 0]
        if failed:
            return _failed(pod, failed, failed)
        message = f"the pod ended before its workload ({pod.ending()})"
        return Ending(Reason.WORKLOAD_FAILED, message, keeps_pod=True, pod_lost=True)
    failed = [result for result in results if result.exit_code != 0]
    if failed:
        return _failed(pod, failed, results)
    return Ending(Reason.COMPLETED, "every container exited with code 0", keeps_pod=True, results=results)


def _failed(pod: PodState, failed: list[ContainerResult], results: list[ContainerResult]) -> Ending:
    failures = ", ".join(f"container {result.name} exited with code {result.exit_code}" for result in failed)
    message = f"{failures}; see kubectl logs {pod.name} --container {failed[0].name}"
    return Ending(Reason.WORKLOAD_FAILED, message, keeps_pod=True, results=results)


def _deadline_passed(observed: Observed, accepted: Accepted, now: datetime) -> Ending | None:
    end = deadline(observed, accepted)
    if end is None or now < end:
        return None
    return Ending(
        Reason.DEADLINE_EXCEEDED, f"activeDeadlineSeconds ended at {timestamp(end)}; the operator stopped the daemon"
    )


def _idle(accepted: Accepted, pod: PodState | None) -> Ending | None:
    seconds = accepted.effective.idle_timeout_seconds
    if seconds is None or pod is None or not pod.finished_idle(IDLE_WATCH):
        return None
    return Ending(
        Reason.IDLE_TIMEOUT,
        f"no running container and no open connection for {seconds} s; the operator stopped the daemon",
    )
