"""Whether a request is accepted, and as what: spec, class, mode, cluster and policy, in this order."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from pydantic import ValidationError

from nested_docker.api.meta import Enforcement, Mode
from nested_docker.api.v1alpha1 import NestedDockerClassSpec, NestedDockerSpec, NestedDockerStatus
from nested_docker.api.v1alpha1.nested_docker import ModeNotChosen
from nested_docker.api.v1alpha1.policy import ViolationAction
from nested_docker.domain import names
from nested_docker.domain.admission import mode_choice, pod_security
from nested_docker.domain.admission.class_overrides import disallowed_overrides, template_fields_without_effect
from nested_docker.domain.admission.grant_request import grant_request
from nested_docker.domain.admission.policy import PolicyDecision, evaluate
from nested_docker.domain.effective import EffectiveSpec, OperatorDefaults, resolve
from nested_docker.domain.manifests.pod import pod_to_judge
from nested_docker.domain.modes import MODES
from nested_docker.domain.modes.base import Obstacle, PodContext
from nested_docker.domain.object_names import ObjectNames, tenant_owned_fields
from nested_docker.domain.objects import Manifest
from nested_docker.domain.observed import Observed
from nested_docker.domain.shown import MESSAGE_LENGTH, VALUE_LENGTH, shorten, shown
from nested_docker.domain.status.reasons import Reason, Type

SHOWN_PROBLEMS = 10
"""Problems of a spec that a message names one by one."""


@dataclass(frozen=True)
class Accepted:
    """A request that policy grants and the cluster can serve.

    Attributes:
        policy: name of the NestedDockerPolicy that grants it, or has granted it; empty: none does.
        reason: `Granted`; `NotEnforced` if no policy grants it and policy is not enforced; `GrantRevoked` if the
            running pod may continue, and no new one may be created.
        modes_not_chosen: modes that would have been better, when the mode was chosen.
    """

    spec: NestedDockerSpec
    class_name: str
    class_spec: NestedDockerClassSpec
    effective: EffectiveSpec
    policy: str
    reason: Reason
    message: str
    modes_not_chosen: tuple[ModeNotChosen, ...] = ()

    @property
    def is_second_choice(self) -> bool:
        """Whether a mode that the class prefers to this one was not possible when the mode was chosen."""
        return any(each.reason != mode_choice.NOT_PREFERRED for each in self.modes_not_chosen)

    @property
    def lifetime_seconds(self) -> int | None:
        """Seconds after creation at which the daemon is stopped; None: never."""
        return lifetime_seconds(self.spec, self.class_spec)


@dataclass(frozen=True)
class NotAccepted:
    """A request that cannot be served as it is."""

    reason: Reason
    message: str


def accept(observed: Observed, defaults: OperatorDefaults) -> Accepted | NotAccepted:
    """Evaluate a request by what is known now; only the class and mode in its status are remembered."""
    try:
        spec = NestedDockerSpec.model_validate(observed.spec)
    except ValidationError as error:
        return NotAccepted(Reason.INVALID_SPEC, _explain(error))
    chosen = _choose_class(observed, defaults)
    if isinstance(chosen, NotAccepted):
        return chosen
    class_name, class_spec = chosen
    object_names = observed.location or ObjectNames(observed.owner, class_spec.pod_namespace or "")
    chosen_mode = spec.mode or observed.status.mode
    not_accepted = _mode_problem(spec.mode, observed.status.mode, class_name, class_spec) or _namespace_problem(
        spec, class_name, object_names, observed, defaults
    )
    if not_accepted is not None:
        return not_accepted
    # Of an API server that is newer than every kubelet nothing is known, so no mode is fixed that it may reject.
    latest = pod_security.ANY_VERSION if chosen_mode else pod_security.oldest_api_server(observed.cluster)
    modes = [chosen_mode] if chosen_mode is not None else mode_choice.order(class_spec)
    attempt = functools.partial(
        _try_mode,
        spec=spec,
        class_name=class_name,
        class_spec=class_spec,
        object_names=object_names,
        observed=observed,
        defaults=defaults,
        latest=latest,
    )
    tried = _try_in_turn(modes, functools.partial(attempt, awaits_nodes=chosen_mode is not None))
    if all(isinstance(each, NotAccepted) and each.reason == Reason.NO_CAPABLE_NODE for each in tried.values()):
        tried |= _try_in_turn(modes, functools.partial(attempt, awaits_nodes=True))
    outcome = _best(tried)
    if spec.mode is None and isinstance(outcome, Accepted):
        reasons = {mode: _why_not(each) for mode, each in tried.items()}
        others = mode_choice.not_chosen(class_spec, outcome.effective.mode, reasons)
        remembered = tuple(observed.status.modes_not_chosen)
        return replace(outcome, modes_not_chosen=others if chosen_mode is None else remembered)
    if spec.mode is None and chosen_mode is not None and isinstance(outcome, NotAccepted):
        as_new = replace(observed, status=NestedDockerStatus())
        others_now = [mode for mode in mode_choice.order(class_spec) if mode != chosen_mode]
        again = _try_in_turn(others_now, functools.partial(attempt, observed=as_new, awaits_nodes=False))
        return replace(outcome, message=outcome.message + _chosen_once(again))
    return outcome


def _chosen_once(tried: Mapping[Mode, Accepted | NotAccepted]) -> str:
    """The remedy of a NestedDocker whose mode was chosen and is not possible any more; empty: no other one is.

    Args:
        tried: how a new NestedDocker fares in other modes.
    """
    possible = (mode for mode, each in tried.items() if isinstance(each, Accepted) and each.reason == Reason.GRANTED)
    other = next(possible, None)
    if other is None:
        return ""
    return (
        f". Its mode was chosen when it was new, and stays; a new one can have mode {other}: delete the NestedDocker "
        "and create it again"
    )


def _try_in_turn(
    modes: Iterable[Mode], attempt: Callable[[Mode], Accepted | NotAccepted]
) -> dict[Mode, Accepted | NotAccepted]:
    """The outcome for each mode, until one is granted."""
    tried = {}
    for mode in modes:
        tried[mode] = outcome = attempt(mode)
        if isinstance(outcome, Accepted) and outcome.reason == Reason.GRANTED:
            break
    return tried


def _why_not(outcome: Accepted | NotAccepted) -> tuple[Reason, str]:
    if isinstance(outcome, Accepted):
        return Reason.NOT_GRANTED, "no policy grants this mode, and one grants another mode of the class"
    return outcome.reason, outcome.message


def _best(tried: Mapping[Mode, Accepted | NotAccepted]) -> Accepted | NotAccepted:
    """The mode that a policy grants, else the first one that is served without, else why there is none."""
    accepted = [outcome for outcome in tried.values() if isinstance(outcome, Accepted)]
    granted = next((outcome for outcome in accepted if outcome.reason == Reason.GRANTED), None)
    if granted or accepted:
        return granted or accepted[0]
    return _joined([outcome for outcome in tried.values() if isinstance(outcome, NotAccepted)])


def _choose_class(observed: Observed, defaults: OperatorDefaults) -> tuple[str, NestedDockerClassSpec] | NotAccepted:
    """The class of the spec, or of the status, or the default class.

    Where the webhook reviews requests, it has named the class of each and checked that the requester may use it. The
    default class of a later time is then another class, which nobody has checked.
    """
    name = observed.class_name
    if not name:
        return _no_default(observed.default_classes)
    if defaults.admission_webhook and name not in (observed.spec.get("className"), observed.status.class_name):
        return NotAccepted(
            Reason.CLASS_NOT_FOUND,
            f"spec.className is empty: the webhook sets it at creation, and {name} was not the default class then, so "
            "nothing shows that the creator may use it; delete the NestedDocker, and create it with spec.className",
        )
    class_spec = observed.classes.get(name)
    if class_spec is None:
        return NotAccepted(
            Reason.CLASS_NOT_FOUND,
            f"spec.className: NestedDockerClass {name} does not exist; existing classes: {_names(observed.classes)}",
        )
    return name, class_spec


def _mode_problem(
    asked: Mode | None, chosen: Mode | None, class_name: str, class_spec: NestedDockerClassSpec
) -> NotAccepted | None:
    """Why the class does not have the mode that the spec names, or else the one that was chosen before."""
    offers = f"NestedDockerClass {class_name} offers {', '.join(class_spec.modes)}"
    if asked is not None and asked not in class_spec.modes:
        message = f"spec.mode {asked}: {offers}; choose one of these, or leave spec.mode out"
    elif asked is None and chosen is not None and chosen not in class_spec.modes:
        message = (
            f"status.mode {chosen}, which was chosen when the NestedDocker was new: {offers} and no longer this mode; "
            "delete the NestedDocker and create it again to have one of these"
        )
    else:
        return None
    return NotAccepted(Reason.MODE_NOT_OFFERED, message)


def _namespace_problem(
    spec: NestedDockerSpec, class_name: str, object_names: ObjectNames, observed: Observed, defaults: OperatorDefaults
) -> NotAccepted | None:
    """Why the daemon cannot run in its class's pod namespace; None: it can."""
    if defaults.cleanup_namespace in {object_names.namespace, object_names.owner.namespace}:
        return NotAccepted(
            Reason.NOT_ALLOWED_BY_CLASS,
            f"namespace {defaults.cleanup_namespace} is for the operator's pods that clean up nodes: create the "
            f"NestedDocker in another one, or change podNamespace of NestedDockerClass {class_name}",
        )
    if not object_names.remote:
        return None
    where = f"NestedDockerClass {class_name} runs its pods in namespace {object_names.namespace}"
    if object_names.namespace == object_names.owner.namespace:
        return NotAccepted(
            Reason.NOT_ALLOWED_BY_CLASS,
            f"{where}, which is for pods only: create the NestedDocker in another namespace",
        )
    fields = [*tenant_owned_fields(spec)]
    if fields:
        return NotAccepted(
            Reason.NOT_ALLOWED_BY_CLASS,
            f"{where}, where a NestedDocker cannot set {', '.join(fields)}: remove these fields, or use a class "
            "without podNamespace",
        )
    facts = observed.pod_namespaces.get(object_names.namespace)
    if facts is None or facts.terminating:
        state = "does not exist" if facts is None else "is being deleted"
        return NotAccepted(
            Reason.POD_NAMESPACE_MISSING,
            f"{where}, which {state}: ask a cluster admin to create it, or to change podNamespace of the class",
        )
    return None


