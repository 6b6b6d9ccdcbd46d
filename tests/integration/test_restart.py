"""What is settled stays untouched, however often it is looked at; what is not known is not guessed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from tests.integration.conftest import per_module
from tests.integration.world import Lab, World
from tests.support.operator_process import Operator
from tests.support.proxy import Proxy, Stall
from tests.support.waiting import holds, wait_for

SETTLED = 30
RESYNC_SECONDS = 10
NAMES = [f"build-{number}" for number in range(SETTLED)]


@per_module
async def settled(lab: Lab) -> AsyncIterator[World]:
    """Many NestedDockers that are ready, and an operator without a lease, so that its restart takes no time."""
    proxy = await lab.new_proxy()
    operator = await lab.new_operator(proxy, LEADER_ELECTION="false", RESYNC_SECONDS=str(RESYNC_SECONDS))
    world = await lab.new_world(proxy, operator)
    await asyncio.gather(*(world.create(name) for name in NAMES))
    await asyncio.gather(*(world.ready(name, timeout=60) for name in NAMES))
    await world.quiet()
    return world


async def looked_at_everything(operator: Operator) -> bool:
    passes = await operator.metric("nested_docker_reconciles_total")
    return passes >= SETTLED and await operator.metric("nested_docker_queue_depth") == 0


def resyncs(proxy: Proxy) -> int:
    return len([call for call in proxy.reads() if call.resource == "nesteddockers"])


async def test_a_restart_writes_nothing(settled: World) -> None:
    await settled.operator.kill()
    settled.proxy.calls.clear()
    await settled.operator.start()
    await settled.until(lambda: looked_at_everything(settled.operator), "a look at everything", 30)
    assert await settled.quiet() == []
    reads = [str(call) for call in settled.proxy.reads(settled.namespace)]
    assert reads == [], "settled objects need no lookup of their own"
    for name in NAMES[::10]:
        await settled.check_consistency(name)


async def test_a_resync_writes_nothing(settled: World) -> None:
    settled.proxy.calls.clear()
    await settled.until(lambda: resyncs(settled.proxy) >= 1, "a resync", 2 * RESYNC_SECONDS)
    assert await settled.quiet() == []


async def test_a_lost_event_is_made_up_for_by_the_resync(settled: World) -> None:
    name = NAMES[0]
    with settled.proxy.dropping(lambda type_, obj: type_ == "DELETED" and obj["kind"] == "Service"):
        await settled.api.delete("Service", settled.namespace, name)
        await settled.until(lambda: settled.get("Service", name), "the Service again", 2 * RESYNC_SECONDS)
    await settled.check_consistency(name)


async def test_namespaces_that_are_not_known_yet_cost_nobody_the_daemon(settled: World) -> None:
    """A policy selects by the namespace's labels: while these have not come, nothing may be judged by them."""
    await settled.operator.kill()
    settled.proxy.calls.clear()
    late = Stall(lambda call: call.resource == "namespaces" and not call.name)
    with settled.proxy.fault(late):
        starting = asyncio.create_task(settled.operator.start())
        await wait_for(lambda: late.held, 30, "the operator to ask for the namespaces")
        await holds(lambda: settled.proxy.attempts() == [], 3.0, "nothing is written without knowing the namespaces")
    await starting
    await settled.until(lambda: looked_at_everything(settled.operator), "a look at everything", 30)
    assert await settled.quiet() == []


async def test_a_service_from_before_becomes_headless(settled: World) -> None:
    """Its ClusterIP cannot be changed, so it is deleted and created again, and nothing else is touched."""
    name, pod = NAMES[1], (await settled.ready(NAMES[1]))["podName"]
    await settled.operator.kill()
    service = await settled.get("Service", name)
    assert service is not None
    kept = ("name", "namespace", "labels", "ownerReferences")
    service["metadata"] = {key: service["metadata"][key] for key in kept}
    service["spec"] = {key: service["spec"][key] for key in ("type", "selector", "ports", "publishNotReadyAddresses")}
    await settled.api.delete("Service", settled.namespace, name)
    before = await settled.api.create({"apiVersion": "v1", "kind": "Service"} | service)
    assert before["spec"]["clusterIP"] != "None"
    await settled.operator.start()

    async def headless() -> bool:
        found = await settled.get("Service", name)
        return found is not None and found["spec"]["clusterIP"] == "None"

    await settled.until(headless, "the headless Service", 30)
    assert (await settled.ready(name))["podName"] == pod
    await settled.quiet()
