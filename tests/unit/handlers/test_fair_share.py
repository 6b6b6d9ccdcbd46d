"""Turns by rotation: whoever sends most does not hold up the others."""

from __future__ import annotations

import asyncio

import pytest

from nested_docker.handlers.fair_share import FairShare, NoTurn


def turns(**options: float) -> FairShare:
    given = {"workers": 4, "share": 2, "waiting": 4, "patience": 5.0} | options
    return FairShare(**given)  # type: ignore[arg-type]


async def hold(fair: FairShare, requester: str, order: list[str], seconds: float = 0.02) -> None:
    async with fair.turn(requester):
        order.append(requester)
        await asyncio.sleep(seconds)


async def test_one_requester_gets_only_a_share() -> None:
    fair, order = turns(waiting=100), list[str]()
    flood = [asyncio.create_task(hold(fair, "flood", order, 0.2)) for _ in range(50)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert order == ["flood"] * 2
    async with asyncio.timeout(0.1):
        await hold(fair, "other", order)
    for task in flood:
        task.cancel()
    await asyncio.gather(*flood, return_exceptions=True)


async def test_waiting_requesters_take_turns() -> None:
    fair, order = turns(workers=1, share=1, waiting=10), list[str]()
    tasks = [asyncio.create_task(hold(fair, each, order)) for each in ["a"] * 5 + ["b"] * 2 + ["c"]]
    await asyncio.gather(*tasks)
    assert order == ["a", "b", "c", "a", "b", "a", "a", "a"]


async def test_too_many_that_wait_are_rejected() -> None:
    fair, order = turns(waiting=3), list[str]()
    tasks = [asyncio.create_task(hold(fair, "a", order)) for _ in range(9)]
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(each) for each in results if each] == ["3 requests of a are waiting to be reviewed"] * 4
    assert order == ["a"] * 5


async def test_waiting_ends() -> None:
    fair, order = turns(workers=1, patience=0.05), list[str]()
    holding = asyncio.create_task(hold(fair, "a", order, 0.3))
    await asyncio.sleep(0)
    with pytest.raises(NoTurn, match=r"a request of b waited 0\.05 s to be reviewed"):
        await hold(fair, "b", order)
    await holding
    await hold(fair, "b", order)
    assert order == ["a", "b"]


@pytest.mark.parametrize("after", [0.0, 0.01, 0.03])
async def test_no_turn_is_lost(after: float) -> None:
    fair, order = turns(workers=2, share=1, waiting=100), list[str]()
    for _ in range(20):
        tasks = [asyncio.create_task(hold(fair, each, order, 0.001)) for each in "abcab"]
        await asyncio.sleep(after)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    async with asyncio.timeout(1), fair.turn("a"), fair.turn("b"):
        pass
    assert not fair._waiting
    assert not fair._running
