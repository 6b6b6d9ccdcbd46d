"""Objects that Python's JSON parser rejects appear while the operator runs: everything else goes on."""

from __future__ import annotations

import pytest
from tests.integration.spoiling import labelled, spoil
from tests.integration.world import World
from tests.support.nesting import BODIES, DEEP

PATIENCE = 40.0


@pytest.mark.parametrize("depth", [500, 900, DEEP])
async def test_a_tenant_spoils_an_own_nested_docker(world: World, depth: int) -> None:
    await world.create("spoilt")
    await spoil(world.api, "NestedDocker", world.namespace, "spoilt", depth=depth)
    await world.create("build")
    await world.serves("build", timeout=PATIENCE)
    await world.ready("spoilt", timeout=PATIENCE)
    assert world.operator.running


async def test_it_is_logged_counted_and_an_event(world: World) -> None:
    await world.create("spoilt", suspend=True)
    await spoil(world.api, "NestedDocker", world.namespace, "spoilt")

    async def reported() -> bool:
        events = [event for event in await world.events() if event[1] == "Unreadable"]
        return (
            events == [("Warning", "Unreadable")]
            and await world.operator.metric("nested_docker_unreadable_objects") >= 1
        )

    await world.until(reported, "an Event and a metric", PATIENCE)
    said = [line for line in world.operator.log() if line["message"].startswith("NestedDocker spoilt: ")]
    lines = [line for line in said if line["namespace"] == world.namespace]
    assert [(line["namespace"], line["message"]) for line in lines] == [
        (
            world.namespace,
            "NestedDocker spoilt: metadata.managedFields is nested too deeply to be read: the operator ignores it; "
            "replace it",
        )
    ]
    await world.api.delete("NestedDocker", world.namespace, "spoilt")
    await world.gone("NestedDocker", "spoilt", timeout=PATIENCE)


@pytest.mark.parametrize("kind", BODIES)
async def test_a_developer_spoils_a_labelled_object(world: World, kind: str) -> None:
    await labelled(world.api, world.namespace, kind, "spoilt")
    await world.create("build")
    await world.serves("build", timeout=PATIENCE)

    async def logged() -> bool:
        return any(line["message"].startswith(f"{kind} spoilt: ") for line in world.operator.log())

    await world.until(logged, "a log line", PATIENCE)
    await world.api.delete(kind, world.namespace, "spoilt", now=True)


async def test_a_daemon_of_a_spoilt_child_is_served(world: World) -> None:
    await world.create("build")
    await world.serves("build", timeout=PATIENCE)
    keys = (await world.key_secret())["metadata"]["name"]
    for kind, name in (("Secret", "build-docker"), ("Service", "build"), ("Secret", keys)):
        await spoil(world.api, kind, world.namespace, name)
    await world.edit("build", suspend=True)
    await world.settles("Suspended", timeout=PATIENCE)
    await world.edit("build", suspend=False)
    await world.serves("build", timeout=PATIENCE)
