"""Quota checks of concurrent requests that create objects."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.model import Reservation

QuotaCheck = Callable[[Sequence[Reservation]], Awaitable[None]]
"""Raises GuardDenied if the quota is used up by the daemon's objects and these reservations."""


class Reservations:
    """The quota that an owner's requests in progress need.

    The daemon's list may have the object of a request in progress, or not yet, so the request counts in addition to
    the list. If that exceeds the quota, the requests in progress are awaited and the list alone decides. Only the
    checks run one at a time.
    """

    def __init__(self) -> None:
        self._checking = asyncio.Lock()
        self._in_progress: dict[asyncio.Future[None], Reservation] = {}

    @contextlib.asynccontextmanager
    async def reserve(self, reservation: Reservation | None, check: QuotaCheck) -> AsyncIterator[None]:
        """Hold quota during a request; None: it needs none.

        Raises:
            GuardDenied: the quota is used up.
        """
        if reservation is None:
            yield
            return
        async with self._checking:
            await self._check(check)
            done = asyncio.get_running_loop().create_future()
            self._in_progress[done] = reservation
        try:
            yield
        finally:
            del self._in_progress[done]
            done.set_result(None)

    async def _check(self, check: QuotaCheck) -> None:
        others = dict(self._in_progress)
        try:
            await check(tuple(others.values()))
        except GuardDenied:
            if not others:
                raise
            await asyncio.wait(others)  # some may have failed, or have been counted twice
            await check(())
