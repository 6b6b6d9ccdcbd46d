"""The end of a NestedDocker by ways that keep the garbage collector from its work: nothing of ours runs on."""

from __future__ import annotations

from typing import Any

import pytest
from tests.integration.world import World

COLLECTOR = 60.0
"""Seconds: the garbage collector learns of a new kind every 30 s, and only then handles its deletions."""

CLAIM: dict[str, Any] = {"storage": {"type": "Claim", "claim": {"size": "1Gi"}}}


async def nothing_but(world: World, *kinds: str) -> None:
    async def look() -> bool:
        children = await world.children()
        assert [each.split("/")[0] for each in children] == [*kinds], children
        return True

    await world.until(look, f"only {kinds} is left")


async def test_an_orphaning_deletion_leaves_the_claim_only(world: World) -> None:
    await world.create(**CLAIM)
    await world.ready()
    await world.api.delete("NestedDocker", world.namespace, "build", propagation="Orphan")
    await world.gone("NestedDocker", "build", COLLECTOR)
    await nothing_but(world, "PersistentVolumeClaim")


@pytest.mark.parametrize("propagation", ["Background", "Foreground", "Orphan"])
async def test_nothing_runs_on_behind_a_finalizer_of_the_tenants(world: World, propagation: str) -> None:
    await world.create()
    await world.ready()
    await world.api.patch("NestedDocker", world.namespace, "build", {"metadata": {"finalizers": ["example.com/keep"]}})
    await world.api.delete("NestedDocker", world.namespace, "build", propagation=propagation)
    await nothing_but(world)
    assert await world.get("NestedDocker", "build") is not None
    await world.api.patch("NestedDocker", world.namespace, "build", {"metadata": {"finalizers": None}})
    await world.gone("NestedDocker", "build")


async def test_a_successor_does_not_take_over_what_an_orphaning_deletion_left(world: World) -> None:
    await world.create()
    before = (await world.ready())["podName"]
    await world.api.delete("NestedDocker", world.namespace, "build", propagation="Orphan")
    await world.gone("NestedDocker", "build", COLLECTOR)
    await world.create()
    assert (await world.ready())["podName"] != before
    await world.check_consistency()
    assert len(await world.pods()) == 1
