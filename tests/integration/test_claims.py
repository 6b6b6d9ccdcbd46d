"""The next daemon waits for whoever still uses its claim."""

from __future__ import annotations

from typing import Any

from tests.integration.world import World

CLAIM: dict[str, Any] = {"storage": {"type": "Claim", "claim": {"size": "1Gi"}}}


def somebodys_pod(world: World) -> dict[str, Any]:
    """A pod that mounts the claim, which nobody starts."""
    container = {"name": "shell", "image": "example.com/shell:1", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": "build-data"}}
    metadata = {"name": "shell", "namespace": world.namespace}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": [container], "volumes": [volume], "schedulingGates": [{"name": "example.com/never"}]},
    }


async def test_a_pod_that_nobody_watches_is_waited_for(world: World) -> None:
    await world.api.create(somebodys_pod(world))
    await world.create(**CLAIM)
    message = await world.settles("WaitingForPrevious")
    assert message == "pod shell uses PersistentVolumeClaim build-data, so the daemon waits until that pod has ended"
    assert await world.pods() == []
    assert (await world.condition("Reconciling"))["status"] == "True"
    await world.quiet()
    writes = len(world.proxy.writes(world.namespace))
    await world.quiet(6.0)
    assert len(world.proxy.writes(world.namespace)) == writes, "it looks again, and writes nothing"
    await world.api.delete("Pod", world.namespace, "shell")
    await world.serves(timeout=20)


async def test_a_daemon_that_is_created_again_waits_for_the_pod_of_the_deleted_one(world: World) -> None:
    keep = {"whenDeleted": "Retain", "size": "1Gi"}
    await world.create(storage={"type": "Claim", "claim": keep})
    await world.serves()
    (before,) = await world.pods()
    name = before["metadata"]["name"]

    async def waits() -> bool:
        condition = await world.condition()
        assert condition.get("reason") == "WaitingForPrevious", condition
        assert f"pod {name} uses PersistentVolumeClaim build-data" in condition["message"], condition
        return True

    world.kubelet.keep_terminating(True)
    try:
        await world.api.delete("NestedDocker", world.namespace, "build")
        await world.gone("NestedDocker", "build")
        await world.create(storage={"type": "Claim", "claim": keep})
        await world.until(waits, "the pod that it waits for")
        assert await world.pods() == []
    finally:
        world.kubelet.keep_terminating(False)
    await world.serves(timeout=30)


async def test_without_a_claim_nothing_is_read(world: World) -> None:
    await world.api.create(somebodys_pod(world))
    await world.create()
    await world.ready()
    assert [call for call in world.proxy.reads(world.namespace) if call.resource == "pods"] == []
    await world.api.delete("Pod", world.namespace, "shell")
