"""A pod that is lost: one Event with the reason, in the words of whoever ended the pod, and a field that keeps it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from tests.integration.world import World
from tests.support.kubelet import FakePod, now

from nested_docker.adapters.resources import RESOURCES

Lose = Callable[[World, FakePod], Awaitable[None]]


async def drain(world: World, pod: FakePod) -> None:
    """What kubectl drain does."""
    path = RESOURCES["Pod"].path(world.namespace, pod.name, "eviction")
    metadata = {"name": pod.name, "namespace": world.namespace}
    await world.api.request("POST", path, body={"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata})


async def drain_at_once(world: World, pod: FakePod) -> None:
    """A drain without a grace period, so that the deletion is the only news."""
    path = RESOURCES["Pod"].path(world.namespace, pod.name, "eviction")
    metadata = {"name": pod.name, "namespace": world.namespace}
    options = {"deleteOptions": {"gracePeriodSeconds": 0}}
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata} | options
    await world.api.request("POST", path, body=body)


async def evict(_world: World, pod: FakePod) -> None:
    """What the kubelet does under pressure."""
    await pod.fail("Evicted", 'Usage of EmptyDir volume "data" exceeds the limit "60Mi". ')


async def preempt(world: World, pod: FakePod) -> None:
    """What the scheduler does before it deletes a pod."""
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "PreemptionByScheduler",
        "message": "default-scheduler: preempting to accommodate a higher priority pod",
        "lastTransitionTime": now(),
    }
    found = await world.get("Pod", pod.name)
    assert found is not None
    conditions = [*found["status"]["conditions"], condition]
    await world.api.patch(
        "Pod", world.namespace, pod.name, {"status": {"conditions": conditions}}, subresource="status"
    )
    await world.api.delete("Pod", world.namespace, pod.name)


async def delete(world: World, pod: FakePod) -> None:
    await world.api.delete("Pod", world.namespace, pod.name)


async def delete_by_force(world: World, pod: FakePod) -> None:
    await world.api.delete("Pod", world.namespace, pod.name, now=True)


DRAINED = "the pod was evicted through the API, as kubectl drain and autoscalers do (Eviction API: evicting)"
LOSSES: dict[str, tuple[Lose, str, str]] = {
    "drain": (drain, "EvictionByEvictionAPI", DRAINED),
    "drain at once": (drain_at_once, "EvictionByEvictionAPI", DRAINED),
    "eviction": (evict, "Evicted", 'evicted the pod (Usage of EmptyDir volume "data" exceeds the limit "60Mi")'),
    "preemption": (
        preempt,
        "PreemptionByScheduler",
        "the scheduler removed the pod for one with a higher priority (default-scheduler: preempting to accommodate a "
        "higher priority pod)",
    ),
    "deletion": (delete, "Deleted", "somebody deleted the pod"),
    "deletion by force": (delete_by_force, "Deleted", "somebody deleted the pod"),
}


@pytest.mark.parametrize(("lose", "reason", "words"), LOSSES.values(), ids=LOSSES)
async def test_a_loss_is_reported_once_and_kept(world: World, lose: Lose, reason: str, words: str) -> None:
    await world.create()
    await world.ready()
    pod = await world.pod()
    await lose(world, pod)

    async def replaced() -> bool:
        assert (await world.status())["podName"] != pod.name
        return True

    await world.until(replaced, "another pod")
    await world.ready()
    await world.quiet(1.0)
    lost = (await world.status())["lostPod"]
    assert (lost["name"], lost["nodeName"], lost["reason"]) == (pod.name, world.kubelet.node, reason)
    assert words in lost["message"]
    events = [each for each in await world.api.list("Event", world.namespace) if each["reason"] == "PodLost"]
    assert [each["note"] for each in events] == [f"Pod {pod.name} is lost: {lost['message']}"]
