"""The workers: they take keys from the queue, as many at once as allowed, while this replica leads."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime

from nested_docker.controller.errors import WriteRejected
from nested_docker.controller.leader import NotLeader
from nested_docker.controller.reconciler import NotConverged
from nested_docker.controller.workqueue import Backoff, Key, Priority, WorkQueue
from nested_docker.domain.ports import Clock, KubeError

logger = logging.getLogger(__name__)

Observe = Callable[[str, float], None]
"""Told of each pass: its outcome and its seconds."""


class Workers:
    """Runs passes; decides when a key is looked at again."""

    def __init__(
        self,
        queue: WorkQueue,
        reconcile: Callable[[Key], Awaitable[datetime | None]],
        clock: Clock,
        observe: Observe,
    ) -> None:
        self._queue, self._reconcile, self._clock, self._observe = queue, reconcile, clock, observe
        self._backoff = Backoff()
        self._started: dict[Key, float] = {}

    def longest_pass(self) -> float:
        """Seconds that the longest pass now under way has taken."""
        now = self._clock.monotonic()
        return max((now - started for started in self._started.values()), default=0.0)

    async def run(self, count: int) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                group.create_task(self._work(), name=f"worker {number}")

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            started = self._started[key] = self._clock.monotonic()
            outcome = "error"
            try:
                outcome, delay = await self._pass(key)
                self._queue.schedule(key, delay, Priority.BACKGROUND)
            finally:
                del self._started[key]
                self._queue.done(key)
                self._observe(outcome, self._clock.monotonic() - started)

    async def _pass(self, key: Key) -> tuple[str, float | None]:
        context = {"namespace": key[0], "nested_docker": key[1]}
        try:
            again = await self._reconcile(key)
        except WriteRejected:
            return "refused", max(1.0, self._backoff.next(key))
        except (KubeError, NotConverged) as error:
            delay = max(self._backoff.next(key), error.retry_after if isinstance(error, KubeError) else 0)
            logger.warning("will be tried again in %.1f s: %s", delay, error, extra=context)
            return "retry", delay
        except NotLeader:  # the whole replica stops, not this pass alone
            raise
        except Exception:
            delay = max(5.0, self._backoff.next(key))
            logger.exception("a defect in the operator; will be tried again in %.1f s", delay, extra=context)
            return "error", delay
        self._backoff.reset(key)
        return "ok", None if again is None else max(0.05, (again - self._clock.now()).total_seconds())