def _no_default(defaults: tuple[str, ...]) -> NotAccepted:
    if defaults:
        return NotAccepted(
            Reason.CLASS_NOT_FOUND,
            f"spec.className is empty and several NestedDockerClasses are annotated as the default: "
            f"{', '.join(sorted(defaults))}; set spec.className, or ask an admin to remove the "
            "annotation from all but one",
        )
    return NotAccepted(
        Reason.CLASS_NOT_FOUND,
        "spec.className is empty and no NestedDockerClass is the default; set spec.className, or ask an admin to "
        "annotate a class with nesteddocker.dev/is-default-class: 'true'",
    )


def _try_mode(
    mode: Mode,
    *,
    spec: NestedDockerSpec,
    class_name: str,
    class_spec: NestedDockerClassSpec,
    object_names: ObjectNames,
    observed: Observed,
    defaults: OperatorDefaults,
    latest: float,
    awaits_nodes: bool,
) -> Accepted | NotAccepted:
    behaviour = MODES[mode]
    effective = resolve(spec, class_spec, behaviour, defaults)
    requested = grant_request(
        effective,
        name=observed.owner.name,
        namespace=observed.owner.namespace,
        namespace_labels=observed.namespace_labels,
        class_name=class_name,
        own_daemon=behaviour.runs_own_daemon,
        clients=spec.connection.clients,
        lifetime_seconds=lifetime_seconds(spec, class_spec),
    )
    decision = evaluate(requested, observed.policies, before=observed.status.policy_name)
    reason = Reason.GRANTED if decision.granted else _reason_without_grant(observed, enforcement(observed, defaults))
    if reason is None:
        return NotAccepted(Reason.NOT_GRANTED, decision.message)
    namespace = object_names.namespace
    problem = _pod_security_problem(
        mode,
        lambda each: pod_to_judge(
            PodContext(object_names, resolve(spec, class_spec, MODES[each], defaults), defaults), MODES[each]
        ),
        class_spec.modes,
        namespace,
        observed.labels(namespace),
        latest=latest,
    )
    if problem is not None:
        return problem
    obstacle = behaviour.obstacle(effective, observed.cluster)
    if obstacle is not None and not _passes(obstacle, mode, observed, awaits_nodes=awaits_nodes):
        return NotAccepted(obstacle.reason, obstacle.message)
    name = observed.status.policy_name if reason == Reason.GRANT_REVOKED else decision.policy
    effective = behaviour.apply_policy(effective, observed.policies.get(name))
    return Accepted(spec, class_name, class_spec, effective, name, reason, _message(mode, class_name, decision, reason))


