"""Turns at a limited number of workers: nobody gets more than a share while others wait."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class NoTurn(Exception):
    """The requester has too many requests that wait, or waited too long."""


class FairShare:
    """Gives turns to requesters by rotation.

    Args:
        workers: turns at the same time.
        share: turns of one requester at the same time.
        waiting: requests of one requester that may wait; further ones are rejected.
        patience: seconds that a request may wait.
    """

    def __init__(self, *, workers: int, share: int, waiting: int, patience: float) -> None:
        self._free, self._share, self._most_waiting, self._patience = workers, share, waiting, patience
        self._running: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def turn(self, requester: str) -> AsyncIterator[None]:
        """Wait for a turn; it lasts as long as the block.

        Raises:
            NoTurn: there is none for the requester.
        """
        await self._wait(requester)
        try:
            yield
        finally:
            self._end(requester)
            self._give()

    async def _wait(self, requester: str) -> None:
        queue = self._waiting.setdefault(requester, deque())
        if len(queue) >= self._most_waiting:
            raise NoTurn(f"{len(queue)} requests of {requester} are waiting to be reviewed")
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(mine)
        self._give()
        try:
            async with asyncio.timeout(self._patience):
                await mine
        except BaseException as error:
            self._withdraw(requester, mine)
            if isinstance(error, TimeoutError):
                message = f"a request of {requester} waited {self._patience:g} s to be reviewed"
                raise NoTurn(message) from error
            raise

    def _withdraw(self, requester: str, mine: asyncio.Future[None]) -> None:
        if mine.done() and not mine.cancelled():  # the turn came at the same moment
            self._end(requester)
        elif mine in self._waiting.get(requester, ()):
            self._waiting[requester].remove(mine)
        self._give()

    def _end(self, requester: str) -> None:
        """A turn is over; others that wait come first."""
        self._free += 1
        self._running[requester] -= 1
        if not self._running[requester]:
            del self._running[requester]
        if requester in self._waiting:
            self._waiting.move_to_end(requester)

    def _give(self) -> None:
        """Give the free turns to those that wait, one requester after the other."""
        for requester in list(self._waiting):
            queue = self._waiting[requester]
            while queue and queue[0].done():
                queue.popleft()
            if not queue:
                del self._waiting[requester]
            elif self._free and self._running[requester] < self._share:
                queue.popleft().set_result(None)
                self._free -= 1
                self._running[requester] += 1
                self._waiting.move_to_end(requester)
        again = self._free and any(
            queue and self._running[requester] < self._share for requester, queue in self._waiting.items()
        )
        if again:
            self._give()
