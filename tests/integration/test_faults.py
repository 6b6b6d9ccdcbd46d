"""An API server that refuses, stalls, or is not there: it takes longer, and that is all."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from tests.integration.conftest import per_module
from tests.integration.world import Lab, World
from tests.support.kubelet import stays_creating
from tests.support.operator_process import Operator
from tests.support.proxy import Call, Proxy, Refuse, Stall, every, only, writes_in

PATIENCE = 40.0
UNREACHABLE_SECONDS = 10.0

REFUSALS: dict[str, dict[str, Any]] = {
    "409": {"status": 409},
    "429 with Retry-After": {"status": 429, "retry_after": 1},
    "500": {"status": 500},
    "503": {"status": 503},
}


@per_module
async def operator(lab: Lab, proxy: Proxy) -> Operator:
    """One without a lease: what a lost lease does is told in test_leadership.py."""
    return await lab.new_operator(proxy, LEADER_ELECTION="false")


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
async def test_every_second_write_is_refused(world: World, refusal: dict[str, Any]) -> None:
    fault = Refuse(refusal["status"], every(2, writes_in(world.namespace)), retry_after=refusal.get("retry_after", 0))
    with world.proxy.fault(fault):
        await world.create()
        await world.serves(timeout=PATIENCE)
        await world.edit(engine={"image": "docker:30-dind"})
        await world.until(lambda: has_image(world, "docker:30-dind"), "one pod with the new image", PATIENCE)
        await world.serves(timeout=PATIENCE)
        await world.edit(suspend=True)
        await world.settles("Suspended", timeout=PATIENCE)
        await world.until(lambda: no_children(world), "the end of every child", PATIENCE)
    assert fault.count >= 4


async def has_image(world: World, image: str) -> bool:
    return [pod["spec"]["containers"][0]["image"] for pod in await world.pods()] == [image]


async def no_children(world: World) -> bool:
    children = await world.children()
    assert children == [], children
    return True


async def test_what_is_asked_to_wait_waits(world: World) -> None:
    fault = Refuse(429, only(1, writes_in(world.namespace)), retry_after=3)
    with world.proxy.fault(fault):
        started = time.monotonic()
        await world.create()
        await world.serves()
    assert time.monotonic() - started >= 3


async def test_what_is_forbidden_is_told_undone_and_heals(world: World) -> None:
    forbidden = Refuse(403, lambda call: call.namespace == world.namespace and is_pod(call), message="quota exceeded")
    with world.proxy.fault(forbidden):
        await world.create()
        message = await world.settles("APIRejected")
        assert "the API server rejected Pod build-" in message
        assert "quota exceeded" in message
        await world.until(lambda: no_children(world), "nothing half-made")
    await world.serves(timeout=PATIENCE)


def is_pod(call: Call) -> bool:
    return call.method == "POST" and call.resource == "pods"


async def test_a_stalled_write_delays_nobody_else(lab: Lab, world: World) -> None:
    other = await lab.new_world(world.proxy, world.operator)
    stall = Stall(writes_in(world.namespace))
    with world.proxy.fault(stall):
        await world.create()
        await world.until(lambda: stall.held, "a write that stalls")
        started = time.monotonic()
        await other.create()
        await other.serves(timeout=5)
        took(started)
        assert stall.held
    await world.serves(timeout=PATIENCE)


async def test_an_unreachable_api_server_is_waited_for(world: World) -> None:
    await world.create()
    before = (await world.ready())["podName"]
    await world.proxy.vanish()
    await world.create("meanwhile")
    await world.api.delete("Service", world.namespace, "build")
    await asyncio.sleep(UNREACHABLE_SECONDS)
    assert world.operator.running
    await world.proxy.listen()
    started = time.monotonic()
    await world.until(lambda: world.get("Service", "build"), "the Service that was deleted meanwhile", PATIENCE)
    await world.serves("meanwhile", timeout=PATIENCE)
    took(started)
    await world.check_consistency()
    assert (await world.status())["podName"] == before


async def test_a_namespace_deleted_in_mid_create_ends_clean(world: World) -> None:
    world.kubelet.script(world.namespace, stays_creating)
    await world.create()
    await world.pod()
    begun = len(world.operator.log())
    await world.api.delete("Namespace", None, world.namespace)
    await world.gone("NestedDocker", "build", 60)
    await world.until(lambda: no_children(world), "the end of every child", 60)
    attempts = len(world.proxy.attempts(world.namespace))
    await asyncio.sleep(2)
    assert len(world.proxy.attempts(world.namespace)) == attempts, "it writes into a namespace that is gone"
    lines = [line for line in world.operator.log()[begun:] if line.get("namespace") == world.namespace]
    assert [line for line in lines if line["level"] not in {"INFO", "DEBUG"}] == []
    assert len(lines) <= 20, lines


def took(started: float) -> None:
    """Print what was measured."""
    print(f"took {time.monotonic() - started:.2f} s")  # noqa: T201
