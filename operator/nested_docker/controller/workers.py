"""The workers: they take keys from the queue and reconcile them, while this replica leads."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime

from nested_docker.controller.leader import NotLeader
from nested_docker.controller.outcome import NotConverged, Outcome, Rejected, Settled
from nested_docker.controller.session import Session, Sessions
from nested_docker.controller.workqueue import Backoff, Key, Priority, WorkQueue
from nested_docker.domain.ports import Clock, KubeError

logger = logging.getLogger(__name__)

Observe = Callable[[str, float], None]
"""Called after each pass with its result and its seconds."""

REJECTED_DELAY, DEFECT_DELAY = 1.0, 5.0
"""Least seconds until the next pass after a rejected write, and after an exception that nobody expected."""

PASSING_DELAY = 15.0
"""Most seconds until the next pass after a write was rejected for a reason that passes, such as a full quota."""

REQUEUE_DELAY = 1.0
"""Least seconds until a pass that a plan has asked for: a plan that always names a moment in the past is no hot loop.
"""


class Workers:
    """Run passes, and decide when a key is reconciled again; log lines have its name as `subject`."""

    def __init__(
        self,
        queue: WorkQueue,
        reconcile: Callable[[Key], Awaitable[Outcome]],
        sessions: Sessions,
        clock: Clock,
        observe: Observe,
        *,
        subject: str = "nested_docker",
    ) -> None:
        self._queue, self._reconcile, self._sessions = queue, reconcile, sessions
        self._clock, self._observe, self._subject = clock, observe, subject
        self._backoff = Backoff()
        self._started: dict[Key, float] = {}

    def longest_pass(self) -> float:
        """Seconds since the start of the oldest pass that still runs."""
        now = self._clock.monotonic()
        return max((now - started for started in self._started.values()), default=0.0)

    async def run(self, count: int) -> None:
        """Work with that many workers until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                group.create_task(self._work(), name=f"worker {number}")

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            started = self._started[key] = self._clock.monotonic()
            result = "error"
            try:
                result, delay = await self._pass(key)
                self._queue.schedule(key, delay, Priority.BACKGROUND)
            finally:
                self._sessions.prune(key)
                del self._started[key]
                self._queue.done(key)
                self._observe(result, self._clock.monotonic() - started)

    async def _pass(self, key: Key) -> tuple[str, float | None]:
        """One pass: its result for the metrics, and the seconds until the next one; None: when something happens."""
        context = {"namespace": key[0], self._subject: key[1]}
        session = self._sessions.of(key)
        try:
            outcome = await self._reconcile(key)
        except KubeError as error:
            delay = max(self._failed(session), error.retry_after)
            logger.warning("retrying in %.1f s: %s", delay, error, extra=context)
            return "retry", delay
        except NotLeader:  # the whole replica stops, not this pass alone
            raise
        except Exception:
            delay = max(DEFECT_DELAY, self._failed(session))
            logger.exception("a defect in the operator; retrying in %.1f s", delay, extra=context)
            return "error", delay
        match outcome:
            case Rejected():
                delay = max(REJECTED_DELAY, self._failed(session))
                delay = min(delay, PASSING_DELAY) if outcome.may_pass else delay
                return "rejected", min(delay, self._seconds_until(outcome.requeue_at) or delay)
            case NotConverged(plans):
                delay = self._failed(session)
                logger.warning(
                    "retrying in %.1f s: %d plans in a row met a changed cluster", delay, plans, extra=context
                )
                return "retry", delay
            case Settled(requeue_at):
                session.failures = 0
                return "ok", self._seconds_until(requeue_at)

    def _failed(self, session: Session) -> float:
        """Count a failure; the seconds until the next try."""
        session.failures += 1
        return self._backoff.delay(session.failures)

    def _seconds_until(self, moment: datetime | None) -> float | None:
        return None if moment is None else max(REQUEUE_DELAY, (moment - self._clock.now()).total_seconds())