def _passes(obstacle: Obstacle, mode: Mode, observed: Observed, *, awaits_nodes: bool) -> bool:
    """Whether an obstacle is none for this NestedDocker.

    What is said of nodes counts for new daemons: nodes come and go, and a running one shows that a node can. An
    autoscaler adds nodes only for a pod that waits for them. And where no present node is asked for, the present ones
    decide nothing.
    """
    return obstacle.reason == Reason.NO_CAPABLE_NODE and (
        _was_accepted_in(mode, observed) or not obstacle.decides_mode or (awaits_nodes and obstacle.nodes_may_come)
    )


def _was_accepted_in(mode: Mode, observed: Observed) -> bool:
    """Whether it was accepted in this mode, be it before an edit of its spec, or denied now and in its grace time."""
    return observed.was_accepted or (mode == observed.status.mode and observed.status.holds(Type.ACCEPTED))


def class_override_violation(observed: Observed, accepted: Accepted, defaults: OperatorDefaults) -> NotAccepted | None:
    """The rejection of a request that would change what only its class may set, or of a class that has no effect."""
    ignored = template_fields_without_effect(accepted.effective, owner=observed.owner, defaults=defaults)
    if ignored:
        return NotAccepted(
            Reason.CLASS_INVALID,
            f"podTemplate of NestedDockerClass {accepted.class_name} has {shorten(', '.join(ignored))}, "
            "which the operator sets itself: ask a cluster admin to remove it there",
        )
    fields = disallowed_overrides(accepted.effective, accepted.class_spec, owner=observed.owner, defaults=defaults)
    if not fields:
        return None
    return NotAccepted(
        Reason.CLASS_OVERRIDE_DENIED,
        f"the request would change {', '.join(fields)} of the pod, which only NestedDockerClass "
        f"{accepted.class_name} may set: remove the fields of the spec that do",
    )


