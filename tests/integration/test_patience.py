"""What runs outlives a class, policy or label that is away for a moment; nothing outlives one that stays away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.integration.conftest import per_module, per_test
from tests.integration.world import Lab, World
from tests.support.manifests import GENEROUS, nested_docker_class, policy

from nested_docker.domain.status.conditions import parse_timestamp

GRACE = 6.0
LABEL = "patience-test"


@per_module
async def patient(lab: Lab) -> World:
    """A world whose operator waits a few seconds before it stops what runs."""
    proxy = await lab.new_proxy()
    operator = await lab.new_operator(proxy, DENIAL_GRACE_SECONDS=str(GRACE), LEADER_ELECTION="false")
    return await lab.new_world(proxy, operator)


@per_test
async def own(patient: World, lab: Lab) -> AsyncIterator[World]:
    """A namespace with its own class and policy, both named after it."""
    world = replace(patient, namespace=await lab.new_namespace(), uids={})
    world = replace(world, class_name=world.namespace)
    await world.api.create(own_class(world))
    await world.api.create(grant(world))
    await label(world, "yes")
    yield world
    await world.api.delete("NestedDockerPolicy", None, world.namespace)
    await world.api.delete("NestedDockerClass", None, world.namespace)


def own_class(world: World) -> dict[str, Any]:
    template = {"spec": {"nodeName": world.kubelet.node}}
    return nested_docker_class(world.class_name, modes=["Dind"], podTemplate=template)


def grant(world: World) -> dict[str, Any]:
    selector = {"matchLabels": {"kubernetes.io/metadata.name": world.namespace, LABEL: "yes"}}
    spec = {"namespaceSelector": selector, "allowedClasses": [world.class_name], "allowedModes": ["Dind"]}
    return policy(world.namespace, **spec, **GENEROUS)


async def label(world: World, value: str | None) -> None:
    await world.api.patch("Namespace", None, world.namespace, {"metadata": {"labels": {LABEL: value}}})


async def modes(world: World, kind: str, field: str, mode: str) -> None:
    await world.api.patch(kind, None, world.namespace, {"spec": {field: [mode]}})


Act = Callable[[World], Awaitable[object]]
LAPSES: dict[str, tuple[Act, Act, str]] = {
    "policy deleted": (
        lambda world: world.api.delete("NestedDockerPolicy", None, world.namespace),
        lambda world: world.api.create(grant(world)),
        "NotGranted",
    ),
    "policy narrowed": (
        lambda world: modes(world, "NestedDockerPolicy", "allowedModes", "Sysbox"),
        lambda world: modes(world, "NestedDockerPolicy", "allowedModes", "Dind"),
        "NotGranted",
    ),
    "class deleted": (
        lambda world: world.api.delete("NestedDockerClass", None, world.class_name),
        lambda world: world.api.create(own_class(world)),
        "ClassNotFound",
    ),
    "class without the mode": (
        lambda world: modes(world, "NestedDockerClass", "modes", "Sysbox"),
        lambda world: modes(world, "NestedDockerClass", "modes", "Dind"),
        "ModeNotOffered",
    ),
    "label removed": (lambda world: label(world, None), lambda world: label(world, "yes"), "NotGranted"),
    "label changed": (lambda world: label(world, "no"), lambda world: label(world, "yes"), "NotGranted"),
}


async def running(world: World) -> str:
    """Wait until the daemon serves; the uid of its pod."""
    await world.create()
    await world.serves()
    (pod,) = await world.pods()
    return str(pod["metadata"]["uid"])


@pytest.mark.parametrize("name", [*LAPSES])
async def test_a_moment_without_it_kills_no_build(own: World, name: str) -> None:
    lapse, restore, reason = LAPSES[name]
    before = await running(own)
    for seconds in (0.0, 0.5):
        await lapse(own)
        await asyncio.sleep(seconds)
        await restore(own)
    await own.until_condition({"status": "True", "reason": "Granted"}, "Accepted")
    await own.quiet()
    assert [pod["metadata"]["uid"] for pod in await own.pods()] == [before], f"{name} ({reason}) for a moment"
    await own.serves()
    assert await own.condition("Stalled") == {}


@pytest.mark.parametrize("name", [*LAPSES])
async def test_without_it_the_daemon_is_stopped_at_the_announced_time(own: World, name: str) -> None:
    lapse, restore, reason = LAPSES[name]
    before = await running(own)
    await lapse(own)
    condition = await own.until_condition({"status": "False", "reason": reason}, "Accepted")
    assert condition["message"].startswith("the operator stops the daemon at ")
    end = parse_timestamp(condition["message"].split()[6].rstrip(","))
    assert (await own.condition())["status"] == "True", "clients can connect until then"
    assert await own.connect() == "28.1.1"
    assert [pod["metadata"]["uid"] for pod in await own.pods()] == [before]
    await own.settles(reason)
    stopped = parse_timestamp((await own.condition())["lastTransitionTime"])
    assert 0 <= (stopped - end).total_seconds() <= 3

    async def nothing_left() -> bool:
        assert await own.children() == []
        return True

    await own.until(nothing_left, "the end of every child")
    await restore(own)
    await own.serves()


async def test_a_restart_of_the_operator_does_not_restart_the_grace_time(own: World) -> None:
    await running(own)
    await label(own, None)
    condition = await own.until_condition({"status": "False"}, "Accepted")
    await own.operator.kill()
    await asyncio.sleep(GRACE / 2)
    await own.operator.start()
    back = datetime.now(UTC)
    await own.settles("NotGranted")
    end = parse_timestamp(condition["message"].split()[6].rstrip(","))
    stopped = parse_timestamp((await own.condition())["lastTransitionTime"])
    assert stopped >= end, "nor does it skip it"
    assert stopped - max(end, back) < timedelta(seconds=GRACE - 1), "it would be the whole time again"


async def test_a_new_request_in_the_grace_time_is_denied(own: World) -> None:
    await running(own)
    await label(own, None)
    await own.until_condition({"status": "False"}, "Accepted")
    await own.create("another")
    await own.settles("NotGranted", "another")
    assert await own.pods("another") == []


async def test_suspension_does_not_wait(own: World) -> None:
    await running(own)
    await label(own, None)
    await own.until_condition({"status": "False"}, "Accepted")
    await own.edit(suspend=True)

    async def stopped() -> bool:
        assert await own.pods() == []
        return True

    await own.until(stopped, "the end of the pod", timeout=GRACE / 2)


async def test_what_the_watch_has_not_brought_yet_is_read(own: World) -> None:
    """One `kubectl apply` of class, policy and NestedDocker: events of different kinds come in any order."""
    await own.api.delete("NestedDockerPolicy", None, own.namespace)
    await own.api.delete("NestedDockerClass", None, own.namespace)
    await asyncio.sleep(0.5)
    governing = {"NestedDockerClass", "NestedDockerPolicy"}
    with own.proxy.dropping(lambda type_, obj: type_ == "ADDED" and obj["kind"] in governing):
        await own.api.create(own_class(own))
        await own.api.create(grant(own))
        await own.create()
        await own.serves()
    reasons = [reason for _, reason in await own.events()]
    assert "ClassNotFound" not in reasons
    assert "NotGranted" not in reasons
