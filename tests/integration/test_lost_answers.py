"""A write is made, and the operator never hears of it: it finds out by itself."""

from __future__ import annotations

import pytest
from tests.integration.journeys import JOURNEYS, Journey, ends_like, together, unfaulted
from tests.integration.world import Lab
from tests.support.operator_process import Operator
from tests.support.proxy import LoseAnswer, Proxy, only, writes_in


@pytest.mark.parametrize("journey", JOURNEYS.values(), ids=JOURNEYS)
async def test_the_answer_to_each_write_is_lost(lab: Lab, proxy: Proxy, operator: Operator, journey: Journey) -> None:
    async with lab.annex() as crowd:
        writes, expected = await unfaulted(await crowd.new_world(proxy, operator), journey)
        worlds = [await crowd.new_world(proxy, operator) for _ in writes]
        await together(journey.before, worlds)
        faults = [LoseAnswer(only(number, writes_in(world.namespace))) for number, world in enumerate(worlds, 1)]
        with proxy.fault(*faults):
            await together(journey.act, worlds)
            await together(journey.after, worlds)
        assert [fault.count for fault in faults] == [1] * len(writes)
        await ends_like(expected, worlds)
