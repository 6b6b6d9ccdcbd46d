"""Two installations that serve the same namespace, against the documentation: the daemon comes to rest."""

from __future__ import annotations

import asyncio

from tests.integration.world import Lab, World
from tests.support.operator_process import Operator
from tests.support.proxy import Proxy

ROUNDS = 3


async def test_they_agree_on_one_key_set(lab: Lab, world: World, operator: Operator, proxy: Proxy) -> None:
    """Each has its own root key, and creates its own key set for the same NestedDocker at the same time.

    Both write the NetworkPolicy for their own namespace, and report that as they report any other controller.
    """
    async with lab.annex() as annex:
        settings = {"LEADER_ELECTION": "false", "NAMESPACES": world.namespace}
        await annex.new_operator(await annex.new_proxy(), **settings)
        for number in range(ROUNDS):
            name = f"build-{number}"
            await world.create(name)
            await world.until_condition({"status": "True"}, name=name, timeout=40)
        await asyncio.sleep(3)
        before = {f"build-{number}": await world.key_secret(f"build-{number}") for number in range(ROUNDS)}
        await asyncio.sleep(8)
        for name, secret in before.items():
            assert (await world.key_secret(name))["metadata"]["uid"] == secret["metadata"]["uid"], name
            assert len(await world.pods(name)) == 1
            condition = await world.condition(name=name)
            assert condition["status"] == "True" or condition["reason"] == "Contested", condition
            assert (await world.status(name)).get("replacement", {}).get("count", 0) <= 3
