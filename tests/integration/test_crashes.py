"""The operator dies after any one of its writes: the end is the same as if it had not.

All the places to die are tried at once: in each of many namespaces some writes are kept back; when
the operator has come as far as it can everywhere, it is killed and started again.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from tests.integration.conftest import per_module
from tests.integration.journeys import JOURNEYS, Journey, ends_like, standstill, together, unfaulted
from tests.integration.world import Lab, World
from tests.support.operator_process import Operator
from tests.support.proxy import Call, Proxy, Stall, When, beyond, writes_in

AT_THE_SAME_TIME = frozenset({"pods", "services", "networkpolicies"})


@per_module
async def operator(lab: Lab, proxy: Proxy) -> Operator:
    """One that starts again at once, since it waits for no lease, and that many held writes do not block."""
    return await lab.new_operator(proxy, LEADER_ELECTION="false", WORKERS="64")


@dataclass(frozen=True)
class Beyond:
    """A place to die: all writes beyond the first so many are kept back."""

    number: int

    def keeps_back(self, world: World) -> When:
        return beyond(self.number, writes_in(world.namespace))


@dataclass(frozen=True)
class Alone:
    """A place to die: one write is kept back, and what is made at the same time is not."""

    write: Call

    def keeps_back(self, world: World) -> When:
        mine, kind = writes_in(world.namespace), (self.write.method, self.write.resource)
        return lambda call: mine(call) and (call.method, call.resource) == kind


@pytest.mark.parametrize("journey", JOURNEYS.values(), ids=JOURNEYS)
async def test_killed_after_each_write(lab: Lab, proxy: Proxy, operator: Operator, journey: Journey) -> None:
    async with lab.annex() as crowd:
        writes, expected = await unfaulted(await crowd.new_world(proxy, operator), journey)
        places = [Beyond(number) for number in range(1, len(writes) + 1)]
        places += [Alone(call) for call in writes if call.resource in AT_THE_SAME_TIME]
        worlds = [await crowd.new_world(proxy, operator) for _ in places]
        await together(journey.before, worlds)
        begun = {world.namespace: len(proxy.writes(world.namespace)) for world in worlds}
        stalls = [Stall(place.keeps_back(world)) for place, world in zip(places, worlds, strict=True)]
        with proxy.fault(*stalls):
            await together(journey.act, worlds)
            await standstill(proxy)
            await operator.kill()
        done = {len(proxy.writes(world.namespace)) - begun[world.namespace] for world in worlds}
        assert set(range(1, len(writes) - 1)) <= done, "not every place to die was tried"
        await operator.start()
        await together(journey.after, worlds)
        await ends_like(expected, worlds)
