"""The judgement of a sidecar that runs: by class and policies as they are now, as of any NestedDocker.

The pod has what a NestedDocker has in its status: an annotation with the policy that granted the daemon, and one with
the clock of a denial.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from nested_docker.api.meta import Condition, Mode, Status
from nested_docker.api.v1alpha1 import NestedDockerClassSpec, NestedDockerStatus
from nested_docker.api.v1alpha1.nested_docker import Denial
from nested_docker.api.v1alpha1.nested_docker_class import InjectionForm
from nested_docker.domain import names
from nested_docker.domain.admission import denial_clock, mode_choice
from nested_docker.domain.admission.acceptance import Accepted, NotAccepted, accept
from nested_docker.domain.effective import OperatorDefaults
from nested_docker.domain.injection.manifest import injected_nested_docker
from nested_docker.domain.injection.pod_life import FINAL_PHASES, grace_ends
from nested_docker.domain.injection.sidecar import SIDECAR
from nested_docker.domain.modes import MODES
from nested_docker.domain.objects import Manifest
from nested_docker.domain.observed import Observed
from nested_docker.domain.status.conditions import parse_timestamp
from nested_docker.domain.status.reasons import Reason, Type

SIDECAR_STOP_SECONDS = 30
"""Seconds that a denied pod has to end, whatever grace period it asks for: its owner may have written a year there."""


@dataclass(frozen=True)
class SidecarVerdict:
    """What becomes of a pod whose daemon is a sidecar.

    Attributes:
        outcome: of its request as it would be now.
        denial: the clock; None: it was not denied lately.
        stop_at: when the operator deletes the pod; None: it is not denied.
        is_news: whether it was granted before and is denied now, or the other way round.
    """

    outcome: Accepted | NotAccepted
    denial: Denial | None
    stop_at: datetime | None
    is_news: bool


def has_sidecar(pod: Mapping[str, Any]) -> bool:
    """Whether a pod has what the webhook adds: a user's own container of that name, without the marks, is not ours."""
    metadata = pod["metadata"]
    marked = (metadata.get("annotations") or {}).get(names.ANNOTATION_INJECT_FORM) == InjectionForm.SIDECAR
    containers = pod.get("spec", {}).get("initContainers") or []
    return (
        marked
        and bool((metadata.get("labels") or {}).get(names.LABEL_INJECT))
        and any(each.get("name") == SIDECAR for each in containers)
    )


def is_over(pod: Mapping[str, Any], now: datetime) -> bool:
    """Whether nothing of a pod runs any more, or soon will."""
    ends = grace_ends(pod)
    ending = ends is not None and ends <= now + timedelta(seconds=SIDECAR_STOP_SECONDS)
    return ending or pod.get("status", {}).get("phase") in FINAL_PHASES


def as_nested_docker(pod: Mapping[str, Any]) -> Manifest:
    """The NestedDocker that would describe the daemon of a pod."""
    metadata = pod["metadata"]
    id_ = names.digest(metadata["uid"], 20)
    made = injected_nested_docker(id_, metadata["namespace"], metadata["labels"][names.LABEL_INJECT])
    return made | {"metadata": made["metadata"] | {"creationTimestamp": metadata["creationTimestamp"]}}


def judge_running(pod: Mapping[str, Any], observed: Observed, defaults: OperatorDefaults) -> Accepted | NotAccepted:
    """Whether the daemon of a pod would still be granted.

    Args:
        pod: it.
        observed: `as_nested_docker(pod)` as it is observed.
        defaults: the operator's.
    """
    class_name = observed.class_name
    class_spec = observed.classes.get(class_name)
    mode = _mode(class_spec)
    if class_spec is not None and InjectionForm.SIDECAR not in class_spec.injection.forms:
        return NotAccepted(
            Reason.NOT_ALLOWED_BY_CLASS,
            f"NestedDockerClass {class_name} offers {', '.join(class_spec.injection.forms)} in injection.forms, and "
            f"not {InjectionForm.SIDECAR}",
        )
    created = pod["metadata"]["creationTimestamp"]
    was_granted = Condition(
        type=Type.ACCEPTED, status=Status.TRUE, reason=Reason.GRANTED, message="", last_transition_time=created
    )
    status = NestedDockerStatus(
        observed_generation=observed.generation,
        conditions=[was_granted],
        class_name=class_name,
        mode=mode,
        policy_name=granted_by(pod),
    )
    # Another pod namespace of the class is for the next pod, as for NestedDockers.
    here = {} if class_spec is None else {class_name: class_spec.model_copy(update={"pod_namespace": None})}
    spec = {**observed.spec, "mode": mode.value}
    return accept(replace(observed, spec=spec, status=status, classes={**observed.classes, **here}), defaults)


def verdict(
    pod: Mapping[str, Any],
    outcome: Accepted | NotAccepted,
    before: Denial | None,
    now: datetime,
    defaults: OperatorDefaults,
) -> SidecarVerdict:
    """What follows from a judgement, by the clock of ADR 18.

    Args:
        pod: it.
        outcome: of `judge_running`.
        before: a clock that the pod does not have yet, because it could not be written; None: the pod's.
        now: the time.
        defaults: have the grace time.
    """
    before = before or latest_denial(pod, now)
    was_denied = before is not None and before.until is None
    if isinstance(outcome, Accepted):
        return SidecarVerdict(outcome, denial_clock.granted(before, now), None, is_news=was_denied)
    denial = denial_clock.denied(before, now)
    stop_at = parse_timestamp(denial.since) + timedelta(seconds=defaults.denial_grace_seconds)
    return SidecarVerdict(outcome, denial, stop_at, is_news=not was_denied)


def granted_by(pod: Mapping[str, Any]) -> str:
    """The policy that granted the daemon; empty: none did."""
    return str((pod["metadata"].get("annotations") or {}).get(names.ANNOTATION_GRANTED_BY, ""))


def latest_denial(pod: Mapping[str, Any], now: datetime) -> Denial | None:
    """The clock in the pod's annotation; None: there is none, or nobody can have written it in earnest."""
    text = (pod["metadata"].get("annotations") or {}).get(names.ANNOTATION_DENIAL, "")
    try:
        found = Denial.model_validate_json(text)
        times = [parse_timestamp(each) for each in (found.since, found.until) if each is not None]
        in_order = sorted(times) == times and times[-1] <= now + timedelta(seconds=SIDECAR_STOP_SECONDS)
    except (TypeError, ValueError):  # TypeError: a time without a time zone
        return None
    return found if in_order else None


def written(denial: Denial | None) -> str:
    """The annotation with a clock; empty: there is no denial."""
    return "" if denial is None else denial.model_dump_json(exclude_none=True)


def _mode(class_spec: NestedDockerClassSpec | None) -> Mode:
    """The mode in which the daemon runs: what the class offers now does not change it."""
    able = [mode for mode in (mode_choice.order(class_spec) if class_spec else ()) if not MODES[mode].sidecar_obstacle]
    return able[0] if able else next(mode for mode, each in MODES.items() if not each.sidecar_obstacle)
