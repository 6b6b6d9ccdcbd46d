"""Two daemons on one data-root corrupt it: the next pod waits for every pod that still uses the claim."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.factory import NOW
from tests.unit.fakes import KEY, FakeClock, WatchedKube, reconciler_of
from tests.unit.world import World, change, message, ready

from nested_docker.controller.outcome import Settled
from nested_docker.domain import names
from nested_docker.domain.manifests.storage import claim_users
from nested_docker.domain.objects import Identity
from nested_docker.domain.planning.serving import CLAIM_INTERVAL

CLAIM = {"type": "Claim", "claim": {"size": "1Gi"}}
SPEC = {"mode": "Dind", "storage": CLAIM}
DATA = {"name": "data", "persistentVolumeClaim": {"claimName": "build-data"}}
OTHER = Identity("Pod", "team-a", "other")


def user(volumes: list[dict[str, Any]] | None = None, phase: str = "Running", **metadata: Any) -> dict[str, Any]:
    """A pod that mounts the claim, unless its volumes say otherwise."""
    return {
        "kind": "Pod",
        "metadata": {"name": OTHER.name, "namespace": OTHER.namespace, "uid": "other", "labels": {}} | metadata,
        "spec": {"volumes": [DATA] if volumes is None else volumes, "containers": []},
        "status": {"phase": phase} if phase else {},
    }


def controlled(name: str) -> dict[str, Any]:
    reference = {"kind": "NestedDocker", "name": name, "uid": "another", "controller": True}
    return {
        "ownerReferences": [reference],
        "labels": {names.MANAGED_BY: names.OPERATOR, names.LABEL_NAME: name, names.LABEL_UID: "another"},
    }


USERS = {
    "a deleted NestedDocker's of the same name": user(**controlled("build")),
    "another NestedDocker's": user(**controlled("cache")),
    "somebody's": user(),
    "somebody's that terminates": user(deletionTimestamp="2026-03-01T11:59:00Z"),
    "somebody's that has not started": user(phase="Pending"),
    "somebody's whose node is lost": user(phase="Unknown"),
    "somebody's without a status": user(phase=""),
    "somebody's with more volumes": user([{"name": "a", "emptyDir": {}}, DATA]),
}


@pytest.mark.parametrize("name", [*USERS])
def test_the_pod_waits_for(name: str) -> None:
    world = World(SPEC)
    world.children[OTHER] = USERS[name]
    world.step()
    world.step()
    assert world.created_pods == [], f"{name} pod has the claim"
    assert ready(world) == ("False", "WaitingForPrevious")
    assert message(world) == (
        "pod other uses PersistentVolumeClaim build-data, so the daemon waits until that pod has ended"
    )
    assert world.plan().requeue_at == NOW + CLAIM_INTERVAL
    world.children.pop(OTHER, None)
    world.settle()
    assert ready(world) == ("True", "Ready")


NO_USERS = {
    "one that has succeeded": user(phase="Succeeded"),
    "one that has failed": user(phase="Failed"),
    "one with another claim": user([{"name": "data", "persistentVolumeClaim": {"claimName": "other-data"}}]),
    "one with another kind of volume of that name": user([{"name": "build-data", "emptyDir": {}}]),
    "one with a claim of its own": user([{"name": "data", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}}]),
    "one without volumes": user([]),
}


@pytest.mark.parametrize("name", [*NO_USERS])
def test_the_pod_does_not_wait_for(name: str) -> None:
    world = World(SPEC)
    world.children[OTHER] = NO_USERS[name]
    world.settle()
    assert ready(world) == ("True", "Ready")


def test_volumes_may_be_null() -> None:
    pod = user() | {"spec": {"volumes": None}}
    assert claim_users([pod, user([{"name": "data", "persistentVolumeClaim": None}])], "build-data") == ()


def test_the_next_pod_waits_for_the_last_one_and_says_so() -> None:
    world = World(SPEC)
    world.settle()
    old = world.pod()["metadata"]["name"]
    change(world, annotations={names.ANNOTATION_RESTART: "1"})
    world.step()
    assert len(world.created_pods) == 1
    assert ready(world) == ("False", "WaitingForPrevious")
    assert f"pod {old} uses PersistentVolumeClaim build-data" in message(world)
    world.settle()
    assert ready(world) == ("True", "Ready")


def test_the_last_pod_is_not_waited_for_once_it_has_ended() -> None:
    world = World(SPEC)
    world.settle()
    pod = world.pod()
    pod["metadata"] |= {"finalizers": ["example.com/keep"]}
    world.end(pod)
    for _ in range(3):
        world.advance(minutes=1)
        world.settle()
    assert len(world.created_pods) == 2


# --- pods that no watch brings --------------------------------------------------------------------


@pytest.fixture
def kube() -> WatchedKube:
    kube = WatchedKube()
    grant = {"namespaceSelector": {}, "allowedClasses": ["standard"], "allowedModes": ["Dind"]}
    kube.put("NestedDockerClass", "", "standard", spec={"modes": ["Dind"]})
    kube.put("NestedDockerPolicy", "", "all", spec=grant)
    kube.put("Namespace", "", "team-a")
    kube.put("NestedDocker", *KEY, spec={"className": "standard", "storage": CLAIM})
    return kube


def pods(kube: WatchedKube) -> list[str]:
    return [name for kind, _, name in kube.objects if kind == "Pod" and name != OTHER.name]


async def test_other_peoples_pods_are_listed_before_a_pod_is_created(kube: WatchedKube) -> None:
    clock = FakeClock()
    reconciler = reconciler_of(kube, clock=clock)
    kube._store("", ("Pod", "team-a", "other"), user())
    kube.reads.clear()
    assert await reconciler.reconcile(KEY) == Settled(clock.now() + CLAIM_INTERVAL)
    assert pods(kube) == []
    assert kube.reads.count("list Pod") == 1
    assert "pod other uses PersistentVolumeClaim build-data" in kube.conditions()["Provisioned"]["message"]
    del kube.objects["Pod", "team-a", "other"]
    await reconciler.reconcile(KEY)
    assert len(pods(kube)) == 1
    kube.reads.clear()
    await reconciler.reconcile(KEY)
    assert kube.reads == [], "nothing is read while the pod is there"


async def test_pods_of_other_namespaces_do_not_count(kube: WatchedKube) -> None:
    kube._store("", ("Pod", "team-b", "other"), user(namespace="team-b"))
    await reconciler_of(kube).reconcile(KEY)
    assert len(pods(kube)) == 1


async def test_its_own_pod_whose_creation_was_not_answered_is_not_waited_for(kube: WatchedKube) -> None:
    await reconciler_of(kube).reconcile(KEY)
    (name,) = pods(kube)
    kube.cache.remove(kube.objects["Pod", "team-a", name], "Pod")
    kube.objects["Pod", "team-a", name]["metadata"]["resourceVersion"] = "1000"
    status = kube.objects["NestedDocker", *KEY]
    kube.again(status | {"status": status["status"] | {"admittedPod": None}})
    await reconciler_of(kube).reconcile(KEY)
    assert pods(kube) == [name]
    assert "WaitingForPrevious" not in {each["reason"] for each in kube.conditions().values()}


async def test_without_a_claim_no_pod_is_listed(kube: WatchedKube) -> None:
    kube.put("NestedDocker", *KEY, spec={"className": "standard"})
    kube.reads.clear()
    await reconciler_of(kube).reconcile(KEY)
    assert "list Pod" not in kube.reads
