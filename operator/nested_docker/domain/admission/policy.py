"""Who may have which daemon where: one pure judgement for every door."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from nested_docker.api.v1alpha1 import NestedDockerPolicySpec
from nested_docker.api.v1alpha1.policy import ImageRules
from nested_docker.domain import images, quantities
from nested_docker.domain.admission.grant_request import GrantRequest
from nested_docker.domain.shown import MESSAGE_LENGTH, number, shorten

SHOWN_POLICIES = 5
"""Policies that a denial tells of one by one."""


@dataclass(frozen=True)
class PolicyDecision:
    """A grant with its policy, or a denial with its reasons."""

    granted: bool
    policy: str = ""
    message: str = ""


@dataclass(frozen=True)
class Objection:
    """Why a policy does not grant a request.

    Attributes:
        problem: the request's field, its value, and what the policy says of it.
        remedy: what an admin would change in the policy's spec to grant it.
    """

    problem: str
    remedy: str


def evaluate(
    request: GrantRequest, policies: Mapping[str, NestedDockerPolicySpec], *, before: str = ""
) -> PolicyDecision:
    """Grant the request if and only if one single policy grants all of it.

    Policies never add up: two half grants are no grant. The order of `policies` does not matter.

    Args:
        request: what would result.
        policies: by name.
        before: the policy that has granted it so far, and goes on doing so if it can: another one that comes to
            grant it as well changes nothing.
    """
    here = {
        name: policy
        for name, policy in sorted(policies.items(), key=lambda item: (item[0] != before, item[0]))
        if policy.namespace_selector.matches(dict(request.namespace_labels))
    }
    objections = {name: [*_objections(request, policy)] for name, policy in here.items()}
    for name, found in objections.items():
        if not found:
            return PolicyDecision(granted=True, policy=name, message=f"granted by NestedDockerPolicy {name}")
    if not here:
        return PolicyDecision(granted=False, message=_nothing_here(request, len(policies)))
    return PolicyDecision(granted=False, message=_denial(request, here, objections, len(policies)))


def _objections(request: GrantRequest, policy: NestedDockerPolicySpec) -> Iterator[Objection]:
    for check in _CHECKS:
        yield from check(request, policy)


def _class(request: GrantRequest, policy: NestedDockerPolicySpec) -> Iterator[Objection]:
    if request.class_name not in policy.allowed_classes:
        yield Objection(
            f"spec.className is {request.class_name}, and allowedClasses has only {_list(policy.allowed_classes)}",
            f"allowedClasses: {request.class_name}",
        )


def _mode(request: GrantRequest, policy: NestedDockerPolicySpec) -> Iterator[Objection]:
    if request.mode not in policy.allowed_modes:
        yield Objection(
            f"spec.mode is {request.mode}, and allowedModes has only {_list(policy.allowed_modes)}",
            f"allowedModes: {request.mode}",
        )


def _socket(request: GrantRequest, policy: NestedDockerPolicySpec) -> Iterator[Objection]:
    if request.socket_path and request.socket_path not in policy.host_socket.paths:
        yield Objection(
            f"the class's hostSocket.path is {request.socket_path}, and hostSocket.paths has only "
            f"{_list(policy.host_socket.paths)}",
            f"hostSocket.paths: {request.socket_path}",
        )
    if request.raw_socket and not policy.host_socket.allow_raw:
        yield Objection(
            "the class's hostSocket.access is Raw, which hands out the node's socket unguarded, and "
            "hostSocket.allowRaw is not set",
            "hostSocket.allowRaw: true",
        )
    if request.socket_path and not request.raw_socket and policy.host_socket.guard is None:
        yield Objection(
            "the class's hostSocket.access is Guarded, and hostSocket.guard has no rules",
            "hostSocket.guard: {…}",
        )


def _image(request: GrantRequest, policy: NestedDockerPolicySpec) -> Iterator[Objection]:
    rules = policy.allowed_images
    if not request.image:
        return
    if not rules.patterns and request.image_is_own:
        yield Objection(
            f"spec.engine.image is {request.image}, and allowedImages has no patterns, so only the class's image is "
            "allowed: leave spec.engine.image out",
            f"allowedImages.patterns: {request.image}",
        )
    yield from _by_rules(request.image, rules if rules.patterns else _any(rules), "engine.image", "allowedImages")


def _workload(request: GrantRequest, policy: NestedDockerPolicySpec) -> Iterator[Objection]:
    if request.workload_images is None:
        return
    if not policy.workload.allowed:
        yield Objection("spec.workload is set, and workload.allowed is not", "workload.allowed: true")
    for image in request.workload_images:
        yield from _by_rules(image, policy.workload.images, "workload.containers.image", "workload.images")


def _scheduling(request: GrantRequest, policy: NestedDockerPolicySpec) -> Iterator[Objection]:
    rules = policy.scheduling
    priority = request.priority_class_name
    if priority and priority not in rules.priority_class_names:
        yield Objection(
            f"spec.scheduling.priorityClassName is {priority}, and scheduling.priorityClassNames has "
            f"{_list(rules.priority_class_names)}",
            f"scheduling.priorityClassNames: {priority}",
        )
    for field, keys, allowed in (
        ("tolerations", [key or "**" for key in request.toleration_keys], rules.toleration_keys),
        ("podAnnotations", request.pod_annotations, rules.pod_annotations),
    ):
        entry = "tolerationKeys" if field == "tolerations" else field
        for key in keys:
            everything = key == "**"
            if everything and key in allowed:
                continue
            if everything or not any(images.glob(pattern).fullmatch(key) for pattern in allowed):
                yield Objection(
                    f"spec.scheduling.{field} has {'every key' if everything else key}, and scheduling.{entry} has "
                    f"{_list(allowed)}",
                    f"scheduling.{entry}: '{key}'",
                )


def _maxima(request: GrantRequest, policy: NestedDockerPolicySpec) -> Iterator[Objection]:
    limits = policy.max
    for field, name, wanted, maximum, matters in (
        ("limits.cpu, summed up over the containers,", "cpu", request.cpu, limits.cpu, True),
        ("limits.memory, summed up over the containers,", "memory", request.memory, limits.memory, True),
        ("the size of spec.storage", "storage", request.storage, limits.storage, request.has_storage),
        (
            "spec.activeDeadlineSeconds",
            "lifetimeSeconds",
            _decimal(request.lifetime_seconds),
            _text(limits.lifetime_seconds),
            True,
        ),
    ):
        if maximum is None or not matters:
            continue
        if wanted is None:
            yield Objection(f"{field} must be set, since max.{name} is {maximum}", f"max.{name} left out")
        elif wanted > quantities.parse(maximum):
            yield Objection(
                f"{field} is {number(wanted)}, and max.{name} is {maximum}",
                f"max.{name}: {number(wanted)}",
            )


_CHECKS: Sequence[Callable[[GrantRequest, NestedDockerPolicySpec], Iterable[Objection]]] = (
    _class,
    _mode,
    _socket,
    _image,
    _workload,
    _scheduling,
    _maxima,
)


def _by_rules(image: str, rules: ImageRules, field: str, entry: str) -> Iterator[Objection]:
    if not any(images.matches(image, pattern) for pattern in rules.patterns):
        yield Objection(
            f"spec.{field} is {image}, and {entry}.patterns has only {_list(rules.patterns)}",
            f"{entry}.patterns: {image}",
        )
    if rules.require_digest and not images.Image.parse(image).digest:
        yield Objection(
            f"spec.{field} is {image}, and {entry}.requireDigest wants one with @sha256:…",
            f"{entry}.requireDigest: false",
        )


def _any(rules: ImageRules) -> ImageRules:
    return rules.model_copy(update={"patterns": ["**"]})


# --- what a denial says ---------------------------------------------------------------------------


def _nothing_here(request: GrantRequest, others: int) -> str:
    what = (
        f"none of {others} NestedDockerPolicies selects namespace {request.namespace}"
        if others
        else "no NestedDockerPolicy exists"
    )
    return (
        f"{what}, so nobody may have a daemon here: a cluster admin creates a NestedDockerPolicy that grants mode "
        f"{request.mode} of class {request.class_name} to namespace {request.namespace}"
    )


def _denial(
    request: GrantRequest,
    here: Mapping[str, NestedDockerPolicySpec],
    objections: Mapping[str, Sequence[Objection]],
    policies: int,
) -> str:
    nearest = sorted(here, key=lambda name: (len(objections[name]), name))
    shown = nearest[:SHOWN_POLICIES]
    looked_at = [f"{name}: {' and '.join(each.problem for each in objections[name])}" for name in shown]
    if len(nearest) > len(shown):
        looked_at.append(f"{len(nearest) - len(shown)} more grant it neither")
    if policies > len(here):
        looked_at.append(f"{policies - len(here)} do not select this namespace")
    offers = [f"{name}: {_offer(here[name])}" for name in sorted(shown)]
    remedy = " and ".join(f"`{each.remedy}`" for each in objections[nearest[0]])
    message = (
        f"no NestedDockerPolicy grants mode {request.mode} of class {request.class_name} as asked for in namespace "
        f"{request.namespace}. Policies looked at: {'; '.join(looked_at)}. Granted here: {'; '.join(offers)}. "
        f"Choose from that, or ask a cluster admin to put {remedy} into NestedDockerPolicy {nearest[0]}"
    )
    return shorten(message, MESSAGE_LENGTH)


def _offer(policy: NestedDockerPolicySpec) -> str:
    """What a policy grants, in a few words."""
    maxima = [f"{name} up to {value}" for name, value in policy.max.dump().items()]
    return ", ".join(
        [
            f"mode {_list(policy.allowed_modes, ' or ')} of class {_list(policy.allowed_classes, ' or ')}",
            *(["with a workload"] if policy.workload.allowed else []),
            *maxima,
        ]
    )


def _list(values: Sequence[str], between: str = ", ") -> str:
    return between.join(str(value) for value in values) or "nothing"


def _decimal(value: int | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _text(value: int | None) -> str | None:
    return None if value is None else str(value)
