"""Conditions: no needless change, and Ready, Reconciling and Stalled derived from the others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from nested_docker.api.meta import Condition, Status
from nested_docker.domain.status.conditions import Conditions, parse_timestamp, timestamp
from nested_docker.domain.status.reasons import Reason, Type

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)


def conditions(previous: list[Condition] | None = None, now: datetime = NOW, generation: int = 1) -> Conditions:
    return Conditions(previous or [], generation=generation, now=now)


def by_type(found: Conditions) -> dict[str, Condition]:
    return {each.type: each for each in found.complete()}


def derived(type_: Type, status: Status, reason: Reason) -> dict[str, tuple[str, str]]:
    """Status and reason of the derived conditions, where only this one is not True."""
    found = conditions()
    for each, good in (
        (Type.ACCEPTED, Reason.GRANTED),
        (Type.PROVISIONED, Reason.PROVISIONED),
        (Type.DAEMON_REACHABLE, Reason.DAEMON_ANSWERED),
    ):
        found.set(each, Status.TRUE, good)
    found.set(type_, status, reason, "why")
    return {
        each.type: (each.status, each.reason)
        for each in found.complete()
        if each.type in {Type.READY, Type.RECONCILING, Type.STALLED}
    }


def test_timestamps_are_utc_in_whole_seconds() -> None:
    berlin = timezone(timedelta(hours=1))
    assert timestamp(datetime(2026, 3, 1, 13, 0, 0, 999, tzinfo=berlin)) == "2026-03-01T12:00:00Z"
    assert parse_timestamp("2026-03-01T12:00:00Z") == NOW


def test_only_a_flip_of_the_status_is_a_transition() -> None:
    first = conditions()
    first.set(Type.ACCEPTED, Status.TRUE, Reason.GRANTED, "one")
    second = conditions(first.complete(), LATER)
    second.set(Type.ACCEPTED, Status.TRUE, Reason.NOT_ENFORCED, "other")
    kept = by_type(second)[Type.ACCEPTED]
    assert (kept.reason, kept.message, kept.last_transition_time) == ("NotEnforced", "other", timestamp(NOW))
    third = conditions(second.complete(), LATER, generation=2)
    third.set(Type.ACCEPTED, Status.FALSE, Reason.NOT_GRANTED)
    flipped = by_type(third)[Type.ACCEPTED]
    assert (flipped.last_transition_time, flipped.observed_generation) == (timestamp(LATER), 2)


def test_an_unchanged_state_gives_equal_conditions() -> None:
    first = conditions()
    first.set(Type.ACCEPTED, Status.FALSE, Reason.NOT_GRANTED, "no policy")
    second = conditions(first.complete(), LATER)
    second.set(Type.ACCEPTED, Status.FALSE, Reason.NOT_GRANTED, "no policy")
    assert second.complete() == first.complete()


def test_what_is_not_set_again_is_gone_and_the_last_one_counts() -> None:
    first = conditions()
    first.set(Type.UPDATE_PENDING, Status.TRUE, Reason.CLASS_UPDATED)
    second = conditions(first.complete(), LATER)
    second.set(Type.ACCEPTED, Status.TRUE, Reason.GRANTED)
    second.set(Type.ACCEPTED, Status.TRUE, Reason.NOT_ENFORCED)
    found = by_type(second)
    assert Type.UPDATE_PENDING not in found
    assert found[Type.ACCEPTED].reason == "NotEnforced"


def test_a_message_fits_into_a_condition() -> None:
    found = conditions()
    found.set(Type.ACCEPTED, Status.TRUE, Reason.GRANTED, "x" * 10_000)
    assert len(by_type(found)[Type.ACCEPTED].message) == 4096


@pytest.mark.parametrize(
    ("reason", "holds", "status"),
    [
        (Reason.DAEMON_STARTING, False, Status.UNKNOWN),
        (Reason.DAEMON_ANSWERED, True, Status.TRUE),
        (Reason.DAEMON_CRASHED, False, Status.FALSE),
    ],
)
def test_what_nobody_knows_yet_is_unknown(reason: Reason, holds: bool, status: Status) -> None:
    found = conditions()
    found.assess(Type.DAEMON_REACHABLE, reason, "", holds=holds)
    assert by_type(found)[Type.DAEMON_REACHABLE].status == status


@pytest.mark.parametrize(
    ("type_", "status", "reason", "expected"),
    [
        (Type.ACCEPTED, Status.TRUE, Reason.GRANTED, {"Ready": ("True", "Ready")}),
        (
            Type.ACCEPTED,
            Status.FALSE,
            Reason.NOT_GRANTED,
            {"Ready": ("False", "NotGranted"), "Stalled": ("True", "NotGranted")},
        ),
        (
            Type.PROVISIONED,
            Status.FALSE,
            Reason.WAITING_FOR_PREVIOUS,
            {"Ready": ("False", "WaitingForPrevious"), "Reconciling": ("True", "WaitingForPrevious")},
        ),
        (
            Type.DAEMON_REACHABLE,
            Status.UNKNOWN,
            Reason.DAEMON_STARTING,
            {"Ready": ("False", "DaemonStarting"), "Reconciling": ("True", "DaemonStarting")},
        ),
        (
            Type.DAEMON_REACHABLE,
            Status.FALSE,
            Reason.IMAGE_PULL_FAILED,
            {"Ready": ("False", "ImagePullFailed"), "Stalled": ("True", "ImagePullFailed")},
        ),
        (Type.READY, Status.FALSE, Reason.SUSPENDED, {"Ready": ("False", "Suspended")}),
        (Type.READY, Status.TRUE, Reason.COMPLETED, {"Ready": ("True", "Completed")}),
    ],
)
def test_what_is_derived(type_: Type, status: Status, reason: Reason, expected: dict[str, tuple[str, str]]) -> None:
    assert derived(type_, status, reason) == expected


def test_the_first_obstacle_makes_it_unready() -> None:
    found = conditions()
    found.set(Type.DAEMON_REACHABLE, Status.FALSE, Reason.DAEMON_CRASHED, "late")
    found.set(Type.PROVISIONED, Status.FALSE, Reason.NAME_CONFLICT, "early")
    ready = by_type(found)[Type.READY]
    assert (ready.reason, ready.message) == ("NameConflict", "early")


@pytest.mark.parametrize("kept", [Type.READY, Type.PROVISIONED])
def test_a_kept_reason_that_another_version_has_written_is_passed_on(kept: Type) -> None:
    written = Condition(
        type=kept,
        status=Status.FALSE,
        reason="FromTheFuture",
        message="why",
        last_transition_time=timestamp(NOW),
        observed_generation=1,
    )
    present = conditions([written], generation=2)
    present.keep(kept)
    found = by_type(present)
    assert (found[Type.READY].status, found[Type.READY].reason) == (Status.FALSE, "FromTheFuture")
    assert found[Type.RECONCILING].reason == "FromTheFuture"
