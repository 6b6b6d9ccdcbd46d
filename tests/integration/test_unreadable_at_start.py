"""Objects that Python's JSON parser rejects are there when the operator starts, so its lists meet them.

The module has only this test: a second operator, with another root key, would replace the same pods.
"""

from __future__ import annotations

from tests.integration.spoiling import labelled, spoil
from tests.integration.world import Lab, World
from tests.support.nesting import BODIES
from tests.support.proxy import Proxy

PATIENCE = 40.0


async def test_an_operator_that_starts_among_them_serves(lab: Lab, proxy: Proxy) -> None:
    namespace = await lab.new_namespace()
    for kind in BODIES:
        await labelled(lab.api, namespace, kind, "spoilt")
    operator = await lab.new_operator(proxy, LEADER_ELECTION="false", NAMESPACES=namespace)
    world = World(lab.api, lab.kubelet, operator, proxy, namespace, lab.class_name)
    await world.create("build")
    await world.serves("build", timeout=PATIENCE)
    await spoil(lab.api, "NestedDocker", namespace, "build")
    await operator.kill()
    await operator.start(leads=False)
    await world.serves("build", timeout=PATIENCE)

    async def counted() -> bool:
        # The pod may be gone: it belongs to no NestedDocker, and such pods are removed.
        return await operator.metric("nested_docker_unreadable_objects") in {len(BODIES), len(BODIES) + 1}

    await world.until(counted, "a metric that counts them all", PATIENCE)
