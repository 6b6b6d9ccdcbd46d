"""The life of a pod that has a daemon, as its status shows it: not started, running, ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from nested_docker.domain.injection.request import (
    POD_LISTS,
    ChosenContainer,
    InjectionError,
    InjectionRequest,
    chosen_containers,
    injection_request,
    runs_before_others,
)
from nested_docker.domain.kube_types import ContainerStatus
from nested_docker.domain.status.conditions import parse_timestamp

FINAL_PHASES = frozenset({"Succeeded", "Failed"})


def has_started(pod: Mapping[str, Any]) -> bool:
    """Whether a container has run. None can before the daemon has answered once, because the kubelet waits for that."""
    if pod.get("status", {}).get("phase", "Pending") != "Pending":
        return True
    return any(
        status.get("restartCount") or not {"running", "terminated"}.isdisjoint(status.get("state", {}))
        for status in _statuses(pod)
    )


def has_ended(pod: Mapping[str, Any], now: datetime) -> bool:
    """Whether no container of a pod needs the daemon any more.

    A pod whose other containers go on, such as the sidecars of a mesh, has ended when those with the connection have. A
    deleted pod has ended when its grace period is over, even if the kubelet of its node does not answer.
    """
    if pod.get("status", {}).get("phase") in FINAL_PHASES:
        return True
    ends = grace_ends(pod)
    return (ends is not None and ends <= now) or _clients_have_ended(pod)


def grace_ends(pod: Mapping[str, Any]) -> datetime | None:
    """When the grace period of a deleted pod is over; None: it is not being deleted."""
    deleted = pod["metadata"].get("deletionTimestamp")
    return parse_timestamp(deleted) if deleted else None


def _clients_have_ended(pod: Mapping[str, Any]) -> bool:
    try:
        clients = chosen_containers(pod, injection_request(pod))
    except InjectionError:  # the label or the annotation was changed after admission
        clients = chosen_containers(pod, InjectionRequest(""))
    statuses = {status.get("name"): status for status in _statuses(pod)}
    deleted = grace_ends(pod) is not None
    if not deleted and _may_start_all_again(pod):
        return False
    # Those that run before the others have ended when one of the others has.
    clients = [each for each in clients if not runs_before_others(each)] or clients
    return bool(clients) and all(
        _is_final(statuses.get(each.container["name"], {}), "Never" if deleted else _restart_policy(pod, each))
        for each in clients
    )


def _may_start_all_again(pod: Mapping[str, Any]) -> bool:
    """Whether the end of one container, with or without the connection, may start all others again."""
    return any(
        rule.get("action") == "RestartAllContainers"
        for field in POD_LISTS
        for container in pod["spec"].get(field) or []
        for rule in container.get("restartPolicyRules") or []
    )


def _restart_policy(pod: Mapping[str, Any], chosen: ChosenContainer) -> str:
    """When a container starts again: `Always`, `OnFailure` or `Never`."""
    if chosen.container.get("restartPolicyRules"):
        return "Always"
    policy = str(chosen.container.get("restartPolicy") or pod["spec"].get("restartPolicy", "Always"))
    return "OnFailure" if runs_before_others(chosen) and policy == "Always" else policy


def _is_final(status: ContainerStatus, restart_policy: str) -> bool:
    """Whether a container has ended for good."""
    ended = status.get("state", {}).get("terminated")
    if ended is None:
        return False
    return restart_policy == "Never" or (restart_policy == "OnFailure" and ended.get("exitCode") == 0)


def _statuses(pod: Mapping[str, Any]) -> Iterator[ContainerStatus]:
    for field in POD_LISTS:
        yield from pod.get("status", {}).get(f"{field.removesuffix('s')}Statuses", [])
