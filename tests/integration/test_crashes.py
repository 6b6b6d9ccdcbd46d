"""The operator dies, or loses an answer, after any one of its writes: the end is the same as without.

All the places to die are tried at once: in each of many namespaces the writes beyond a certain one
are kept back; when the operator has come as far as it can everywhere, it is killed and started again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest
from tests.integration.conftest import per_test
from tests.integration.world import CHILDREN, Lab, World
from tests.support.operator_process import Operator
from tests.support.proxy import Call, LoseAnswer, Proxy, Stall, When, beyond, only, writes_in
from tests.support.waiting import INTERVAL, wait_for

PATIENCE = 40.0
STANDSTILL_SECONDS = 2.0
Step = Callable[[World], Awaitable[object]]


async def nothing(_world: World) -> None:
    """No step."""


async def ready(world: World) -> None:
    await world.serves(timeout=PATIENCE)


async def with_new_image(world: World) -> None:
    async def has_it() -> bool:
        pods = await world.pods()
        return [pod["spec"]["containers"][0]["image"] for pod in pods] == ["docker:29-dind"]

    await world.until(has_it, "one pod with the new image", PATIENCE)
    await ready(world)


async def suspended(world: World) -> None:
    await world.settles("Suspended", timeout=PATIENCE)
    for kind in CHILDREN:
        await wait_for(lambda kind=kind: _no(world, kind), PATIENCE, f"the end of every {kind}")


async def _no(world: World, kind: str) -> bool:
    return not [item for item in await world.children() if item.startswith(f"{kind}/")]


async def create(world: World) -> None:
    await world.create()


async def create_and_wait(world: World) -> None:
    await world.create()
    await ready(world)


async def create_suspended(world: World) -> None:
    await world.create(suspend=True)
    await suspended(world)


async def new_image(world: World) -> None:
    await world.edit(engine={"image": "docker:29-dind"})


async def suspend(world: World) -> None:
    await world.edit(suspend=True)


async def resume(world: World) -> None:
    await world.edit(suspend=None)


@dataclass(frozen=True)
class Journey:
    """Something that takes the operator several writes."""

    before: Step
    act: Step
    after: Step


JOURNEYS = {
    "creation": Journey(nothing, create, ready),
    "replacement": Journey(create_and_wait, new_image, with_new_image),
    "suspension": Journey(create_and_wait, suspend, suspended),
    "resumption": Journey(create_suspended, resume, ready),
}


class Crew:
    """An operator and as many namespaces as wanted."""

    def __init__(self, lab: Lab, proxy: Proxy, operator: Operator) -> None:
        self._lab, self.proxy, self.operator = lab, proxy, operator

    async def world(self) -> World:
        return await self._lab.new_world(self.proxy, self.operator)

    async def worlds(self, count: int) -> list[World]:
        return [await self.world() for _ in range(count)]

    async def standstill(self) -> None:
        """Wait until the operator is as far as it can come: it tries no further write."""
        count, since = -1, time.monotonic()
        while time.monotonic() - since < STANDSTILL_SECONDS:
            if count != len(self.proxy.attempts()):
                count, since = len(self.proxy.attempts()), time.monotonic()
            await asyncio.sleep(INTERVAL)


@per_test
async def crew(lab: Lab) -> AsyncIterator[Crew]:
    async with lab.annex() as annex:
        proxy = await annex.new_proxy()
        yield Crew(annex, proxy, await annex.new_operator(proxy, LEADER_ELECTION="false", WORKERS="64"))


async def together(step: Step, worlds: list[World]) -> None:
    await asyncio.gather(*(step(world) for world in worlds))


async def unfaulted(crew: Crew, journey: Journey) -> tuple[list[Call], str]:
    """The writes of the journey, and how it ends."""
    world = await crew.world()
    await journey.before(world)
    await world.quiet(0.5)
    begun = len(crew.proxy.writes(world.namespace))
    await journey.act(world)
    await journey.after(world)
    await world.quiet(0.5)
    return crew.proxy.writes(world.namespace)[begun:], await world.snapshot()


@pytest.mark.parametrize("journey", JOURNEYS.values(), ids=JOURNEYS)
async def test_killed_after_each_write(crew: Crew, journey: Journey) -> None:
    writes, expected = await unfaulted(crew, journey)
    worlds = await crew.worlds(2 * len(writes))
    await together(journey.before, worlds)
    begun = {world.namespace: len(crew.proxy.writes(world.namespace)) for world in worlds}
    stalls = [Stall(kept_back(world, writes, number)) for number, world in enumerate(worlds)]
    with crew.proxy.fault(*stalls):
        await together(journey.act, worlds)
        await crew.standstill()
        await crew.operator.kill()
    done = [len(crew.proxy.writes(world.namespace)) - begun[world.namespace] for world in worlds]
    assert set(range(1, len(writes) - 1)) <= set(done), "not every place to die was tried"
    await crew.operator.start()
    await together(journey.after, worlds)
    for world in worlds:
        await world.quiet(0.2)
        assert await world.snapshot() == expected


def kept_back(world: World, writes: list[Call], number: int) -> When:
    """All writes beyond the number'th; then, of those made at the same time, one kind after the other alone."""
    if number < len(writes):
        return beyond(number + 1, writes_in(world.namespace))
    alone = writes[number - len(writes)]

    def when(call: Call) -> bool:
        same = (call.method, call.resource, call.subresource) == (alone.method, alone.resource, alone.subresource)
        suffix = alone.name.removeprefix("build") == call.name.removeprefix("build") or alone.resource == "pods"
        return call.is_write and call.namespace == world.namespace and same and suffix

    return when


@pytest.mark.parametrize("journey", JOURNEYS.values(), ids=JOURNEYS)
async def test_the_answer_to_each_write_is_lost(crew: Crew, journey: Journey) -> None:
    writes, expected = await unfaulted(crew, journey)
    worlds = await crew.worlds(len(writes))
    await together(journey.before, worlds)
    faults = [LoseAnswer(only(number + 1, writes_in(world.namespace))) for number, world in enumerate(worlds)]
    with crew.proxy.fault(*faults):
        await together(journey.act, worlds)
        await together(journey.after, worlds)
    assert [fault.count for fault in faults] == [1] * len(writes)
    for world in worlds:
        await world.quiet(0.2)
        assert await world.snapshot() == expected
