"""Workers: each outcome of a pass, its result in the metrics, and when the key is reconciled again."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from tests.unit.fakes import FakeClock

from nested_docker.controller.leader import NotLeader
from nested_docker.controller.outcome import NotConverged, Outcome, Rejected, Settled
from nested_docker.controller.session import Session, Sessions
from nested_docker.controller.workers import Workers
from nested_docker.controller.workqueue import Key, Priority, WorkQueue
from nested_docker.domain.objects import Identity
from nested_docker.domain.observed import ApiRejection
from nested_docker.domain.ports import KubeError
from nested_docker.domain.status.reasons import Reason

KEY = ("team-a", "build")
REJECTED = Rejected(Identity("Pod", "team-a", "build-1"), ApiRejection(Reason.API_REJECTED, "exceeded quota"))


class Recorded(WorkQueue):
    """A work queue that keeps what was scheduled instead of waiting for it."""

    def __init__(self) -> None:
        super().__init__()
        self.delays: list[float | None] = []

    def schedule(self, key: Key, delay: float | None, priority: Priority = Priority.NORMAL) -> None:
        assert (key, priority) == (KEY, Priority.BACKGROUND)
        self.delays.append(delay)


async def passes(*outcomes: Outcome | Exception) -> tuple[list[str], list[float | None], Sessions]:
    queue, sessions, results, left = Recorded(), Sessions(), [], [*outcomes]

    async def reconcile(_key: Key) -> Outcome:
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    workers = Workers(queue, reconcile, sessions, FakeClock(), lambda result, _seconds: results.append(result))
    running = asyncio.create_task(workers.run(1))
    try:
        for count in range(1, len(outcomes) + 1):
            queue.add(KEY)
            while len(results) < count:
                await asyncio.sleep(0)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return results, queue.delays, sessions


async def test_a_settled_key_waits_for_its_time_or_for_an_event() -> None:
    now = FakeClock().now()
    results, delays, _ = await passes(Settled(), Settled(now + timedelta(seconds=7)))
    assert results == ["ok", "ok"]
    assert delays == [None, 7.0]


@pytest.mark.parametrize("seconds", [-31_536_000, -7, -0.001, 0, 0.001, 0.999])
async def test_no_plan_can_make_a_hot_loop(seconds: float) -> None:
    moment = FakeClock().now() + timedelta(seconds=seconds)
    results, delays, _ = await passes(*[Settled(moment)] * 3)
    assert results == ["ok"] * 3
    assert delays == [1.0] * 3, "a moment that has passed, or passes soon, must not be honoured at once"


@pytest.mark.parametrize(
    ("outcome", "result", "least"),
    [
        (REJECTED, "rejected", 1.0),
        (NotConverged(6), "retry", 0.1),
        (KubeError(429, "TooManyRequests", "slow down", retry_after=9.0), "retry", 9.0),
        (ValueError("a defect"), "error", 5.0),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_each_failure_delays_the_next_pass(outcome: Outcome | Exception, result: str, least: float) -> None:
    results, (delay,), sessions = await passes(outcome)
    assert results == [result]
    assert delay is not None
    assert delay >= least
    assert sessions.of(KEY).failures == 1


async def test_what_may_pass_is_tried_again_within_seconds() -> None:
    full = Rejected(REJECTED.identity, ApiRejection(Reason.QUOTA_EXCEEDED, "exceeded quota"))
    for outcome, most in ((full, 15.0), (REJECTED, 60.0)):
        _, delays, _ = await passes(*[outcome] * 12)
        assert all(delay is not None and 1.0 <= delay <= most for delay in delays)
        assert delays[-1] is not None
        assert delays[-1] >= most / 2, "it does not back off"


async def test_failures_in_a_row_back_off_and_a_success_ends_them() -> None:
    _, delays, sessions = await passes(*[NotConverged(6)] * 8)
    assert sessions.of(KEY).failures == 8
    assert delays[-1] is not None
    assert delays[-1] >= 0.1 * 2**7
    _, _, sessions = await passes(*[NotConverged(6)] * 8, Settled())
    assert sessions.of(KEY) == Session()


async def test_a_lost_lease_stops_the_workers() -> None:
    async def reconcile(_key: Key) -> Outcome:
        raise NotLeader("the lease is lost")

    queue = WorkQueue()
    queue.add(KEY)
    workers = Workers(queue, reconcile, Sessions(), FakeClock(), lambda _result, _seconds: None)
    with pytest.raises(ExceptionGroup) as stopped:
        await asyncio.wait_for(workers.run(1), 5.0)
    assert stopped.group_contains(NotLeader)
