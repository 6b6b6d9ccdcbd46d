"""Policy evaluation: one pure function for the webhook, the controller and the CLI."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from nested_docker.api.v1alpha1 import NestedDockerPolicySpec
from nested_docker.api.v1alpha1.policy import ImageRules, NamespaceScope, ReferenceKind
from nested_docker.domain import images, names, quantities
from nested_docker.domain.admission.grant_request import GrantRequest
from nested_docker.domain.modes import MODES
from nested_docker.domain.modes.base import Objection
from nested_docker.domain.shown import MESSAGE_LENGTH, number, shorten

SHOWN_POLICIES = 5
"""Number of policies that a denial lists individually."""


@dataclass(frozen=True)
class PolicyDecision:
    """A grant with its policy, or a denial with its reasons."""

    granted: bool
    policy: str = ""
    message: str = ""


def evaluate(
    request: GrantRequest, policies: Mapping[str, NestedDockerPolicySpec], *, before: str = ""
) -> PolicyDecision:
    """Grant the request if and only if a single policy grants all of it.

    Policies do not add up. The order of `policies` does not matter.

    Args:
        request: the request.
        policies: by name.
        before: the policy that has granted the request so far; it is preferred if several policies grant it.
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
        return PolicyDecision(granted=False, message=_no_policy_here(request, len(policies)))
    return PolicyDecision(granted=False, message=_denial(request, here, objections, len(policies)))


def _objections(request: GrantRequest, policy: NestedDockerPolicySpec) -> Iterator[Objection]:
    for check in _CHECKS:
        yield from check(request, policy)


def _name(request: GrantRequest, policy: NestedDockerPolicySpec) -> Iterator[Objection]:
    # Each pod's daemon has another name.
    remedy = names.injected_name("*") if names.injection_id(request.name) else request.name
    problem = f"metadata.name is {request.name}"
    yield from _by_patterns(problem, request.name, policy.allowed_names, "allowedNames", remedy)


def _class(request: GrantRequest, policy: NestedDockerPolicySpec) -> Iterator[Objection]:
    if request.class_name not in policy.allowed_classes:
        yield Objection(
            f"spec.className is {request.class_name}, and allowedClasses has only {_list(policy.allowed_classes)}",
            f"allowedClasses: {request.class_name}",
        )


def _mode(request: GrantRequest, policy: NestedDockerPolicySpec) -> Iterator[Objection]:
    if request.mode not in policy.allowed_modes:
        yield Objection(
            f"the mode is {request.mode}, and allowedModes has only {_list(policy.allowed_modes)}",
            f"allowedModes: {request.mode}",
        )


def _mode_settings(request: GrantRequest, policy: NestedDockerPolicySpec) -> Iterable[Objection]:
    return MODES[request.mode].objections(request.mode_settings, policy)


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
    for path, image in request.workload_images:
        yield from _by_rules(image, policy.workload.images, path.removeprefix("spec."), "workload.images")
    granted = [kind.resource for kind in policy.workload.references]
    for path, resource in request.workload_references:
        if resource not in granted:
            kind = next(kind for kind in ReferenceKind if kind.resource == resource)
            yield Objection(
                f"{path} refers to {kind}, and workload.references has {_list(policy.workload.references)}",
                f"workload.references: {kind}",
            )
    for path in request.shared_paths:
        problem = f"a sharedPath of spec.workload.volumes is {path}"
        yield from _by_patterns(problem, path, policy.workload.shared_paths, "workload.sharedPaths")


def _scheduling(request: GrantRequest, policy: NestedDockerPolicySpec) -> Iterator[Objection]:
    rules = policy.scheduling
    priority = request.priority_class_name
    if priority and priority not in rules.priority_class_names:
        yield Objection(
            f"spec.scheduling.priorityClassName is {priority}, and scheduling.priorityClassNames has "
            f"{_list(rules.priority_class_names)}",
            f"scheduling.priorityClassNames: {priority}",
        )
    if "" in request.toleration_keys and "**" not in rules.toleration_keys:
        yield Objection(
            f"spec.scheduling.tolerations has every key, and scheduling.tolerationKeys has "
            f"{_list(rules.toleration_keys)}",
            "scheduling.tolerationKeys: '**'",
        )
    for field, entry, keys, allowed in (
        ("tolerations", "tolerationKeys", filter(None, request.toleration_keys), rules.toleration_keys),
        ("podLabels", "podLabels", request.pod_labels, rules.pod_labels),
        ("podAnnotations", "podAnnotations", request.pod_annotations, rules.pod_annotations),
    ):
        for key in keys:
            yield from _by_patterns(f"spec.scheduling.{field} has {key}", key, allowed, f"scheduling.{entry}")


