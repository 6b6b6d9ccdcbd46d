"""Events: which steps of the status are reported, once each, and as what."""

from __future__ import annotations

import pytest

from nested_docker.api.meta import Condition, Status
from nested_docker.api.v1alpha1 import NestedDockerStatus
from nested_docker.api.v1alpha1.nested_docker import Hazard, LostPod
from nested_docker.domain.status.events import Transition, transitions
from nested_docker.domain.status.reasons import Reason, Type

NOTHING = NestedDockerStatus()


def status(*conditions: tuple[Type, Status, Reason], hazards: tuple[Hazard, ...] = ()) -> NestedDockerStatus:
    made = [
        Condition(type=type_, status=value, reason=reason, message=f"{reason}!", last_transition_time="")
        for type_, value, reason in conditions
    ]
    return NestedDockerStatus(conditions=made, hazards=list(hazards))


def steps(before: NestedDockerStatus, after: NestedDockerStatus) -> list[tuple[str, str]]:
    return [(step.type, step.reason) for step in transitions(before, after)]


READY = status((Type.ACCEPTED, Status.TRUE, Reason.GRANTED), (Type.READY, Status.TRUE, Reason.READY))


def test_a_step_has_the_conditions_message() -> None:
    assert [*transitions(READY, status((Type.READY, Status.FALSE, Reason.POD_START_FAILED)))] == [
        Transition("Warning", "PodStartFailed", "PodStartFailed!")
    ]


def test_each_lost_pod_is_reported_once_whatever_the_conditions_say() -> None:
    starting = status((Type.READY, Status.FALSE, Reason.DAEMON_STARTING))
    held = status((Type.READY, Status.FALSE, Reason.POD_LOST))
    first, second = (
        LostPod(name=name, reason="Evicted", message="low on memory", time="2026-03-01T12:00:00Z") for name in "ab"
    )
    report = Transition("Warning", "PodLost", "Pod a is lost: low on memory")
    for after in (starting, held):
        with_loss = after.model_copy(update={"lost_pod": first})
        assert [*transitions(READY, with_loss)][:1] == [report]
        assert [each.reason for each in transitions(READY, with_loss)].count("PodLost") == 1
    known = READY.model_copy(update={"lost_pod": first})
    assert [*transitions(known, known)] == []
    assert steps(known, held.model_copy(update={"lost_pod": first})) == [], "the condition of a reported loss"
    assert steps(known, known.model_copy(update={"lost_pod": second})) == [("Warning", "PodLost")]


def test_no_step_without_a_change() -> None:
    assert steps(READY, READY) == []
    assert steps(READY, NOTHING) == [], "a condition that is gone is no step"


@pytest.mark.parametrize(
    ("value", "reason", "type_"),
    [
        (Status.TRUE, Reason.READY, "Normal"),
        (Status.FALSE, Reason.SUSPENDED, "Normal"),
        (Status.FALSE, Reason.CLEANING_UP, "Normal"),
        (Status.TRUE, Reason.COMPLETED, "Normal"),
        (Status.FALSE, Reason.WORKLOAD_FAILED, "Warning"),
        (Status.FALSE, Reason.DAEMON_OUT_OF_MEMORY, "Warning"),
        (Status.FALSE, Reason.NOT_GRANTED, "Warning"),
    ],
)
def test_what_is_expected_is_normal(value: Status, reason: Reason, type_: str) -> None:
    assert steps(READY, status((Type.READY, value, reason))) == [(type_, reason)] * (reason != Reason.READY)
    assert steps(NOTHING, status((Type.READY, value, reason))) == [(type_, reason)]


@pytest.mark.parametrize("reason", [Reason.NOT_ENFORCED, Reason.GRANT_REVOKED])
def test_a_grant_by_no_policy_is_a_warning(reason: Reason) -> None:
    assert steps(NOTHING, status((Type.ACCEPTED, Status.TRUE, reason))) == [("Warning", reason)]


def test_the_start_of_a_daemon_is_no_news_and_its_return_to_it_is() -> None:
    starting = status((Type.READY, Status.FALSE, Reason.DAEMON_STARTING))
    assert steps(NOTHING, starting) == []
    assert steps(READY, starting) == [("Normal", "DaemonStarting")]


def test_a_reason_is_reported_once() -> None:
    denied = status((Type.ACCEPTED, Status.FALSE, Reason.NOT_GRANTED), (Type.READY, Status.FALSE, Reason.NOT_GRANTED))
    assert steps(NOTHING, denied) == [("Warning", "NotGranted")]


def test_conditions_that_ready_repeats_are_not_reported() -> None:
    after = status(
        (Type.PROVISIONED, Status.FALSE, Reason.NAME_CONFLICT), (Type.STALLED, Status.TRUE, Reason.NAME_CONFLICT)
    )
    assert steps(NOTHING, after) == []


def test_hazards_are_reported_at_acceptance() -> None:
    hazard = Hazard(type="Privileged", message="It is.", remedy="Use Sysbox.")
    granted = status((Type.ACCEPTED, Status.TRUE, Reason.GRANTED), hazards=(hazard,))
    assert [*transitions(NOTHING, granted)][1:] == [Transition("Warning", "Privileged", "It is. Use Sysbox.")]
    assert steps(granted, granted) == []
    denied = status((Type.ACCEPTED, Status.FALSE, Reason.NOT_GRANTED), hazards=(hazard,))
    assert steps(denied, granted) == [("Normal", "Granted"), ("Warning", "Privileged")]
