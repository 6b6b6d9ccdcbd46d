"""Why a pod was lost: in one Event per pod, in the condition, and in the status after its replacement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.support.factory import WORKLOAD
from tests.unit.world import World, change, message, ready

from nested_docker.domain.objects import ClusterFacts, NodeFacts
from nested_docker.domain.planning.loss import why_lost
from nested_docker.domain.planning.pod_state import PodState
from nested_docker.domain.status.events import transitions

Manifest = dict[str, Any]
Lose = Callable[[World, Manifest], None]


def evicted(_: World, pod: Manifest) -> None:
    """What the kubelet does under disk pressure, as field reports have it."""
    message = 'Usage of EmptyDir volume "data" exceeds the limit "60Mi". '
    disrupted("TerminationByKubelet", message)(_, pod)
    pod["status"] |= {"phase": "Failed", "reason": "Evicted", "message": message}


def disrupted(reason: str, message: str) -> Lose:
    def lose(_: World, pod: Manifest) -> None:
        condition = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": message}
        pod["status"].setdefault("conditions", []).append(condition)
        pod["metadata"]["deletionTimestamp"] = "2026-03-01T12:30:00Z"

    return lose


def shut_down(_: World, pod: Manifest) -> None:
    message = "Pod was terminated in response to imminent node shutdown."
    pod["status"] |= {"phase": "Failed", "reason": "Terminated", "message": message}


def silent_node(_: World, pod: Manifest) -> None:
    pod["status"] |= {"reason": "NodeLost", "message": "Node node-1 which was running pod build is unresponsive"}
    pod["metadata"]["deletionTimestamp"] = "2026-03-01T12:30:00Z"


def deleted(_: World, pod: Manifest) -> None:
    pod["metadata"]["deletionTimestamp"] = "2026-03-01T12:30:00Z"


def deleted_by_force(world: World, pod: Manifest) -> None:
    for identity in [each for each in world.children if each.name == pod["metadata"]["name"]]:
        del world.children[identity]


def node_removed(world: World, pod: Manifest) -> None:
    world.base = replace(world.base, cluster=ClusterFacts(nodes={"node-2": NodeFacts(ready=True)}))
    deleted_by_force(world, pod)


LOSSES: dict[str, tuple[Lose, str, str]] = {
    "evicted by the kubelet": (
        evicted,
        "Evicted",
        'the kubelet of node node-1 evicted the pod (Usage of EmptyDir volume "data" exceeds the limit "60Mi")',
    ),
    "preempted": (
        disrupted("PreemptionByScheduler", "default-scheduler: preempting to accommodate a higher priority pod"),
        "PreemptionByScheduler",
        "the scheduler removed the pod for one with a higher priority (default-scheduler: preempting to accommodate a "
        "higher priority pod)",
    ),
    "drained": (
        disrupted("EvictionByEvictionAPI", "Eviction API: evicting"),
        "EvictionByEvictionAPI",
        "the pod was evicted through the API, as kubectl drain and autoscalers do (Eviction API: evicting)",
    ),
    "tainted": (
        disrupted("DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint"),
        "DeletionByTaintManager",
        "node node-1 got a taint that the pod does not tolerate, or does not respond (Taint manager: deleting due to "
        "NoExecute taint)",
    ),
    "collected": (
        disrupted("DeletionByPodGC", "PodGC: node no longer exists"),
        "DeletionByPodGC",
        "node node-1 is gone, or was shut down (PodGC: node no longer exists)",
    ),
    "disrupted by something new": (
        disrupted("example.com/Rebalanced", "moved"),
        "example.com/Rebalanced",
        "the pod was disrupted (example.com/Rebalanced) (moved)",
    ),
    "shut down": (
        shut_down,
        "Terminated",
        "node node-1 shuts down (Pod was terminated in response to imminent node shutdown)",
    ),
    "silent node": (
        silent_node,
        "NodeLost",
        "node node-1 does not respond (Node node-1 which was running pod build is unresponsive)",
    ),
    "deleted": (deleted, "Deleted", "somebody deleted the pod"),
    "gone unseen": (deleted_by_force, "Unknown", "the pod is gone, and no operator saw why"),
    "node removed": (node_removed, "NodeGone", "node node-1 is gone, and the pod with it"),
}


def stepped(world: World) -> list[tuple[str, str]]:
    """Reason and message of the Events of one step."""
    events: list[tuple[str, str]] = []
    write = world._write_status

    def reporting(planned: Any) -> None:
        if planned.status is not None:
            events.extend((each.reason, each.message) for each in transitions(world.status, planned.status))
        write(planned)

    world._write_status = reporting  # type: ignore[method-assign]
    world.step()
    world._write_status = write  # type: ignore[method-assign]
    return events


def steady() -> World:
    world = World()
    world.settle()
    world.advance(minutes=30)
    world.settle()
    assert ready(world) == ("True", "Ready")
    return world


@pytest.mark.parametrize(("lose", "reason", "words"), LOSSES.values(), ids=LOSSES)
def test_each_loss_is_reported_once_and_kept(lose: Lose, reason: str, words: str) -> None:
    world = steady()
    pod = world.pod()
    name = pod["metadata"]["name"]
    lose(world, pod)
    events = stepped(world)
    assert events[0] == ("PodLost", f"Pod {name} is lost: {words}")
    assert message(world) == f"waiting for the daemon's first answer over TLS; Pod {name} was lost before: {words}"
    world.node = "node-2"
    for _ in range(5):
        world.restart_operator()
        world.run_pods()
        world.finish_deletions()
        events += stepped(world)
    assert ready(world) == ("True", "Ready")
    assert [each for each, _ in events].count("PodLost") == 1
    lost = world.status.lost_pod
    assert lost is not None
    assert (lost.name, lost.node_name, lost.reason, lost.message) == (name, "node-1", reason, words)


@pytest.mark.parametrize(("lose", "reason", "words"), LOSSES.values(), ids=LOSSES)
def test_a_loss_soon_after_the_last_one_is_reported_while_it_waits(lose: Lose, reason: str, words: str) -> None:
    world = steady()
    deleted(world, world.pod())
    world.settle()
    pod = world.pod()
    lose(world, pod)
    events = stepped(world)
    assert [each for each, _ in events] == ["PodLost"]
    assert ready(world) == ("False", "PodLost")
    assert message(world).startswith(f"{words}; the operator creates a new pod at ")
    assert world.status.lost_pod is not None
    assert world.status.lost_pod.reason == reason
    world.finish_deletions()
    assert stepped(world) == []


def test_what_waits_for_its_replacement_can_be_lost_too() -> None:
    world = steady()
    change(world, generation=2, spec={"mode": "Dind", "engine": {"mtu": 1300}})
    world.settle()
    change(world, generation=3, spec={"mode": "Dind", "engine": {"mtu": 1400}})
    world.settle()
    assert world.status.lost_pod is None
    evicted(world, world.pod())
    assert next(each for each, _ in stepped(world)) == "PodLost"


OWN_DOING: dict[str, Callable[[World], None]] = {
    "an edit": lambda world: change(world, generation=2, spec={"mode": "Dind", "engine": {"mtu": 1300}}),
    "a restart": lambda world: change(world, annotations={"nesteddocker.dev/restart": "1"}),
    "a suspension": lambda world: change(world, generation=2, spec={"mode": "Dind", "suspend": True}),
    "a lost grant": lambda world: change(world, policies={}),
    "a changed image": lambda world: world.pod()["spec"]["containers"][0].update(image="evil:1"),
    "an edited key set": lambda world: world.edit_secret(world.key_secret(), "ca.pem"),
}


@pytest.mark.parametrize("act", OWN_DOING.values(), ids=OWN_DOING)
def test_what_the_operator_removes_is_not_lost(act: Callable[[World], None]) -> None:
    world = steady()
    act(world)
    events: list[tuple[str, str]] = []
    for _ in range(6):
        events += stepped(world)
        world.run_pods()
        world.finish_deletions()
    assert "PodLost" not in [each for each, _ in events]
    assert world.status.lost_pod is None


def test_a_build_that_ends_loses_nothing_and_one_whose_pod_is_evicted_does() -> None:
    for lost in (False, True):
        world = World({"mode": "Dind", "workload": WORKLOAD})
        world.settle()
        pod = world.pod()
        if lost:
            evicted(world, pod)
            pod["status"].pop("conditions")
        else:
            world.end(pod, "Succeeded")
            pod["status"]["containerStatuses"] = [{"name": "builder", "state": {"terminated": {"exitCode": 0}}}]
        events = stepped(world)
        assert ("PodLost" in [each for each, _ in events]) == lost
        assert ready(world)[1] == ("WorkloadFailed" if lost else "Completed")


def test_a_loss_is_kept_without_a_grant_and_while_suspended() -> None:
    world = steady()
    evicted(world, world.pod())
    world.settle()
    kept = world.status.lost_pod
    assert kept is not None
    for act in (OWN_DOING["a lost grant"], OWN_DOING["a suspension"]):
        act(world)
        world.settle()
        assert world.status.lost_pod == kept


@pytest.mark.parametrize("length", [0, 1, 1023, 1024, 100_000])
def test_words_of_any_length_fit_into_the_status(length: int) -> None:
    world = steady()
    pod = world.pod()
    pod["status"] |= {"phase": "Failed", "reason": "R" * length, "message": "\x1b\n" + "m" * length}
    world.settle()
    lost = world.status.lost_pod
    assert lost is not None
    assert (len(lost.reason) <= 64, len(lost.message) <= 1024) == (True, True)
    assert lost.message.isprintable()
    assert type(world.status).model_validate(world.status.dump()) == world.status


def test_the_words_of_a_pod_that_ended_come_first() -> None:
    manifest = {"metadata": {"name": "x"}, "status": {"phase": "Failed", "reason": "OutOfcpu", "message": "no cpu"}}
    assert why_lost(PodState(manifest), "node-1", node_exists=True) == ("OutOfcpu", "the pod ended (OutOfcpu: no cpu)")
    assert why_lost(None, "", node_exists=False) == ("Unknown", "the pod is gone, and no operator saw why")
    assert why_lost(None, "node-1", node_exists=True) == ("Unknown", "the pod is gone, and no operator saw why")
    assert why_lost(None, "node-1", node_exists=False) == ("NodeGone", "node node-1 is gone, and the pod with it")
