"""Why a pod was lost: the pod's own status says who evicted or deleted it, in the cluster's words."""

from __future__ import annotations

from nested_docker.domain.planning.pod_state import PodState

DELETED = "Deleted"
"""Somebody deleted the pod. Its status does not say who: only the API server's audit log does."""

UNKNOWN = "Unknown"
"""The pod went while no operator watched, so nobody knows why."""

ENDED = "Ended"

EVICTED = "Evicted"

DISRUPTIONS = {
    "PreemptionByScheduler": "the scheduler removed the pod for one with a higher priority",
    "EvictionByEvictionAPI": "the pod was evicted through the API, as kubectl drain and autoscalers do",
    "DeletionByTaintManager": "node {node} got a taint that the pod does not tolerate, or does not respond",
    "DeletionByPodGC": "node {node} is gone, or was shut down",
    "TerminationByKubelet": "the kubelet of node {node} ended the pod",
}
"""Reasons of the pod's condition DisruptionTarget, and what each means."""

STATUS_REASONS = {
    EVICTED: "the kubelet of node {node} evicted the pod",
    "NodeLost": "node {node} does not respond",
    "Preempting": "the kubelet of node {node} ended the pod to make room for a critical one",
    "NodeShutdown": "node {node} shuts down",
    "Shutdown": "node {node} shuts down",
    "Terminated": "node {node} shuts down",
}
"""Reasons of a pod's status, and what each means."""


def why_lost(pod: PodState | None, node: str, *, node_exists: bool) -> tuple[str, str]:
    """A CamelCase word and a sentence about the loss of a pod.

    Args:
        pod: the pod as it was seen last; None: it is gone, and nobody saw it go.
        node: its node; empty: it had none, or nobody knows.
        node_exists: whether the node exists.
    """
    found = (_ended(pod, node) or _disrupted(pod, node)) if pod is not None else None
    if found is not None:
        return found
    if node and not node_exists:
        return "NodeGone", f"node {node} is gone, and the pod with it"
    if pod is None:
        return UNKNOWN, "the pod is gone, and no operator saw why"
    return DELETED, "somebody deleted the pod"


def _ended(pod: PodState, node: str) -> tuple[str, str] | None:
    """The status of a pod that ended has the kubelet's words, which say more than its condition."""
    reason, message = pod.status_reason
    if reason in STATUS_REASONS:
        return reason, _sentence(STATUS_REASONS[reason], node, message)
    if not pod.ended or pod.disruption is not None:
        return None
    return reason or ENDED, f"the pod ended ({pod.ending()})"


def _disrupted(pod: PodState, node: str) -> tuple[str, str] | None:
    if pod.disruption is None:
        return None
    reason, message = pod.disruption
    meaning = DISRUPTIONS.get(reason, f"the pod was disrupted ({reason})")
    return reason, _sentence(meaning, node, message)


def _sentence(meaning: str, node: str, message: str) -> str:
    what = meaning.replace("{node}", node or "(unknown)")
    return f"{what} ({message.strip().rstrip('.')})" if message.strip() else what
