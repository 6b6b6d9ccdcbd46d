"""The work queue: each key at most once, the urgent ones first, one worker per key."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
import time
from enum import IntEnum

Key = tuple[str, str]
"""Namespace and name of a NestedDocker."""


class Priority(IntEnum):
    """How urgent a key is; smaller comes first.

    A key that is one step from Ready precedes one that has not begun, which halves the median latency of a
    burst at the same rate.
    """

    NEARLY_READY = 0
    NORMAL = 1
    BACKGROUND = 2


class Backoff:
    """Delays that grow with the failures in a row, with jitter.

    Args:
        first: seconds after the first failure.
        cap: seconds at most.
    """

    def __init__(self, first: float = 0.2, cap: float = 60.0) -> None:
        self._first, self._cap = first, cap

    def delay(self, failures: int) -> float:
        """Seconds until the next try, after so many failures in a row (at least one)."""
        ceiling: float = min(self._cap, self._first * 2 ** min(failures - 1, 30))
        return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, guards nothing


class WorkQueue:
    """Keys that need a pass.

    A key that is added again while it waits is not queued twice, but takes the higher of the two
    priorities. One that is added while it is worked on waits for its worker to finish.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[Priority, int, Key]] = []
        self._waiting: dict[Key, tuple[Priority, int]] = {}
        self._since: dict[Key, float] = {}
        self._running: set[Key] = set()
        self._again: dict[Key, Priority] = {}
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._numbers = itertools.count()
        self._wakeup = asyncio.Event()

    def __len__(self) -> int:
        """Keys that wait to be worked on now."""
        return len(self._waiting)

    def oldest(self) -> float:
        """Seconds for which the oldest of these keys has waited; 0: none waits."""
        return time.monotonic() - min(self._since.values()) if self._since else 0.0

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is worked on; delayed keys do not count."""
        return not self._waiting and not self._running

    def add(self, key: Key, priority: Priority = Priority.NORMAL) -> None:
        """Queue the key."""
        if key in self._running:
            self._again[key] = min(priority, self._again.get(key, priority))
            return
        waiting = self._waiting.get(key)
        if waiting is not None and waiting[0] <= priority:
            return
        number = next(self._numbers)
        self._waiting[key] = (priority, number)
        self._since.setdefault(key, time.monotonic())
        heapq.heappush(self._heap, (priority, number, key))
        self._wakeup.set()

    def schedule(self, key: Key, delay: float | None, priority: Priority = Priority.NORMAL) -> None:
        """Queue the key after `delay` seconds, instead of any earlier schedule; None: not at all."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        if delay is not None:
            self._timers[key] = asyncio.get_running_loop().call_later(delay, self._due, key, priority)

    async def get(self) -> Key:
        """The most urgent key, once there is one. The caller calls `done` afterwards."""
        while True:
            while self._heap:
                priority, number, key = heapq.heappop(self._heap)
                if self._waiting.get(key) == (priority, number):
                    del self._waiting[key], self._since[key]
                    self._running.add(key)
                    return key
            self._wakeup.clear()
            await self._wakeup.wait()

    def done(self, key: Key) -> None:
        """The worker has finished with the key."""
        self._running.discard(key)
        priority = self._again.pop(key, None)
        if priority is not None:
            self.add(key, priority)

    def _due(self, key: Key, priority: Priority) -> None:
        self._timers.pop(key, None)
        self.add(key, priority)
