"""When a daemon has been idle for long enough."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from nested_docker.idle.clock import IdleClock

LOOKS = st.lists(st.tuples(st.floats(0.1, 20), st.sampled_from([True, False, None])), max_size=30)


def test_the_clock_starts_anew_with_every_use() -> None:
    clock = IdleClock(10, now=0)
    assert not clock.observe(9, in_use=False)
    assert not clock.observe(9.5, in_use=True)
    assert clock.idle == 0
    assert not clock.observe(19, in_use=False)
    assert clock.observe(19.5, in_use=False)
    assert clock.idle == 10


def test_the_clock_stands_still_while_nobody_can_tell() -> None:
    clock = IdleClock(10, now=0)
    assert not clock.observe(100, in_use=None)
    assert not clock.observe(109, in_use=False)
    assert not clock.observe(1000, in_use=None)
    assert clock.idle == 9
    assert clock.observe(1001, in_use=False)


@given(LOOKS)
def test_idleness_is_the_sum_of_what_was_seen_idle_since_the_last_use(
    looks: list[tuple[float, bool | None]],
) -> None:
    clock, now, seen = IdleClock(10, now=5), 5.0, 0.0
    for step, in_use in looks:
        now += step
        seen = {True: 0.0, False: seen + step, None: seen}[in_use]
        up = clock.observe(now, in_use=in_use)
        assert abs(clock.idle - seen) < 1e-6
        assert up == (clock.idle >= 10)


@given(LOOKS)
def test_use_or_ignorance_never_brings_the_end(looks: list[tuple[float, bool | None]]) -> None:
    clock = IdleClock(10, now=0)
    times = itertools.accumulate(step for step, _ in looks)
    assert not any(clock.observe(now, in_use=in_use or None) for now, (_, in_use) in zip(times, looks, strict=True))
