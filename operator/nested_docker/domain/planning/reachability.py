"""Whether clients can reach the daemon: first by the operator's probe, then by the kubelet's readiness probe."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from nested_docker.domain import names
from nested_docker.domain.modes.base import ModeBehaviour
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.observed import Observed
from nested_docker.domain.planning.pod_state import STARTING, PodState
from nested_docker.domain.planning.unreachable import unanswered
from nested_docker.domain.status.conditions import parse_timestamp
from nested_docker.domain.status.reasons import Reason, Type

SETTLING = timedelta(seconds=20)
"""How long after the first answer the kubelet may call the pod ready for the first time."""


@dataclass(frozen=True)
class Reachability:
    """Whether clients can reach the daemon, and why.

    Attributes:
        reachable: whether clients can connect.
        reason: reason of the condition.
        message: message of the condition.
        probe_result: which start of which pod has answered; empty: this pod never has, and clients must wait.
        fresh: whether the daemon has answered just now, so that there is news of it.
        needs_probe: whether the operator should probe the daemon.
    """

    reachable: bool
    reason: Reason
    message: str
    probe_result: str = ""
    fresh: bool = False
    needs_probe: bool = False


def assess(observed: Observed, pod: PodState | None, mode: ModeBehaviour, operator_namespace: str) -> Reachability:
    """Assess the current pod.

    The first answer over TLS opens the gate, about a second before the kubelet calls the pod ready. From then on
    the kubelet's readiness probe decides, and the operator does not poll. It asks again when another daemon may
    answer: after each start of the container, and in mode HostSocket each time that the pod becomes ready again.

    Args:
        observed: the NestedDocker.
        pod: its current pod; None: there is none.
        mode: explains messages that only it knows.
        operator_namespace: where connections of the operator come from, for messages.
    """
    if pod is None:
        reason, message = STARTING
        return Reachability(reachable=False, reason=reason, message=message)
    node = observed.cluster.nodes.get(pod.node)
    if node is not None and not node.ready:
        message = f"node {pod.node} is not ready; the connection Secret is withdrawn until it is"
        return Reachability(reachable=False, reason=Reason.NODE_NOT_READY, message=message)
    mark, fresh = _probe_result(observed, pod, mode)
    probeable = pod.daemon_running and bool(pod.ip)
    if not mark:
        reason, message = pod.failure(mode, observed.diagnoses.get(pod.uid, ""))
        if reason == Reason.DAEMON_STARTING and pod.daemon_running:
            reason, message = _not_answered(observed, pod, operator_namespace)
        return Reachability(reachable=False, reason=reason, message=message, needs_probe=probeable)
    reachable, reason, message = _restarted_since_probe(observed, pod, mode, mark)
    return Reachability(
        reachable=reachable,
        reason=reason,
        message=message,
        probe_result=mark,
        fresh=fresh,
        needs_probe=probeable and not fresh and (observed.status.engine is None or _outdated(mark, pod, mode)),
    )


def _not_answered(observed: Observed, pod: PodState, operator_namespace: str) -> tuple[Reason, str]:
    """A daemon that runs and has never answered: it starts, or something is in the operator's way."""
    failure, known = observed.probe_failure, observed.status.condition(Type.DAEMON_REACHABLE)
    if failure is not None and (failure.pod_uid, failure.restarts) == (pod.uid, pod.restarts):
        words = unanswered(failure, pod.name, operator_namespace)
        if pod.daemon_ready:
            return Reason.DAEMON_UNREACHABLE, f"the daemon runs, but {words}"
        return Reason.DAEMON_STARTING, f"the daemon's container runs, but {words}"
    reported = known is not None and known.reason == Reason.DAEMON_UNREACHABLE
    if known is not None and reported and pod.daemon_ready and observed.status.pod_name == pod.name:
        return Reason.DAEMON_UNREACHABLE, known.message  # the operator has restarted, and has not tried for long
    return STARTING


def _probe_result(observed: Observed, pod: PodState, mode: ModeBehaviour) -> tuple[str, bool]:
    """The mark of this pod's answer, from memory or from the files Secret, and whether it is new."""
    result = observed.probe_result
    if result is not None and result.pod_uid == pod.uid and not _outdated(result.mark(), pod, mode):
        return result.mark(), True
    files = observed.children.get(ObjectNames(observed.owner).files_secret)
    kept = files["metadata"].get("annotations", {}).get(names.ANNOTATION_PROBED, "") if files else ""
    return (kept if kept.partition("/")[0] == pod.uid else ""), False


def _outdated(mark: str, pod: PodState, mode: ModeBehaviour) -> bool:
    """Whether another daemon may answer than the one that the mark is of.

    A daemon in the pod lives as long as its container. That of the node may be replaced; its relay lets the readiness
    probe fail then.
    """
    start, time = _parts(mark)
    if start != _start(pod):
        return True
    if mode.runs_own_daemon or not pod.ready_since:
        return False
    return time is None or parse_timestamp(pod.ready_since) - time > SETTLING


def _start(pod: PodState) -> str:
    return f"{pod.uid}/{pod.restarts}"


def _parts(mark: str) -> tuple[str, datetime | None]:
    """The start of a pod that has answered, and when; None: an earlier version wrote the mark, or not the operator."""
    start, _, time = mark.rpartition("/")
    try:
        return start, datetime.strptime(time, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return (mark if mark.count("/") == 1 else start), None


def _restarted_since_probe(
    observed: Observed, pod: PodState, mode: ModeBehaviour, mark: str
) -> tuple[bool, Reason, str]:
    same_start = _parts(mark)[0] == _start(pod)
    answered_since_start = same_start and pod.daemon_running and not pod.daemon_was_ready
    if pod.daemon_ready or answered_since_start:
        restarted = " (restarted after it was killed at its memory limit)" if pod.out_of_memory() else ""
        return True, Reason.DAEMON_ANSWERED, f"the daemon answers over TLS{restarted}"
    if pod.daemon_running and pod.daemon_was_ready:
        return (
            False,
            Reason.DAEMON_UNREACHABLE,
            "the daemon's readiness probe fails; see kubectl describe pod",
        )
    reason, message = pod.failure(mode, observed.diagnoses.get(pod.uid, ""))
    if reason == Reason.DAEMON_STARTING:
        return False, Reason.DAEMON_RESTARTING, "the kubelet restarts the daemon's container"
    return False, reason, message
