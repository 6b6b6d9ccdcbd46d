"""Quota checks while requests are in progress."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from nested_docker.guard.daemon.reservations import Reservations
from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.model import Reservation
from nested_docker.guard.ownership import ObjectKind

CONTAINER = Reservation(ObjectKind.CONTAINER)


class Daemon:
    """A daemon with a list of objects and a quota."""

    def __init__(self, most: int) -> None:
        self.most, self.there, self.together, self.at_once = most, 0, 0, 0
        self.reservations = Reservations()

    async def check(self, others: Sequence[Reservation]) -> None:
        await asyncio.sleep(0)
        if self.there + len(others) >= self.most:
            raise GuardDenied("limits.containers", "full")

    async def make(self, *, fails: bool = False, seconds: float = 0.01) -> bool:
        """Whether the quota allowed it; the object is in the list before the request is complete."""
        try:
            async with self.reservations.reserve(CONTAINER, self.check):
                self.together += 1
                self.at_once = max(self.at_once, self.together)
                await asyncio.sleep(seconds)
                self.there += not fails
                await asyncio.sleep(0.01)
                self.together -= 1
        except GuardDenied:
            return False
        return True


async def test_the_quota_is_never_exceeded() -> None:
    daemon = Daemon(10)
    assert sum(await asyncio.gather(*(daemon.make() for _ in range(30)))) == daemon.there == 10


async def test_requests_within_the_quota_run_concurrently() -> None:
    daemon = Daemon(100)
    assert all(await asyncio.gather(*(daemon.make() for _ in range(30))))
    assert daemon.at_once == 30


async def test_a_failed_request_releases_its_reservation() -> None:
    daemon = Daemon(3)
    failing = [daemon.make(fails=True) for _ in range(3)]
    assert all(await asyncio.gather(*failing, *(daemon.make() for _ in range(3))))
    assert daemon.there == 3


async def test_a_cancelled_request_releases_its_reservation() -> None:
    daemon = Daemon(1)
    given_up = asyncio.create_task(daemon.make(seconds=60))
    while not daemon.together:
        await asyncio.sleep(0)
    waiting = asyncio.create_task(daemon.make())
    await asyncio.sleep(0)
    given_up.cancel()
    assert await waiting
    with pytest.raises(asyncio.CancelledError):
        await given_up


async def test_a_request_that_creates_nothing_needs_no_quota() -> None:
    daemon = Daemon(0)
    async with daemon.reservations.reserve(None, daemon.check):
        assert not await daemon.make()
