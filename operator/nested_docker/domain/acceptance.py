"""Whether a request is accepted, and as what: spec, class, mode, cluster and policy, in this order."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from nested_docker.api.meta import Mode
from nested_docker.api.v1alpha1 import NestedDockerClassSpec, NestedDockerSpec
from nested_docker.domain import policy
from nested_docker.domain.effective import EffectiveSpec, OperatorDefaults, resolve
from nested_docker.domain.modes import MODES
from nested_docker.domain.observed import Observed
from nested_docker.domain.reasons import Reason

SHOWN_VALUE = 200
"""Characters of a wrong value that a message repeats."""


@dataclass(frozen=True)
class Accepted:
    """A request that policy grants and the cluster can serve."""

    spec: NestedDockerSpec
    class_name: str
    offered: NestedDockerClassSpec
    effective: EffectiveSpec
    message: str


@dataclass(frozen=True)
class Rejected:
    """A request that cannot be served as it is."""

    reason: Reason
    message: str


def accept(observed: Observed, defaults: OperatorDefaults) -> Accepted | Rejected:
    """Judge a request by what is known now; nothing is remembered but the class and mode already pinned."""
    try:
        spec = NestedDockerSpec.model_validate(observed.spec)
    except ValidationError as error:
        return Rejected(Reason.INVALID_SPEC, _explain(error))
    chosen = _choose_class(spec, observed)
    if isinstance(chosen, Rejected):
        return chosen
    class_name, offered = chosen
    wanted = spec.mode or observed.status.mode
    if wanted is not None and wanted not in offered.modes:
        return Rejected(
            Reason.MODE_NOT_OFFERED,
            f"spec.mode {wanted}: NestedDockerClass {class_name} offers {', '.join(offered.modes)}; choose one of "
            "these, or leave spec.mode out",
        )
    rejections = []
    for mode in [wanted] if wanted is not None else offered.modes:
        outcome = _try_mode(
            mode, spec=spec, class_name=class_name, offered=offered, observed=observed, defaults=defaults
        )
        if isinstance(outcome, Accepted):
            return outcome
        rejections.append(outcome)
    return rejections[0] if len(rejections) == 1 else _joined(rejections)


def _choose_class(spec: NestedDockerSpec, observed: Observed) -> tuple[str, NestedDockerClassSpec] | Rejected:
    name = spec.class_name or observed.status.class_name
    if not name:
        if len(observed.default_classes) != 1:
            return _no_default(observed.default_classes)
        name = observed.default_classes[0]
    offered = observed.classes.get(name)
    if offered is None:
        return Rejected(
            Reason.CLASS_NOT_FOUND,
            f"spec.className: NestedDockerClass {name} does not exist; there is {_names(observed.classes)}",
        )
    return name, offered


def _no_default(defaults: tuple[str, ...]) -> Rejected:
    if defaults:
        return Rejected(
            Reason.CLASS_NOT_FOUND,
            f"spec.className is empty and several NestedDockerClasses call themselves the default: "
            f"{', '.join(sorted(defaults))}; name one, or have an admin take the annotation off all but one",
        )
    return Rejected(
        Reason.CLASS_NOT_FOUND,
        "spec.className is empty and no NestedDockerClass is the default; name one, or have an admin annotate one "
        "with nesteddocker.dev/is-default-class: 'true'",
    )


def _try_mode(
    mode: Mode,
    *,
    spec: NestedDockerSpec,
    class_name: str,
    offered: NestedDockerClassSpec,
    observed: Observed,
    defaults: OperatorDefaults,
) -> Accepted | Rejected:
    behaviour = MODES[mode]
    effective = resolve(spec, offered, mode, defaults)
    request = policy.Request(
        namespace=observed.owner.namespace,
        namespace_labels=observed.namespace_labels,
        class_name=class_name,
        mode=mode,
        raw_socket=behaviour.needs_raw_grant,
    )
    decision = policy.judge(request, observed.policies)
    if not decision.granted:
        return Rejected(Reason.NO_POLICY, decision.message)
    obstacle = behaviour.obstacle(effective, observed.cluster)
    if obstacle is not None:
        return Rejected(obstacle.reason, obstacle.message)
    return Accepted(spec, class_name, offered, effective, f"mode {mode} of class {class_name}, {decision.message}")


def _joined(rejections: list[Rejected]) -> Rejected:
    """None of the class's modes will do: the most hopeful reason first, every message kept."""
    best = next((rejection for rejection in rejections if rejection.reason != Reason.NO_POLICY), rejections[0])
    return Rejected(
        best.reason, "none of the class's modes can be had here: " + " | ".join(r.message for r in rejections)
    )


def _explain(error: ValidationError) -> str:
    """Every problem with its path, its value and, from the model's own message, the remedy."""
    problems = []
    for problem in error.errors(include_url=False):
        path = ".".join(str(part) for part in ("spec", *problem["loc"]))
        value = json.dumps(problem["input"], default=str)
        shown = value if len(value) <= SHOWN_VALUE else value[:SHOWN_VALUE] + "…"
        problems.append(f"{path}: {problem['msg'].removeprefix('Value error, ')} (value: {shown})")
    return "; ".join(problems)


def _names(classes: Mapping[str, NestedDockerClassSpec]) -> str:
    return ", ".join(sorted(classes)) or "none at all"
