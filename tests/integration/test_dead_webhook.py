"""Somebody's admission webhook fails closed and its server is down: the status tells the truth, and it heals."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import pytest
from tests.integration.conftest import per_module
from tests.integration.world import Lab, World
from tests.support.mutating_webhook import unreachable
from tests.support.operator_process import Operator
from tests.support.proxy import Proxy

KINDS = {
    "pods": "Pod build-",
    "services": "Service build",
    "secrets": "the Secret with the daemon's keys",
    "networkpolicies": "NetworkPolicy build",
    "persistentvolumeclaims": "PersistentVolumeClaim build-data",
}
DELETED = {"pods": "Pod", "services": "Service", "secrets": "Secret", "networkpolicies": "NetworkPolicy"}
WEBHOOK = 'failed calling webhook "mutate.example.com"'
PATIENCE = 90.0
"""Seconds until the operator has tried again and all is well: it backs off up to a minute."""


@per_module
async def operator(lab: Lab, proxy: Proxy) -> Operator:
    """One without a lease."""
    return await lab.new_operator(proxy, LEADER_ELECTION="false")


def dead(world: World, resource: str, operation: str = "CREATE") -> AbstractAsyncContextManager[None]:
    selector = {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}}
    return unreachable(world.api, selector, resource, operations=[operation])


async def told(world: World, request: str) -> None:
    """It says what failed, and that it goes on."""
    message = await world.settles("RequestFailed")
    assert message.startswith(f"the operator cannot {request}"), message
    assert WEBHOOK in message
    assert f"webhook mutate.example.com again, or excludes namespace {world.namespace} from that webhook" in message
    await world.until_condition({"status": "True", "reason": "RequestFailed"}, "Reconciling")
    assert await world.condition("Stalled") == {}

    async def reported() -> bool:
        return ("Warning", "RequestFailed") in await world.events()

    await world.until(reported, "the Event")


@pytest.mark.parametrize(("resource", "name"), KINDS.items())
async def test_a_new_one(world: World, resource: str, name: str) -> None:
    storage = {"storage": {"type": "Claim", "claim": {"size": "1Gi"}}} if "claim" in resource else {}
    async with dead(world, resource):
        await world.create(**storage)
        await told(world, f"create {name}")
    if not storage:  # the fake kubelet binds no claim
        await world.serves(timeout=PATIENCE)


async def test_one_whose_pod_is_deleted(world: World) -> None:
    await world.create()
    await world.ready()
    async with dead(world, "pods"):
        (pod,) = await world.pods()
        await world.api.delete("Pod", world.namespace, pod["metadata"]["name"], now=True)
        await told(world, "create Pod build-")
        assert await world.get("Secret", "build-docker") is None
    await world.serves(timeout=PATIENCE)


async def test_one_whose_spec_is_changed(world: World) -> None:
    await world.create()
    await world.ready()
    async with dead(world, "secrets"):
        await world.edit(engine={"image": "docker:30-dind"})
        await told(world, "create the Secret with the daemon's keys")
        assert (await world.status())["observedGeneration"] == 2
    await world.serves(timeout=PATIENCE)


@pytest.mark.parametrize("resource", ["pods", "services", "secrets", "networkpolicies"])
async def test_one_that_is_suspended_and_cannot_be_stopped(world: World, resource: str) -> None:
    await world.create()
    await world.ready()
    async with dead(world, resource, "DELETE"):
        await world.edit(suspend=True)
        await told(world, f"delete {DELETED[resource]}")
    await world.settles("Suspended", timeout=PATIENCE)
