"""Who may have which daemon where: one pure judgement for every door."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nested_docker.api.meta import Mode
from nested_docker.api.v1alpha1 import NestedDockerPolicySpec


@dataclass(frozen=True)
class Request:
    """What would result, as far as policy speaks of it."""

    namespace: str
    namespace_labels: Mapping[str, str]
    class_name: str
    mode: Mode
    raw_socket: bool = False


@dataclass(frozen=True)
class Decision:
    """A grant with its policy, or a denial with its reasons."""

    granted: bool
    policy: str = ""
    message: str = ""


def judge(request: Request, policies: Mapping[str, NestedDockerPolicySpec]) -> Decision:
    """Grant the request if and only if one single policy grants all of it.

    Policies never add up: two half grants are no grant. The order of `policies` does not matter.
    """
    objections = {name: _objection(request, policy) for name, policy in sorted(policies.items())}
    for name, objection in objections.items():
        if not objection:
            return Decision(granted=True, policy=name, message=f"granted by NestedDockerPolicy {name}")
    return Decision(granted=False, message=_denial(request, policies, objections))


def _objection(request: Request, policy: NestedDockerPolicySpec) -> str:
    """Why the policy does not grant the request; empty: it does."""
    if not policy.namespace_selector.matches(dict(request.namespace_labels)):
        return f"does not select namespace {request.namespace}"
    if request.class_name not in policy.allowed_classes:
        return f"allows class {_any_of(policy.allowed_classes)} only"
    if request.mode not in policy.allowed_modes:
        return f"allows mode {_any_of(policy.allowed_modes)} only"
    if request.raw_socket and not policy.host_socket.allow_raw:
        return "does not set hostSocket.allowRaw, which the node's unguarded socket needs"
    return ""


def _denial(request: Request, policies: Mapping[str, NestedDockerPolicySpec], objections: Mapping[str, str]) -> str:
    wanted = f"mode {request.mode} of class {request.class_name} in namespace {request.namespace}"
    if not policies:
        return (
            f"no NestedDockerPolicy exists, so nobody may have a daemon: {wanted} needs one; "
            "a cluster admin creates a NestedDockerPolicy that grants it"
        )
    looked_at = "; ".join(f"{name} {objection}" for name, objection in objections.items())
    here = sorted(
        f"mode {mode} of class {class_name}"
        for policy in policies.values()
        if policy.namespace_selector.matches(dict(request.namespace_labels))
        for class_name in policy.allowed_classes
        for mode in policy.allowed_modes
        if mode != Mode.HOST_SOCKET or policy.host_socket.allow_raw
    )
    granted_here = ", ".join(dict.fromkeys(here)) or "nothing"
    return (
        f"no NestedDockerPolicy grants {wanted}. Policies looked at: {looked_at}. "
        f"Granted here: {granted_here}. Choose from that, or ask a cluster admin for a policy"
    )


def _any_of(values: list[str] | list[Mode]) -> str:
    return " or ".join(str(value) for value in values)
