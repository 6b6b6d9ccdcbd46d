"""What is someone else's is left alone, whatever its name; making room heals."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.integration.world import Lab, World
from tests.support.operator_process import Operator
from tests.support.proxy import Proxy
from tests.support.waiting import holds

RECHECKS_SECONDS = 2.5
"""Long enough for the operator to ask again whether the name is still taken."""

FOREIGN: dict[str, dict[str, Any]] = {
    "build-docker-env": {"apiVersion": "v1", "kind": "Secret", "stringData": {"theirs": "1"}},
    "build-docker": {"apiVersion": "v1", "kind": "Secret", "stringData": {"theirs": "1"}},
    "build Service": {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}]}},
    "build NetworkPolicy": {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "spec": {"podSelector": {"matchLabels": {"theirs": "1"}}},
    },
    "build-data": {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    },
}

ADORNMENTS: dict[str, dict[str, Any]] = {
    "bare": {},
    "with our managed-by label": {"labels": {"app.kubernetes.io/managed-by": "nested-docker-operator"}},
    "with an owner of its own": {"ownerReferences": []},
}


async def make_foreign(world: World, place: str, adornment: dict[str, Any]) -> dict[str, Any]:
    """Somebody's object at one of our names."""
    metadata = {"name": place.split(" ", maxsplit=1)[0], "namespace": world.namespace} | adornment
    if "ownerReferences" in metadata:
        metadata["ownerReferences"] = [await another_owner(world)]
    return await world.api.create(FOREIGN[place] | {"metadata": metadata})


async def another_owner(world: World) -> dict[str, Any]:
    """A reference to a controller that is there, and no NestedDocker."""
    node = await world.api.get("Node", None, world.kubelet.node)
    assert node is not None
    name, uid = node["metadata"]["name"], node["metadata"]["uid"]
    return {"apiVersion": "v1", "kind": "Node", "name": name, "uid": uid, "controller": True}


@pytest.mark.parametrize("adornment", ADORNMENTS.values(), ids=ADORNMENTS)
async def test_someone_elses_object_is_left_alone(
    lab: Lab, proxy: Proxy, operator: Operator, adornment: dict[str, Any]
) -> None:
    worlds = {place: await lab.new_world(proxy, operator) for place in FOREIGN}
    async with asyncio.TaskGroup() as group:
        for place, world in worlds.items():
            group.create_task(left_alone(world, place, adornment), name=place)


async def left_alone(world: World, place: str, adornment: dict[str, Any]) -> None:
    foreign = await make_foreign(world, place, adornment)
    kind, name = foreign["kind"], foreign["metadata"]["name"]
    claim = {"storage": {"type": "Claim", "claim": {"size": "1Gi"}}} if kind == "PersistentVolumeClaim" else {}
    await world.create(**claim)
    message = await world.settles("NameConflict")
    assert f"{kind} {name}" in message
    assert "elete or rename it" in message
    assert (await world.condition("Stalled"))["status"] == "True"

    async def nothing_half_made() -> bool:
        children = [child for child in await world.children() if child != f"{kind}/{name}"]
        assert children == [], children
        return True

    await world.until(nothing_half_made, f"nothing half-made beside {kind} {name}")
    writes = len(world.proxy.writes(world.namespace))
    await holds(nothing_half_made, RECHECKS_SECONDS, f"nothing half-made beside {kind} {name}")
    assert len(world.proxy.writes(world.namespace)) == writes, f"with {place} taken it makes and unmakes in turns"
    now = await world.get(kind, name)
    assert now is not None
    assert now["metadata"]["resourceVersion"] == foreign["metadata"]["resourceVersion"], f"{place} was modified"
    await world.api.delete(kind, world.namespace, name)
    if claim:
        await world.gone(kind, name)
        await world.until(lambda: world.get(kind, name), "the claim that is ours", 30)
    else:
        await world.serves(timeout=30)


async def test_an_object_that_is_taken_over_is_left_alone(world: World) -> None:
    await world.create()
    await world.ready()
    reference = await another_owner(world)
    await world.api.patch("Service", world.namespace, "build", {"metadata": {"ownerReferences": [reference]}})
    assert "Service build" in await world.settles("NameConflict")
    service = await world.get("Service", "build")
    assert service is not None
    assert service["metadata"]["ownerReferences"] == [reference]


async def test_a_successor_waits_for_what_is_still_going(world: World) -> None:
    await world.create()
    before = (await world.ready())["podName"]
    world.kubelet.keep_terminating(True)
    try:
        await world.api.delete("NestedDocker", world.namespace, "build")
        await world.gone("NestedDocker", "build")
        await world.create()
        await world.ready()
    finally:
        world.kubelet.keep_terminating(False)
    await world.gone("Pod", before)
    await world.check_consistency()