def _affinity(request: GrantRequest, policy: NestedDockerPolicySpec) -> Iterator[Objection]:
    rules = policy.scheduling
    for kind in request.affinity:
        if kind not in rules.affinity:
            yield Objection(
                f"spec.scheduling.affinity has {kind.member}, and scheduling.affinity has {_list(rules.affinity)}",
                f"scheduling.affinity: {kind}",
            )
    if request.affinity_of_others and rules.affinity_namespaces != NamespaceScope.ANY:
        yield Objection(
            "spec.scheduling.affinity is about pods of other namespaces (by namespaces, namespaceSelector, or the "
            f"class's podNamespace), and scheduling.affinityNamespaces is {rules.affinity_namespaces}",
            f"scheduling.affinityNamespaces: {NamespaceScope.ANY}",
        )


def _clients(request: GrantRequest, policy: NestedDockerPolicySpec) -> Iterator[Objection]:
    scope = policy.connection.client_namespaces
    if request.clients_elsewhere and scope != NamespaceScope.ANY:
        yield Objection(
            f"spec.connection.clients has a namespaceSelector, and connection.clientNamespaces is {scope}",
            f"connection.clientNamespaces: {NamespaceScope.ANY}",
        )


def _resources(request: GrantRequest, policy: NestedDockerPolicySpec) -> Iterator[Objection]:
    for field, name in request.resource_names:
        yield from _by_patterns(f"{field} has {name}", name, policy.allowed_resources, "allowedResources")


def _storage_class(request: GrantRequest, policy: NestedDockerPolicySpec) -> Iterator[Objection]:
    name = request.storage_class_name
    if name:
        problem = f"the storageClassName of spec.storage is {name}"
        yield from _by_patterns(problem, name, policy.allowed_storage_classes, "allowedStorageClasses")


def _by_patterns(problem: str, key: str, patterns: Sequence[str], entry: str, remedy: str = "") -> Iterator[Objection]:
    """Whether a pattern matches the key; `remedy` is a pattern that would, by default the key."""
    if not any(images.glob(pattern).fullmatch(key) for pattern in patterns):
        yield Objection(f"{problem}, and {entry} has {_list(patterns)}", f"{entry}: '{remedy or key}'")


def _maxima(request: GrantRequest, policy: NestedDockerPolicySpec) -> Iterator[Objection]:
    limits = policy.max
    for field, name, requested, maximum, applies in (
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
        if maximum is None or not applies:
            continue
        if requested is None:
            yield Objection(f"{field} must be set, since max.{name} is {maximum}", f"max.{name} left out")
        elif requested > quantities.parse(maximum):
            yield Objection(
                f"{field} is {number(requested)}, and max.{name} is {maximum}",
                f"max.{name}: {number(requested)}",
            )


_CHECKS: Sequence[Callable[[GrantRequest, NestedDockerPolicySpec], Iterable[Objection]]] = (
    _name,
    _class,
    _mode,
    _mode_settings,
    _image,
    _workload,
    _scheduling,
    _affinity,
    _clients,
    _resources,
    _storage_class,
    _maxima,
)


def _by_rules(image: str, rules: ImageRules, field: str, entry: str) -> Iterator[Objection]:
    if not images.is_valid(image):
        yield Objection(
            f"spec.{field} is {image}, which is not an image reference: use "
            "[registry/]repository[:tag][@sha256:digest]",
            f"{entry} cannot allow this image",
        )
        return
    if not any(images.matches(image, pattern) for pattern in rules.patterns):
        yield Objection(
            f"spec.{field} is {image}, and {entry}.patterns has only {_list(rules.patterns)}",
            f"{entry}.patterns: {image}",
        )
    if rules.require_digest and not images.Image.parse(image).digest:
        yield Objection(
            f"spec.{field} is {image}, and {entry}.requireDigest requires one with @sha256:…",
            f"{entry}.requireDigest: false",
        )


def _any(rules: ImageRules) -> ImageRules:
    return rules.model_copy(update={"patterns": ["**"]})


# --- messages of a denial ---------------------------------------------------------------------------


def _no_policy_here(request: GrantRequest, others: int) -> str:
    what = (
        f"none of {others} NestedDockerPolicies selects namespace {request.namespace}"
        if others
        else "no NestedDockerPolicy exists"
    )
    return (
        f"{what}, so no NestedDocker is accepted here: ask a cluster admin for a NestedDockerPolicy that grants mode "
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
    checked = [f"{name}: {' and '.join(each.problem for each in objections[name])}" for name in shown]
    if len(nearest) > len(shown):
        checked.append(f"{len(nearest) - len(shown)} more do not grant it either")
    if policies > len(here):
        checked.append(f"{policies - len(here)} do not select this namespace")
    granted = [f"{name}: {_summary(here[name])}" for name in sorted(shown)]
    remedy = " and ".join(f"`{each.remedy}`" for each in objections[nearest[0]])
    message = (
        f"no NestedDockerPolicy grants mode {request.mode} of class {request.class_name} with this spec in namespace "
        f"{request.namespace}. Policies checked: {'; '.join(checked)}. Granted here: {'; '.join(granted)}. "
        f"Choose from that, or ask a cluster admin to put {remedy} into NestedDockerPolicy {nearest[0]}"
    )
    return shorten(message, MESSAGE_LENGTH)


def _summary(policy: NestedDockerPolicySpec) -> str:
    """A short summary of what a policy grants."""
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
