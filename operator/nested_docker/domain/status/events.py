"""Events: the steps from one status to the next that a user should see."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nested_docker.api.meta import Condition, Status
from nested_docker.api.v1alpha1 import NestedDockerStatus
from nested_docker.domain.status.reasons import Reason, Trait, Type, traits_of

REPORTED_CONDITIONS = (Type.ACCEPTED, Type.READY, Type.UPDATE_PENDING)
"""Conditions whose transitions become Events; `Ready` has the reason of the condition that blocks it."""


@dataclass(frozen=True)
class Transition:
    """One step, as an Event reports it."""

    type: str
    reason: str
    message: str


def transitions(before: NestedDockerStatus, after: NestedDockerStatus) -> Iterator[Transition]:
    """The steps from one status to the next, each reason once; acceptance also reports the mode's hazards.

    A daemon that has just been granted starts, so that is not reported. Each lost pod is reported once, whether another
    one serves already or must wait.
    """
    lost, known = after.lost_pod, before.lost_pod
    if lost is not None and (known is None or known.name != lost.name):
        yield Transition("Warning", Reason.POD_LOST, f"Pod {lost.name} is lost: {lost.message}")
    reported = set()
    for type_ in REPORTED_CONDITIONS:
        new, old = after.condition(type_), before.condition(type_)
        if new is None or (old is not None and (old.status, old.reason) == (new.status, new.reason)):
            continue
        if (old is None and new.reason == Reason.DAEMON_STARTING) or new.reason == Reason.POD_LOST:
            continue
        if new.reason not in reported:
            reported.add(new.reason)
            yield Transition("Normal" if _expected(new) else "Warning", new.reason, new.message)
    if after.holds(Type.ACCEPTED) and not before.holds(Type.ACCEPTED):
        for hazard in after.hazards:
            yield Transition("Warning", hazard.type, f"{hazard.message} {hazard.remedy}")


def _expected(condition: Condition) -> bool:
    traits = traits_of(condition.reason)
    if Trait.WARNS in traits:
        return False
    return condition.status == Status.TRUE or bool(traits & (Trait.SETTLED | Trait.EXPECTED))
