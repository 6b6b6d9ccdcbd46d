"""Running sidecars that nothing grants any more, before the real API server: announced, noted, ended."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.integration.conftest import per_module, per_test
from tests.integration.world import Lab, World
from tests.support.manifests import GENEROUS, nested_docker_class, policy
from tests.support.proxy import Refuse

from nested_docker.domain import names
from nested_docker.domain.status.conditions import parse_timestamp

GRACE = 6.0
MANY = 500


@per_module
async def injecting(lab: Lab) -> World:
    """A world whose operator gives pods daemons, and waits a few seconds before it ends what runs."""
    proxy = await lab.new_proxy()
    settings = {"INJECTION": "true", "DENIAL_GRACE_SECONDS": str(GRACE), "LEADER_ELECTION": "false"}
    return await lab.new_world(proxy, await lab.new_operator(proxy, **settings))


@per_test
async def own(injecting: World, lab: Lab) -> AsyncIterator[World]:
    """A namespace with its own class and policy, both named after it."""
    world = replace(injecting, namespace=await lab.new_namespace(), uids={})
    world = replace(world, class_name=world.namespace)
    await world.api.create(own_class(world))
    await world.api.create(grant(world))
    yield world
    await world.api.delete("NestedDockerPolicy", None, world.namespace)
    await world.api.delete("NestedDockerClass", None, world.class_name)


def own_class(world: World) -> dict[str, Any]:
    return nested_docker_class(world.class_name, modes=["Dind"], injection={"forms": ["Sidecar"]})


def grant(world: World) -> dict[str, Any]:
    selector = {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}}
    spec = {"namespaceSelector": selector, "allowedClasses": [world.class_name], "allowedModes": ["Dind"]}
    return policy(world.namespace, **spec, **GENEROUS)


def job(world: World, name: str = "job", **fields: Any) -> dict[str, Any]:
    """A pod as the webhook has completed it, which no kubelet starts."""
    marks = {names.ANNOTATION_INJECT_FORM: "Sidecar", names.ANNOTATION_GRANTED_BY: world.namespace}
    metadata = {"labels": {names.LABEL_INJECT: world.class_name}, "annotations": marks}
    daemon = {"name": "nested-docker", "image": "docker:29-dind", "restartPolicy": "Always"}
    spec = {
        "terminationGracePeriodSeconds": 0,
        "nodeSelector": {"nowhere": "true"},
        "initContainers": [daemon],
        "containers": [{"name": "build", "image": "docker:29-cli"}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": world.namespace} | metadata,
        "spec": spec | fields,
    }


async def revoke(world: World) -> None:
    await world.api.delete("NestedDockerPolicy", None, world.namespace)


async def told(world: World, reason: str, name: str = "job") -> str:
    """Wait for an Event about a pod; its note."""

    async def there() -> str:
        events = await world.api.list("Event", world.namespace)
        notes = [each["note"] for each in events if (each["reason"], each["regarding"]["name"]) == (reason, name)]
        return str(notes[0]) if notes else ""

    return str(await world.until(there, f"the Event {reason}"))


def announced(note: str) -> datetime:
    return parse_timestamp(note.split()[6].rstrip(","))


Act = Callable[[World], Awaitable[object]]
LAPSES: dict[str, tuple[Act, str]] = {
    "policy deleted": (revoke, "no NestedDockerPolicy"),
    "class deleted": (
        lambda world: world.api.delete("NestedDockerClass", None, world.class_name),
        "does not exist",
    ),
    "form taken back": (
        lambda world: world.api.patch(
            "NestedDockerClass", None, world.class_name, {"spec": {"injection": {"forms": ["Remote"]}}}
        ),
        "offers Remote in injection.forms",
    ),
    "level raised": (
        lambda world: world.api.patch(
            "Namespace",
            None,
            world.namespace,
            {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}},
        ),
        "Pod Security level baseline",
    ),
}


@pytest.mark.parametrize("name", [*LAPSES])
async def test_without_it_the_pod_goes_at_the_announced_time(own: World, name: str) -> None:
    lapse, why = LAPSES[name]
    await own.api.create(job(own))
    await own.quiet()
    await lapse(own)
    note = await told(own, "SidecarDenied")
    assert why in note
    assert "A cluster admin" in note
    assert await own.get("Pod", "job") is not None
    await own.gone("Pod", "job")
    assert 0 <= (datetime.now(UTC) - announced(note)).total_seconds() <= 3
    assert why in await told(own, "SidecarStopped")


async def test_a_policy_that_is_back_in_time_saves_the_job(own: World) -> None:
    await own.api.create(job(own))
    await revoke(own)
    await told(own, "SidecarDenied")
    await own.api.create(grant(own))
    await told(own, "SidecarGranted")
    await asyncio.sleep(GRACE + 1)
    pod = await own.get("Pod", "job")
    assert pod is not None
    assert "until" in pod["metadata"]["annotations"][names.ANNOTATION_DENIAL]
    assert "deletionTimestamp" not in pod["metadata"]


async def test_a_restart_of_the_operator_does_not_restart_the_grace_time(own: World) -> None:
    await own.api.create(job(own))
    await revoke(own)
    end = announced(await told(own, "SidecarDenied"))
    await own.quiet()
    await own.operator.kill()
    await asyncio.sleep(GRACE / 2)
    await own.operator.start()
    back = datetime.now(UTC)
    await own.gone("Pod", "job")
    assert datetime.now(UTC) - max(end, back) < timedelta(seconds=GRACE - 1), "it would be the whole time again"


async def test_what_was_revoked_while_no_operator_ran_is_denied_afterwards(own: World) -> None:
    await own.api.create(job(own))
    await own.quiet()
    await own.operator.kill()
    await revoke(own)
    await own.operator.start()
    await told(own, "SidecarDenied")
    await own.gone("Pod", "job")


async def test_a_deletion_that_is_refused_is_told_and_tried_again(own: World) -> None:
    await own.api.create(job(own))
    refused = Refuse(403, lambda call: call.method == "DELETE" and call.namespace == own.namespace)
    with own.proxy.fault(refused):
        await revoke(own)
        assert "permission to delete this Pod" in await told(own, "SidecarNotStopped")
        assert await own.get("Pod", "job") is not None
    await own.gone("Pod", "job")


async def test_who_has_no_sidecar_or_another_policy_is_left_alone(own: World) -> None:
    plain, remote = job(own, "plain", initContainers=[]), job(own, "remote")
    remote["metadata"]["annotations"][names.ANNOTATION_INJECT_FORM] = "Remote"
    for each in (plain, remote, job(own)):
        await own.api.create(each)
    await revoke(own)
    await own.gone("Pod", "job")
    assert {pod["metadata"]["name"] for pod in await own.api.list("Pod", own.namespace)} == {"plain", "remote"}


async def test_the_decisions_and_the_ends_are_counted(own: World) -> None:
    await own.api.create(job(own))
    await revoke(own)
    await own.gone("Pod", "job")
    _, text = await own.operator.http("/metrics")
    assert 'nested_docker_decisions_total{mode="",outcome="denied",reason="NotGranted",stage="sidecar"}' in text
    assert 'nested_docker_events_total{reason="SidecarStopped",type="Warning"}' in text


async def test_many_pods_cost_nothing_until_they_are_denied_and_then_all_go(own: World) -> None:
    limit = asyncio.Semaphore(16)

    async def create(number: int) -> None:
        async with limit:
            await own.api.create(job(own, f"job-{number}"))

    await asyncio.gather(*(create(number) for number in range(MANY)))
    assert await own.quiet(2) == []
    own.proxy.calls.clear()
    await revoke(own)
    began = time.monotonic()

    async def none_left() -> bool:
        await asyncio.sleep(1)  # such a list is as much work as all that the operator does meanwhile
        return not await own.api.list("Pod", own.namespace)

    await own.until(none_left, "the end of all pods", timeout=400)
    seconds = time.monotonic() - began
    calls = Counter(f"{call.method} {call.resource}" for call in own.proxy.calls)
    print(f"{MANY} pods went {seconds - GRACE:.1f} s after the grace time, with {dict(calls)}")  # noqa: T201
    assert calls["PATCH pods"] == calls["DELETE pods"] == MANY, "each once"
    assert calls["GET nesteddockerpolicies"] < MANY / 4, "they share fresh reads"