def enforcement(observed: Observed, defaults: OperatorDefaults) -> Enforcement:
    """What happens to a denied request in this namespace: its label decides, otherwise the operator's setting."""
    label = observed.namespace_labels.get(names.NAMESPACE_ENFORCEMENT)
    return Enforcement(label) if label in set(Enforcement) else defaults.enforcement


def lifetime_seconds(spec: NestedDockerSpec, class_spec: NestedDockerClassSpec) -> int | None:
    """Seconds after creation at which the daemon is stopped; None: never."""
    return spec.active_deadline_seconds or class_spec.lifetime.active_deadline_seconds


def _reason_without_grant(observed: Observed, enforcement: Enforcement) -> Reason | None:
    """Why a request is served although no policy grants it; None: it is not.

    `onViolation: Report` applies only to requests that this policy has granted, until the spec changes.
    """
    if enforcement != Enforcement.ENFORCE:
        return Reason.NOT_ENFORCED
    granted_by = observed.policies.get(observed.status.policy_name)
    if granted_by is None or not observed.was_accepted:
        return None
    return Reason.GRANT_REVOKED if granted_by.on_violation == ViolationAction.REPORT else None


def _message(mode: Mode, class_name: str, decision: PolicyDecision, reason: Reason) -> str:
    match reason:
        case Reason.NOT_ENFORCED:
            return f"served because policy is not enforced in this namespace: {decision.message}"
        case Reason.GRANT_REVOKED:
            return f"its policy has onViolation: Report, so the running pod continues: {decision.message}"
    return f"mode {mode} of class {class_name}, {decision.message}"


def _pod_security_problem(
    mode: Mode,
    make: Callable[[Mode], Manifest],
    offered: Iterable[Mode],
    namespace: str,
    labels: Mapping[str, str],
    *,
    latest: float,
) -> NotAccepted | None:
    """Why the namespace's Pod Security level forbids the pod; None: it is not known to.

    Args:
        mode: of the pod.
        make: the pod in a mode.
        offered: the class's modes.
        namespace: of the pod.
        labels: of the namespace.
        latest: the API server's minor version.
    """
    if not pod_security.judges(labels) or not pod_security.forbidden(made := make(mode), labels, latest):
        return None
    passing = [each for each in offered if not pod_security.forbidden(make(each), labels, latest)]
    message = pod_security.denial(mode, made, namespace, labels, others=passing, latest=latest)
    return NotAccepted(Reason.POD_SECURITY_DENIED, message)


def _joined(rejections: list[NotAccepted]) -> NotAccepted:
    """None of the class's modes is possible: the most promising reason, and all messages."""
    if len(rejections) == 1:
        return rejections[0]
    best = next((rejection for rejection in rejections if rejection.reason != Reason.NOT_GRANTED), rejections[0])
    return NotAccepted(
        best.reason, "none of the class's modes is available here: " + " | ".join(r.message for r in rejections)
    )


def _explain(error: ValidationError) -> str:
    """Every problem with its path, its value and, from the model's own message, the remedy."""
    found = error.errors(include_url=False)
    problems = []
    for problem in found[:SHOWN_PROBLEMS]:
        path = shorten(".".join(str(part) for part in ("spec", *problem["loc"])))
        text = shorten(problem["msg"].removeprefix("Value error, "), 2 * VALUE_LENGTH)
        problems.append(f"{path}: {text} (value: {shown(problem['input'])})")
    if len(found) > SHOWN_PROBLEMS:
        problems.append(f"and {len(found) - SHOWN_PROBLEMS} more")
    return shorten("; ".join(problems), MESSAGE_LENGTH)


def _names(classes: Mapping[str, NestedDockerClassSpec]) -> str:
    return ", ".join(sorted(classes)) or "none"
