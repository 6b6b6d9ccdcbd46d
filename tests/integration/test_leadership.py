"""Several replicas: one writes, and another takes over, however the first one ends."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator

from tests.integration.conftest import per_test
from tests.integration.world import Lab, World
from tests.support.operator_process import Operator
from tests.support.proxy import Call, HoldAnswer, Proxy, Refuse, Stall, only
from tests.support.waiting import holds, wait_for

LEASE_SECONDS = 6.0
MARGIN = 6.0
"""For a busy machine."""


class Replica:
    """An operator, with a way to the API server of its own."""

    def __init__(self, operator: Operator, proxy: Proxy) -> None:
        self.operator, self.proxy = operator, proxy


class Pair:
    """Two replicas, of which `first` leads."""

    def __init__(self, lab: Lab, first: Replica, second: Replica) -> None:
        self.lab, self.first, self.second = lab, first, second

    async def world(self, replica: Replica) -> World:
        """A namespace, with a view of one replica's writes."""
        return await self.lab.new_world(replica.proxy, replica.operator)

    async def second_leads_within(self, seconds: float) -> None:
        started = time.monotonic()
        await wait_for(self.second.operator.leading, seconds, self.second.operator.last_words)
        print(f"taken over after {time.monotonic() - started:.1f} s")  # noqa: T201


@per_test
async def pair(lab: Lab) -> AsyncIterator[Pair]:
    async with lab.annex() as annex:
        replicas = await asyncio.gather(replica(annex), replica(annex))

        async def leaders() -> list[Replica]:
            return [each for each in replicas if await each.operator.leading()]

        first = (await wait_for(leaders, 30, replicas[0].operator.last_words))[0]
        yield Pair(annex, first, next(each for each in replicas if each is not first))


async def replica(lab: Lab) -> Replica:
    proxy = await lab.new_proxy()
    return Replica(await lab.new_operator(proxy, leads=False, LEASE_SECONDS=str(LEASE_SECONDS)), proxy)


def is_renewal(call: Call) -> bool:
    return call.resource == "leases" and call.method == "PUT"


async def test_only_one_leads_and_the_other_is_ready(pair: Pair) -> None:
    world = await pair.world(pair.first)
    await world.create()
    await world.serves()
    assert not await pair.second.operator.leading()
    assert (await pair.second.operator.http("/readyz"))[0] == 200
    assert pair.second.proxy.attempts() == []
    assert [call for call in pair.second.proxy.calls if call.resource == "events" and call.method == "POST"] == []


async def test_a_leader_that_dies_is_followed(pair: Pair) -> None:
    world = await pair.world(pair.second)
    stall = Stall(lambda call: call.resource == "pods" and call.method == "POST")
    with pair.first.proxy.fault(stall):
        await world.create()
        await wait_for(lambda: stall.held, 15, "the first replica in the midst of it")
        await pair.first.operator.kill()
        await pair.second_leads_within(LEASE_SECONDS + MARGIN)
    await world.serves()


async def test_a_leader_that_is_asked_to_end_hands_over_at_once(pair: Pair) -> None:
    world = await pair.world(pair.second)
    started = time.monotonic()
    stopping = asyncio.create_task(pair.first.operator.stop())
    await pair.second_leads_within(LEASE_SECONDS / 2)
    assert await stopping == 0
    print(f"ended after {time.monotonic() - started:.1f} s")  # noqa: T201
    assert time.monotonic() - started < LEASE_SECONDS / 2
    await world.create()
    await world.serves()


async def test_a_leader_that_was_frozen_writes_nothing_and_ends(pair: Pair) -> None:
    world = await pair.world(pair.second)
    pair.first.operator.signal(signal.SIGSTOP)
    try:
        await pair.second_leads_within(LEASE_SECONDS + MARGIN)
        await world.create()
        await world.serves()
        before = len(pair.first.proxy.attempts())
    finally:
        pair.first.operator.signal(signal.SIGCONT)
    await world.edit(engine={"image": "docker:30-dind"})
    assert await pair.first.operator.ended() == 1
    assert len(pair.first.proxy.attempts()) == before, [str(call) for call in pair.first.proxy.attempts()[before:]]
    await world.serves()
    assert await pair.second.operator.leading()


async def test_a_leader_that_was_frozen_in_mid_pass_does_not_go_on(pair: Pair) -> None:
    world = await pair.world(pair.second)
    answer = HoldAnswer(lambda call: call.resource == "secrets" and call.method == "POST")
    with pair.first.proxy.fault(answer):
        await world.create()
        await wait_for(lambda: answer.held, 15, "the first replica in the midst of it")
        pair.first.operator.signal(signal.SIGSTOP)
        await pair.second_leads_within(LEASE_SECONDS + MARGIN)
        await world.serves()
    before = len(pair.first.proxy.attempts())
    pair.first.operator.signal(signal.SIGCONT)
    assert await pair.first.operator.ended() == 1
    assert len(pair.first.proxy.attempts()) == before, [str(call) for call in pair.first.proxy.attempts()[before:]]
    await world.check_consistency()


async def test_one_failed_renewal_costs_nothing(pair: Pair) -> None:
    for status in (500, 409, 429):
        fault = Refuse(status, only(1, is_renewal))
        with pair.first.proxy.fault(fault):
            await wait_for(lambda fault=fault: fault.count, LEASE_SECONDS, "a renewal that fails")
            await holds(pair.first.operator.leading, LEASE_SECONDS / 2, f"it leads in spite of a {status}")
    assert not await pair.second.operator.leading()


async def test_a_leader_that_is_cut_off_ends_and_another_one_follows(pair: Pair) -> None:
    world = await pair.world(pair.second)
    await world.create()
    await world.serves()
    await pair.first.proxy.vanish()
    assert await pair.first.operator.ended() == 1
    await pair.second_leads_within(LEASE_SECONDS + MARGIN)
    await pair.first.proxy.listen()
    assert await world.quiet(0.5) == [], "what is settled is left alone by the next leader"
    await pair.first.operator.start(leads=False)
    await holds(pair.second.operator.leading, 1.0, "the new leader stays")
