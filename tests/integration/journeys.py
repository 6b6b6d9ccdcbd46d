"""Things that take the operator several writes, for tests that disturb it in their midst."""

from __future__ import annotations

import asyncio
import difflib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.integration.world import CHILDREN, World
from tests.support.proxy import Call, Proxy
from tests.support.waiting import INTERVAL, wait_for

PATIENCE = 40.0
STANDSTILL_SECONDS = 2.0
Step = Callable[[World], Awaitable[object]]


async def nothing(_world: World) -> None:
    """No step."""


async def ready(world: World) -> None:
    await world.serves(timeout=PATIENCE)


async def with_new_image(world: World) -> None:
    async def has_it() -> bool:
        pods = await world.pods()
        return [pod["spec"]["containers"][0]["image"] for pod in pods] == ["docker:30-dind"]

    await world.until(has_it, "one pod with the new image", PATIENCE)
    await ready(world)


async def suspended(world: World) -> None:
    await world.settles("Suspended", timeout=PATIENCE)
    for kind in CHILDREN:
        await wait_for(lambda kind=kind: _no(world, kind), PATIENCE, f"the end of every {kind}")


async def _no(world: World, kind: str) -> bool:
    return not [item for item in await world.children() if item.startswith(f"{kind}/")]


async def create(world: World) -> None:
    await world.create()


async def create_and_wait(world: World) -> None:
    await world.create()
    await ready(world)


async def create_suspended(world: World) -> None:
    await world.create(suspend=True)
    await suspended(world)


async def new_image(world: World) -> None:
    await world.edit(engine={"image": "docker:30-dind"})


async def suspend(world: World) -> None:
    await world.edit(suspend=True)


async def resume(world: World) -> None:
    await world.edit(suspend=None)


@dataclass(frozen=True)
class Journey:
    """Something that takes the operator several writes."""

    before: Step
    act: Step
    after: Step


JOURNEYS = {
    "creation": Journey(nothing, create, ready),
    "replacement": Journey(create_and_wait, new_image, with_new_image),
    "suspension": Journey(create_and_wait, suspend, suspended),
    "resumption": Journey(create_suspended, resume, ready),
}


async def together(step: Step, worlds: list[World]) -> None:
    """Take a step in every world at once."""
    await asyncio.gather(*(step(world) for world in worlds))


async def unfaulted(world: World, journey: Journey) -> tuple[list[Call], str]:
    """Make the journey undisturbed: its writes, and how it ends."""
    await journey.before(world)
    await world.quiet(0.5)
    begun = len(world.proxy.writes(world.namespace))
    await journey.act(world)
    await journey.after(world)
    await world.quiet(0.5)
    return world.proxy.writes(world.namespace)[begun:], await world.snapshot()


async def ends_like(expected: str, worlds: list[World]) -> None:
    """In every world things come to rest as they do undisturbed."""

    async def compare(world: World) -> None:
        await world.quiet(0.5)
        found = await world.snapshot()
        assert found == expected, "\n".join(
            difflib.unified_diff(expected.splitlines(), found.splitlines(), lineterm="")
        )

    await together(compare, worlds)


async def standstill(proxy: Proxy) -> None:
    """Wait until the operator is as far as it can come: it tries no further write."""
    count, since = -1, time.monotonic()
    while time.monotonic() - since < STANDSTILL_SECONDS:
        if count != len(proxy.attempts()):
            count, since = len(proxy.attempts()), time.monotonic()
        await asyncio.sleep(INTERVAL)
