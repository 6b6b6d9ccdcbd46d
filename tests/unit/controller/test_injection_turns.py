"""The order of pods that wait, from what is stored: the oldest first, and nobody holds up a namespace for ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.fakes import FakeClock, WatchedKube
from tests.unit.remembered import remembered

from nested_docker.controller.cache import Cache
from nested_docker.controller.injection_turns import InjectionTurns, denial_of, shortcoming_of
from nested_docker.controller.workqueue import Key
from nested_docker.domain.names import LABEL_INJECT, LABEL_INJECTION_ID, injected_name
from nested_docker.domain.objects import CLIENT_POD

GATE, KUEUE = {"name": "nesteddocker.dev/daemon"}, {"name": "kueue.x-k8s.io/admission"}


class Lab:
    """Pods, numbered by their age."""

    def __init__(self) -> None:
        self.kube, self.clock = WatchedKube(), FakeClock()
        self.queued: list[Key] = []
        self.turns = InjectionTurns(self.kube.cache, self.clock, self.queued.append)

    def pod(self, number: int, *gates: dict[str, str], namespace: str = "team-a", **fields: Any) -> None:
        labels = {LABEL_INJECT: "standard", LABEL_INJECTION_ID: f"{number:020x}"}
        metadata = {"labels": labels, "creationTimestamp": f"2026-03-01T00:00:{number:02}Z"}
        spec = {"containers": [{"name": "build"}], "schedulingGates": list(gates)} | fields.pop("spec", {})
        metadata |= fields.pop("metadata", {})
        self.kube.put(CLIENT_POD, namespace, f"job-{number}", metadata=metadata, spec=spec, **fields)

    def begins(self, number: int, namespace: str = "team-a", **fields: Any) -> None:
        """Its NestedDocker is created now."""
        pod = self.kube.objects[CLIENT_POD, namespace, f"job-{number}"]["metadata"]
        owner = {"kind": "Pod", "name": pod["name"], "uid": pod["uid"], "controller": True}
        stamp = f"2026-03-01T00:{int(self.clock.seconds) // 60:02}:{int(self.clock.seconds) % 60:02}Z"
        metadata = {"ownerReferences": [owner], "creationTimestamp": stamp} | fields.pop("metadata", {})
        self.kube.put("NestedDocker", namespace, key(number)[1], metadata=metadata, **fields)

    def gets_node(self, number: int) -> None:
        pod = self.kube.objects[CLIENT_POD, "team-a", f"job-{number}"]
        self.kube.again(pod | {"spec": pod["spec"] | {"schedulingGates": [], "nodeName": "node-1"}})

    def passed(self, number: int) -> list[Key]:
        """Whose turn it is after a pass for a pod."""
        self.queued.clear()
        self.turns.pass_on(key(number))
        return [*self.queued]


def key(number: int, namespace: str = "team-a") -> Key:
    return namespace, injected_name(f"{number:020x}")


def waiting(count: int) -> Lab:
    lab = Lab()
    for number in reversed(range(count)):
        lab.pod(number, GATE)
    return lab


def test_the_oldest_pod_comes_first_and_alone() -> None:
    lab = waiting(3)
    assert [lab.turns.has_come(key(number)) for number in range(3)] == [True, False, False]
    lab.begins(0)
    assert [lab.turns.has_come(key(number)) for number in range(3)] == [False, False, False]


def test_as_many_wait_as_run() -> None:
    lab = waiting(6)
    for number in (0, 1):
        lab.begins(number)
        lab.gets_node(number)
    assert lab.passed(1) == [key(2), key(3)]
    lab.begins(2)
    assert lab.passed(2) == [key(3)]


def test_a_creation_that_is_under_way_counts() -> None:
    lab = waiting(2)
    with lab.turns.taken(key(0)):
        assert not lab.turns.has_come(key(1))
    assert lab.turns.has_come(key(0))


def test_a_creation_that_fails_lets_others_pass_and_is_not_queued_by_them() -> None:
    lab = waiting(3)
    with pytest.raises(RuntimeError), lab.turns.taken(key(0)):
        raise RuntimeError("rejected")
    assert lab.passed(0) == [key(1)]
    with pytest.raises(RuntimeError), lab.turns.taken(key(1)):
        raise RuntimeError("rejected")
    assert lab.passed(1) == [key(2)]
    with pytest.raises(RuntimeError), lab.turns.taken(key(2)):
        raise RuntimeError("rejected")
    assert lab.passed(2) == []
    assert lab.turns.has_come(key(1)), "its backoff brings it back"


def test_a_pod_that_gets_nothing_as_it_is_lets_others_pass() -> None:
    lab = waiting(2)
    lab.turns.refuse(key(0))
    assert lab.passed(0) == [key(1)]
    lab.turns.forget(key(0))
    assert lab.passed(1) == [key(0)]


@pytest.mark.parametrize(
    "fields",
    [
        {"spec": {"schedulingGates": [KUEUE, GATE]}},
        {"spec": {"schedulingGates": []}},
        {"metadata": {"deletionTimestamp": "2026-03-01T00:01:00Z"}},
        {"metadata": {"labels": {LABEL_INJECT: "standard", LABEL_INJECTION_ID: "nobody's"}}},
        {"namespace": "team-b"},
    ],
    ids=["behind another gate", "without a gate", "being deleted", "with an id of another form", "elsewhere"],
)
def test_who_does_not_wait_here_holds_up_nobody(fields: dict[str, Any]) -> None:
    lab = Lab()
    lab.pod(0, GATE, **fields)
    lab.pod(1, GATE)
    assert lab.passed(0) == [key(1)]


@pytest.mark.parametrize(
    "fields",
    [
        {"status": {"conditions": [{"type": "Accepted", "status": "False", "reason": "NotGranted"}]}},
        {"metadata": {"deletionTimestamp": "2026-03-01T00:01:00Z"}},
        {"metadata": {"ownerReferences": []}},
    ],
    ids=["denied", "being deleted", "of another pod"],
)
def test_a_daemon_that_needs_no_node_holds_up_nobody(fields: dict[str, Any]) -> None:
    lab = waiting(2)
    lab.begins(0, **fields)
    assert lab.passed(0) == [key(1)]


def test_a_pod_that_has_ended_does_not_run() -> None:
    lab = waiting(4)
    for number in (0, 1):
        lab.begins(number)
        lab.gets_node(number)
    assert lab.passed(0) == [key(2), key(3)]
    ended = lab.kube.objects[CLIENT_POD, "team-a", "job-0"]
    lab.kube.again(ended | {"status": {"phase": "Succeeded"}})
    assert lab.passed(0) == [key(2)]


def test_a_pair_that_no_node_takes_holds_up_nobody_after_five_minutes() -> None:
    lab = waiting(3)
    lab.begins(0)
    assert lab.passed(0) == []
    late_at = lab.turns.late_at(key(0))
    assert late_at is not None
    assert (late_at - lab.clock.now()).total_seconds() == 300
    lab.clock.seconds = 299
    assert lab.passed(0) == []
    lab.clock.seconds = 300
    assert lab.passed(0) == [key(1)]


def test_a_pair_that_waits_for_an_older_one_is_patient_from_when_that_has_ended() -> None:
    lab = waiting(3)
    lab.begins(0)
    lab.gets_node(0)
    lab.begins(1)
    lab.clock.seconds = 3000
    assert lab.passed(0) == []
    assert lab.turns.late_at(key(1)) is None
    ended = lab.kube.objects[CLIENT_POD, "team-a", "job-0"]
    lab.kube.again(ended | {"status": {"phase": "Succeeded"}})
    assert lab.passed(0) == [key(1)], "its pass sets a timer"
    assert lab.turns.late_at(key(1)) is not None
    assert lab.passed(0) == []
    lab.clock.seconds = 3300
    assert lab.turns.late_at(key(1)) is None
    assert lab.passed(1) == [key(2)]


def test_a_daemon_that_has_ended_before_its_pod_starts_holds_up_nobody() -> None:
    lab = waiting(2)
    lab.begins(0, status={"completionTime": "2026-03-01T00:00:30Z"})
    assert lab.passed(0) == [key(1)]


def test_a_pair_that_waits_for_long_behind_an_older_one_that_runs_is_named() -> None:
    lab = waiting(4)
    lab.begins(0)
    lab.gets_node(0)
    lab.clock.seconds = 1
    lab.begins(1)
    lab.clock.seconds = 300
    assert lab.turns.blocker("team-a") is None
    assert lab.passed(1) == []
    lab.clock.seconds = 301
    blocker = lab.turns.blocker("team-a")
    assert blocker is not None
    assert [each["metadata"]["name"] for each in blocker] == ["job-1", key(1)[1]]
    assert lab.passed(1) == [key(2)], "the oldest that is held up says so"
    assert not lab.turns.has_come(key(2))
    assert lab.turns.blocker("team-b") is None


def is_refused_and_gone(lab: Lab, number: int) -> None:
    lab.turns.refuse(key(number))
    assert remembered(lab.turns) == 1
    lab.turns.forget(key(number))


def is_refused_and_tried_again(lab: Lab, number: int) -> None:
    lab.turns.refuse(key(number))
    lab.turns.has_come(key(number))


def is_created(lab: Lab, number: int) -> None:
    with lab.turns.taken(key(number)):
        assert remembered(lab.turns) == 1


def is_created_in_vain_and_gone(lab: Lab, number: int) -> None:
    with pytest.raises(RuntimeError), lab.turns.taken(key(number)):
        raise RuntimeError("rejected")
    assert remembered(lab.turns) == 1
    lab.turns.forget(key(number))


def comes_first_and_gets_a_node(lab: Lab, number: int) -> None:
    lab.begins(number)
    lab.passed(number)
    assert remembered(lab.turns) == 1
    lab.gets_node(number)
    lab.passed(number)


def comes_first_and_goes(lab: Lab, number: int) -> None:
    lab.begins(number)
    lab.passed(number)
    assert remembered(lab.turns) == 1
    lab.turns.forget(key(number))


def comes_first_until_an_older_one_runs(lab: Lab, number: int) -> None:
    lab.begins(number)
    lab.passed(number)
    assert remembered(lab.turns) == 1
    lab.pod(50, GATE)
    lab.begins(50, metadata={"creationTimestamp": "2026-02-01T00:00:00Z"})
    lab.gets_node(50)
    lab.passed(number)
    lab.kube.cache.remove(lab.kube.objects[CLIENT_POD, "team-a", "job-50"], CLIENT_POD)


WAYS = [
    is_refused_and_gone,
    is_refused_and_tried_again,
    is_created,
    is_created_in_vain_and_gone,
    comes_first_and_gets_a_node,
    comes_first_and_goes,
    comes_first_until_an_older_one_runs,
]


@pytest.mark.parametrize("way", WAYS)
def test_nothing_is_remembered_of_pods_that_have_come_and_gone(way: Callable[[Lab, int], None]) -> None:
    lab = Lab()
    for number in range(3):
        lab.pod(number, GATE)
        way(lab, number)
        assert remembered(lab.turns) == 0
        lab.kube.cache.remove(lab.kube.objects[CLIENT_POD, "team-a", f"job-{number}"], CLIENT_POD)


class CountingCache(Cache):
    """Counts what is read."""

    reads = 0

    def get(self, kind: str, namespace: str, name: str) -> Any:
        self.reads += 1
        return super().get(kind, namespace, name)

    def all(self, kind: str) -> Any:
        found = super().all(kind)
        self.reads += len(found)
        return found


def reads_of_a_pass(pods: int, ended: int) -> int:
    lab = Lab()
    cache = lab.turns.cache = CountingCache()
    for number in range(pods + ended):
        fields: dict[str, Any] = {"spec": {"schedulingGates": [GATE]}, "status": {"phase": "Pending"}}
        if number < ended:
            fields = {"spec": {"nodeName": "node-1"}, "status": {"phase": "Succeeded"}}
        labels = {LABEL_INJECT: "standard", LABEL_INJECTION_ID: f"{number:020x}"}
        metadata = {"name": f"job-{number}", "namespace": "team-a", "uid": f"{number:05}", "labels": labels}
        cache.put({"metadata": metadata | {"resourceVersion": "1"}, **fields}, CLIENT_POD)
    cache.reads = 0
    assert lab.turns.has_come(key(ended))
    lab.turns.pass_on(key(ended))
    return cache.reads


def test_a_pass_reads_no_more_pods_when_5000_wait_or_have_ended() -> None:
    few = reads_of_a_pass(5, 5)
    assert few > 0
    assert reads_of_a_pass(5000, 5) == few
    assert reads_of_a_pass(5, 5000) == few


def test_messages_come_from_the_conditions() -> None:
    denied = {"type": "Accepted", "status": "False", "reason": "NotGranted", "message": "no policy"}
    unready = {"type": "Ready", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
    assert denial_of({"status": {"conditions": [denied, unready]}}) == "NotGranted: no policy"
    assert shortcoming_of({"status": {"conditions": [denied, unready]}}) == "Unschedulable: 0/1 nodes"
    assert denial_of({"status": {"conditions": [denied | {"status": "True"}]}}) == ""
    assert shortcoming_of({}) == ""
