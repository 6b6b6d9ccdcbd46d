"""What happens to a pod, as its status tells it: the reason, the message, and how it heals."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest
from tests.integration.conftest import per_test
from tests.integration.world import World
from tests.support.api import Api
from tests.support.kubelet import FakeKubelet, FakePod, now, stays_creating
from tests.support.manifests import nested_docker_class, policy
from tests.support.waiting import holds

Step = Callable[[FakePod], Awaitable[None]]

TROUBLES: dict[str, tuple[Step, str, tuple[str, ...], bool]] = {
    "image pull": (
        lambda pod: pod.waiting("ImagePullBackOff", 'Back-off pulling image "docker:nope"'),
        "ImagePullFailed",
        ("cannot be pulled: check its name, and spec.engine.imagePullSecrets", "Back-off pulling"),
        True,
    ),
    "image name": (
        lambda pod: pod.waiting("InvalidImageName", "couldn't parse image name"),
        "ImagePullFailed",
        ("couldn't parse image name",),
        True,
    ),
    "missing ConfigMap": (
        lambda pod: pod.waiting("CreateContainerConfigError", 'configmap "gone" not found'),
        "PodStartFailed",
        ("container daemon cannot start", 'configmap "gone" not found'),
        False,
    ),
    "crash with a message": (
        lambda pod: pod.crash(1, "failed to start daemon: unknown option nonsense"),
        "DaemonCrashed",
        ("the daemon exited with code 1: failed to start daemon: unknown option nonsense",),
        True,
    ),
    "crash without a message": (
        lambda pod: pod.crash(2),
        "DaemonCrashed",
        ("the daemon exited with code 2: it left no message; see kubectl logs",),
        True,
    ),
    "memory limit": (
        lambda pod: pod.crash(137, reason="OOMKilled"),
        "DaemonOutOfMemory",
        ("raise spec.resources.limits.memory", "docker run --memory"),
        False,
    ),
    "no node": (
        lambda pod: pod.unschedulable("0/3 nodes are available: 3 Insufficient cpu."),
        "Unschedulable",
        ("no node can take the pod", "3 Insufficient cpu"),
        False,
    ),
    "no volume": (
        lambda pod: pod.unschedulable("pod has unbound immediate PersistentVolumeClaims."),
        "VolumeNotBound",
        ("check its storageClassName and size",),
        False,
    ),
}


@pytest.mark.parametrize(("trouble", "reason", "words", "stalled"), TROUBLES.values(), ids=TROUBLES)
async def test_trouble_is_told_and_heals(
    world: World, trouble: Step, reason: str, words: tuple[str, ...], stalled: bool
) -> None:
    world.kubelet.script(world.namespace, trouble)
    await world.create()
    message = await world.settles(reason)
    for part in words:
        assert part in message
    assert ((await world.condition("Stalled")) != {}) == stalled
    assert await world.get("Secret", "build-docker") is None, "clients must wait"
    pod = await world.pod()
    await pod.run()
    await world.serves()
    assert (await world.pod()).uid == pod.uid, "the kubelet tries by itself; no other pod is wanted"


async def test_a_silent_kubelet_is_asked_for_its_events(world: World) -> None:
    world.kubelet.script(world.namespace, stays_creating)
    await world.create()
    pod = await world.pod()
    reference = {"apiVersion": "v1", "kind": "Pod", "namespace": pod.namespace, "name": pod.name, "uid": pod.uid}
    event = {
        "metadata": {"name": f"{pod.name}.1", "namespace": pod.namespace},
        "involvedObject": reference,
        "type": "Warning",
        "reason": "FailedMount",
        "message": 'MountVolume.SetUp failed for volume "ca-bundle": configmap "gone" not found',
        "lastTimestamp": now(),
    }
    await world.api.request("POST", f"/api/v1/namespaces/{pod.namespace}/events", body=event)
    assert 'configmap "gone" not found' in await world.settles("PodStartFailed", timeout=20)
    await pod.run()
    await world.serves()


async def test_a_container_restart_keeps_the_files(world: World) -> None:
    await world.create()
    await world.ready()
    secret = await world.get("Secret", "build-docker")
    pod = await world.pod()
    await pod.crash(137, reason="OOMKilled")
    message = await world.settles("DaemonOutOfMemory")
    assert "memory limit" in message
    await pod.run()
    await world.serves()
    assert "restarted after it was killed at its memory limit" in (await world.condition("DaemonReachable"))["message"]
    kept = await world.get("Secret", "build-docker")
    assert secret is not None
    assert kept is not None
    assert kept["metadata"]["uid"] == secret["metadata"]["uid"]
    assert kept["data"] == secret["data"]
    assert (await world.pod()).uid == pod.uid


async def test_a_failing_readiness_probe_is_told(world: World) -> None:
    await world.create()
    await world.ready()
    pod = await world.pod()

    await world.until(lambda: now() > started_at(pod), "another second")
    await pod.running(ready=False)
    assert "readiness probe fails" in await world.settles("DaemonUnreachable")
    assert await world.get("Secret", "build-docker") is not None
    await pod.running(ready=True)
    await world.serves()


def started_at(pod: FakePod) -> str:
    return str(pod.manifest["status"]["containerStatuses"][0]["state"]["running"]["startedAt"])


async def test_an_evicted_pod_is_replaced_but_not_at_once(world: World) -> None:
    await world.create()
    await world.ready()
    pod = await world.pod()
    await pod.fail("Evicted", "The node was low on resource: ephemeral-storage.")

    async def told() -> bool:
        lost = (await world.status()).get("lostPod", {})
        assert lost.get("reason") == "Evicted", lost
        assert lost["message"].startswith(
            f"the kubelet of node {world.kubelet.node} evicted the pod (The node was low on"
        )
        return True

    await world.until(told, "a status that says why the pod is lost")
    await world.until(
        lambda: "delete secrets/build-docker" in [str(call) for call in world.proxy.writes(world.namespace)],
        "the files Secret withdrawn",
    )
    started = time.monotonic()

    async def another() -> bool:
        return [each["metadata"]["uid"] for each in await world.pods()] not in ([], [pod.uid])

    await world.until(another, "another pod", 40)
    print(f"another pod after {time.monotonic() - started:.1f} s")  # noqa: T201
    await world.serves()


@per_test
async def node(api: Api) -> AsyncIterator[FakeKubelet]:
    """A node of the test's own, with a class and a policy of its name."""
    node = FakeKubelet(api)
    await node.start()
    name = node.node
    await api.create(nested_docker_class(name, modes=["Dind"], podTemplate={"spec": {"nodeName": name}}))
    await api.create(policy(name, namespaceSelector={}, allowedClasses=[name], allowedModes=["Dind"]))
    yield node
    await api.delete("NestedDockerPolicy", None, name)
    await api.delete("NestedDockerClass", None, name)
    await node.stop()


async def test_a_node_that_is_lost_and_found(world: World, node: FakeKubelet) -> None:
    there = replace(world, kubelet=node, class_name=node.node)
    await there.create()
    await there.ready()
    pod = await there.pod()
    await node.say_ready(False)
    assert f"node {node.node} is not ready" in await there.settles("NodeNotReady")
    await there.gone("Secret", "build-docker")
    await holds(lambda: pod.uid in node.pods, 1.0, "the pod is left alone: the node may come back")
    await node.say_ready(True)
    await there.serves()
    assert (await there.pod()).uid == pod.uid
