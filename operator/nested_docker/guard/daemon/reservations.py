"""Counting objects and making more of them, by several requests at the same time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.model import Reservation

Check = Callable[[Sequence[Reservation]], Awaitable[None]]
"""Raises a Refusal unless there is room beside what the daemon has, and beside what is being made."""


class Reservations:
    """What an owner's requests are making, which the daemon's list may have already, or not yet.

    So it counts beside the list. Where that leaves no room, what is under way is waited for and the
    list alone decides; only counting is done one by one.
    """

    def __init__(self) -> None:
        self._counting = asyncio.Lock()
        self._under_way: dict[asyncio.Future[None], Reservation] = {}

    @contextlib.asynccontextmanager
    async def reservation(self, wanted: Reservation | None, check: Check) -> AsyncIterator[None]:
        """Hold room while something is made; None: nothing is.

        Raises:
            Refusal: there is no room.
        """
        if wanted is None:
            yield
            return
        async with self._counting:
            await self._counted(check)
            made = asyncio.get_running_loop().create_future()
            self._under_way[made] = wanted
        try:
            yield
        finally:
            del self._under_way[made]
            made.set_result(None)

    async def _counted(self, check: Check) -> None:
        others = dict(self._under_way)
        try:
            await check(tuple(others.values()))
        except GuardDenied:
            if not others:
                raise
            await asyncio.wait(others)  # some may have failed, or been counted twice
            await check(())
