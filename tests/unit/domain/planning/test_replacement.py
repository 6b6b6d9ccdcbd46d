"""Replacements: never faster than the interval, each one later, and not a third time for one cause."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.factory import NOW

from nested_docker.api.v1alpha1.nested_docker import Replacement
from nested_docker.domain.planning.replacement import (
    DESCRIPTIONS,
    LONGEST_WAIT,
    STALLED_WAIT,
    Cause,
    cause_of,
    is_stalled,
    made,
    next_replacement,
)
from nested_docker.domain.status.conditions import parse_timestamp

INTERVAL = timedelta(seconds=20)
OLD, NEW = "build-aaaaa", "build-bbbbb"


def following(
    before: Replacement | None = None,
    cause: Cause = Cause.POD_DELETED,
    *,
    pod: str = OLD,
    inputs: str = "same",
    now: datetime = NOW,
    earliest: datetime = NOW,
    was_steady: bool = False,
) -> Replacement:
    return next_replacement(
        before, cause, pod, inputs, now=now, earliest=earliest, interval=INTERVAL, was_steady=was_steady
    )


def wait(replacement: Replacement, since: datetime = NOW) -> timedelta:
    return parse_timestamp(replacement.time) - since


def test_the_first_one_is_made_at_once() -> None:
    assert wait(following()) == timedelta()


def test_a_planned_one_stays_as_it_is() -> None:
    planned = following(now=NOW, earliest=NOW + INTERVAL)
    assert following(planned, now=NOW + timedelta(seconds=7)) == planned


@pytest.mark.parametrize("cause", [each for each in Cause if each != Cause.WRITE_REJECTED])
def test_the_third_one_in_a_row_is_stalled(cause: Cause) -> None:
    first = made(following(cause=cause), NEW)
    second = following(first, cause, pod=NEW)
    if cause != Cause.IMAGE_NOT_ALLOWED:
        assert INTERVAL <= wait(second) <= INTERVAL + timedelta(seconds=1)
        assert not is_stalled(cause, second.same_cause)
    third = following(made(second, OLD), cause)
    assert is_stalled(cause, third.same_cause)
    assert wait(third) >= STALLED_WAIT


def test_other_causes_in_between_do_not_shorten_the_waits() -> None:
    before, waits = made(following(), NEW), []
    for number in range(12):
        due = parse_timestamp(before.time) if before else NOW
        cause = (Cause.POD_DELETED, Cause.IMAGE_CHANGED)[number % 2]
        following_one = following(before, cause, pod=f"build-{number}", now=due, earliest=due)
        waits.append(wait(following_one, due) // timedelta(seconds=20))
        before = made(following_one, "another")
    assert waits == [1, 2, 4, 8, 16, *[int(LONGEST_WAIT.total_seconds()) // 20] * 7]


@pytest.mark.parametrize("planned", [True, False])
def test_a_change_of_the_inputs_begins_a_new_row_after_the_interval(planned: bool) -> None:
    second = following(made(following(), NEW), pod=NEW)
    third = following(made(second, OLD))
    assert is_stalled(third.cause, third.same_cause)
    later = parse_timestamp(second.time) + timedelta(seconds=3)
    before, pod = (third, OLD) if planned else (made(second, OLD), OLD)
    changed = following(before, pod=pod, inputs="changed", now=later, earliest=later)
    assert (changed.count, changed.same_cause) == (1, 1)
    assert INTERVAL <= wait(changed, parse_timestamp(second.time)) <= INTERVAL + timedelta(seconds=1)


def test_a_steady_daemon_begins_a_new_row() -> None:
    second = following(made(following(), NEW), pod=NEW)
    later = NOW + timedelta(hours=1)
    again = following(made(second, OLD), now=later, earliest=later, was_steady=True)
    assert (again.count, again.same_cause, wait(again, later)) == (1, 1, timedelta())


def test_a_rejected_write_is_never_stalled_by_its_count() -> None:
    assert not is_stalled(Cause.WRITE_REJECTED, 9)


def test_an_unknown_cause_of_another_version_is_one_of_ours() -> None:
    assert cause_of(Replacement(cause="Later", time="2026-03-01T12:00:00Z")) in Cause


def test_every_cause_is_described() -> None:
    assert DESCRIPTIONS.keys() == {*Cause}


LOSSES = st.lists(
    st.tuples(
        st.sampled_from([*Cause]),
        st.integers(min_value=0, max_value=4000),
        st.booleans(),
        st.booleans(),
    ),
    max_size=30,
)


@given(LOSSES)
def test_no_two_are_closer_than_the_interval(losses: list[tuple[Cause, int, bool, bool]]) -> None:
    before, now, times = None, NOW, []
    for number, (cause, seconds, changes, was_steady) in enumerate(losses):
        now += timedelta(seconds=seconds)
        inputs = str(number) if changes else "same"
        due = following(
            before, cause, pod=f"build-{number}", inputs=inputs, now=now, earliest=now, was_steady=was_steady
        )
        now = max(now, parse_timestamp(due.time))
        times.append(now)
        before = made(due, "another")
    assert all(later - earlier >= INTERVAL for earlier, later in itertools.pairwise(times))
