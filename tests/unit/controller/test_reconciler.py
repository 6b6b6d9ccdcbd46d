"""Passes over one NestedDocker, against an API server in memory."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.fakes import KEY, WatchedKube, reconciler_of
from tests.unit.lab import Lab

from nested_docker.api.v1alpha1.nested_docker import EngineStatus
from nested_docker.controller import daemon_prober
from nested_docker.controller.outcome import Rejected
from nested_docker.controller.reconciler import Reconciler
from nested_docker.docker_api.errors import DockerApiError
from nested_docker.domain.ports import KubeError


class FullKube(WatchedKube):
    """An API server whose quota has no room for pods.

    Attributes:
        words: what it says.
    """

    full, words = True, "exceeded quota: none, requested: pods=1, used: pods=1, limited: pods=1"

    async def create(self, manifest: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        if self.full and manifest["kind"] == "Pod":
            raise KubeError(403, "Forbidden", f'pods "x" is forbidden: {self.words}')
        return await super().create(manifest, dry_run=dry_run)


@pytest.fixture
def kube() -> FullKube:
    kube = FullKube()
    policy = {"namespaceSelector": {}, "allowedClasses": ["standard"], "allowedModes": ["Dind"]}
    kube.put("NestedDockerClass", "", "standard", spec={"modes": ["Dind"]})
    kube.put("NestedDockerPolicy", "", "all", spec=policy)
    kube.put("Namespace", "", "team-a")
    kube.put("NestedDocker", *KEY, spec={"className": "standard"})
    kube.writes.clear()
    return kube


@pytest.fixture
def reconciler(kube: FullKube) -> Reconciler:
    return reconciler_of(kube)


def made(kube: FullKube) -> list[str]:
    return sorted(kind for kind, namespace, _ in kube.objects if namespace and kind != "NestedDocker")


async def test_what_is_refused_is_unmade_and_then_only_asked_for(reconciler: Reconciler, kube: FullKube) -> None:
    assert isinstance(await reconciler.reconcile(KEY), Rejected)
    assert made(kube) == []
    assert "exceeded quota" in kube.conditions()["Ready"]["message"]
    before = list(kube.writes)
    assert isinstance(await reconciler.reconcile(KEY), Rejected)
    assert kube.writes == before


@pytest.mark.parametrize(("change", "left"), [({"suspend": True}, 0), ({"engine": {"mtu": 1300}}, 4)])
async def test_an_edit_that_a_status_writes_answer_brings_is_not_overlooked(
    reconciler: Reconciler, kube: FullKube, change: dict[str, Any], left: int
) -> None:
    kube.full = False
    write, wanted = kube.apply_status, kube.objects["NestedDocker", *KEY]

    async def meanwhile(manifest: dict[str, Any]) -> dict[str, Any]:
        edit = {"spec": wanted["spec"] | change, "metadata": wanted["metadata"] | {"generation": 2}}
        kube.objects["NestedDocker", *KEY] |= edit
        return await write(manifest)

    kube.apply_status = meanwhile  # type: ignore[method-assign]
    await reconciler.reconcile(KEY)
    assert len(made(kube)) == left
    assert len([write for write in kube.writes if write.startswith("create Pod")]) == (2 if left else 1)


@pytest.mark.parametrize(
    ("words", "reason", "stalled"),
    [
        (FullKube.words, "QuotaExceeded", False),
        (
            'error looking up service account team-a/default: serviceaccount "default" not found',
            "ServiceAccountMissing",
            False,
        ),
        ('violates PodSecurity "baseline:latest": privileged', "APIRejected", True),
        ("failed quota: one: must specify limits.cpu for: daemon", "APIRejected", True),
    ],
)
async def test_only_what_lasts_is_stalled(
    reconciler: Reconciler, kube: FullKube, words: str, reason: str, stalled: bool
) -> None:
    kube.words = words
    for _ in range(3):
        assert isinstance(await reconciler.reconcile(KEY), Rejected)
    found = kube.conditions()
    assert (found["Ready"]["status"], found["Ready"]["reason"]) == ("False", reason)
    assert words in found["Ready"]["message"]
    assert ("Stalled" in found, "Reconciling" in found) == (stalled, not stalled)
    kube.full = False
    await reconciler.reconcile(KEY)
    assert kube.conditions()["Ready"]["reason"] == "DaemonStarting"


async def test_a_replacement_that_waits_for_room_says_so() -> None:
    kube = FullKube()
    kube.full = False
    lab = Lab(kube)
    await lab.passes(3, seconds=30)
    kube.full = True
    lab.change(engine={"mtu": 1300})
    for _ in range(4):
        await lab.passes(1, seconds=5)
        assert lab.ready() == ("False", "QuotaExceeded")
        assert "Stalled" not in kube.conditions()
    kube.full = False
    await lab.passes(4, seconds=30)
    assert lab.ready() == ("True", "Ready")


async def test_room_heals(reconciler: Reconciler, kube: FullKube) -> None:
    assert isinstance(await reconciler.reconcile(KEY), Rejected)
    kube.full = False
    await reconciler.reconcile(KEY)
    assert made(kube) == ["NetworkPolicy", "Pod", "Secret", "Service"]


async def test_a_second_pass_writes_nothing(reconciler: Reconciler, kube: FullKube) -> None:
    kube.full = False
    await reconciler.reconcile(KEY)
    before = list(kube.writes)
    await reconciler.reconcile(KEY)
    assert kube.writes == before


async def test_an_unknown_namespace_is_looked_up_before_policy_is_judged(
    reconciler: Reconciler, kube: FullKube
) -> None:
    kube.full = False
    reconciler._cache.remove(kube.objects["Namespace", "", "team-a"], "Namespace")
    kube.objects["Namespace", "", "team-a"]["metadata"]["uid"] = "new"
    await reconciler.reconcile(KEY)
    assert "Pod" in made(kube)


async def test_a_daemon_that_is_no_longer_wanted_is_no_longer_dialled(reconciler: Reconciler, kube: FullKube) -> None:
    kube.full = False
    await reconciler.reconcile(KEY)
    (pod,) = [obj for (kind, _, _), obj in kube.objects.items() if kind == "Pod"]
    running = {"name": "daemon", "state": {"running": {}}, "ready": False, "restartCount": 0}
    pod["status"] = {"phase": "Running", "podIP": "192.0.2.1", "containerStatuses": [running]}
    pod["metadata"]["resourceVersion"] = "100"
    reconciler._cache.put(pod, "Pod")
    await reconciler.reconcile(KEY)
    assert dials() == ["probe team-a/build"]
    wanted = kube.objects["NestedDocker", *KEY]
    wanted["spec"] |= {"suspend": True}
    wanted["metadata"]["resourceVersion"] = "101"
    reconciler._cache.put(wanted, "NestedDocker")
    await reconciler.reconcile(KEY)
    await asyncio.sleep(0)
    assert dials() == []


async def test_a_key_set_that_has_just_gone_is_made_anew_before_anybody_is_dialled(
    reconciler: Reconciler, kube: FullKube
) -> None:
    kube.full = False
    await reconciler.reconcile(KEY)
    reconciler._sessions.of(KEY).keys = None
    (pod,) = [obj for (kind, _, _), obj in kube.objects.items() if kind == "Pod"]
    running = {"name": "daemon", "state": {"running": {}}, "ready": False, "restartCount": 0}
    pod["status"] = {"phase": "Running", "podIP": "192.0.2.1", "containerStatuses": [running]}
    pod["metadata"]["resourceVersion"] = "100"
    reconciler._cache.put(pod, "Pod")
    (before,) = [location for location in kube.objects if location[0] == "Secret"]
    del kube.objects[before]
    await reconciler.reconcile(KEY)
    (now,) = [location for location in kube.objects if location[0] == "Secret"]
    assert now != before


def dials() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("probe ")]


async def test_a_pod_that_goes_at_once_is_reported_with_its_last_words() -> None:
    lab = Lab()
    await lab.passes(3)
    (pod,) = lab.pods()
    disruption = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "drain"}
    location = ("Pod", "team-a", pod["metadata"]["name"])
    lab.kube.objects[location] = pod | {"status": pod["status"] | {"conditions": [disruption]}}
    lab.kube._drop(location)
    await lab.passes(4, seconds=10)
    assert lab.ready() == ("True", "Ready")
    (event,) = [each for each in lab.events if each[1] == "PodLost"]
    words = "the pod was evicted through the API, as kubectl drain and autoscalers do (drain)"
    assert event == ("Warning", "PodLost", f"Pod {pod['metadata']['name']} is lost: {words}")
    lost = lab.kube.objects["NestedDocker", *KEY]["status"]["lostPod"]
    assert (lost["reason"], lost["message"]) == ("EvictionByEvictionAPI", words)


class Unreachable:
    """Daemons behind a NetworkPolicy."""

    async def ask(self, *_: Any) -> EngineStatus:
        raise DockerApiError("https://192.0.2.1:2376 has not answered /version within 5 s") from TimeoutError()


async def test_a_daemon_that_the_operator_cannot_reach_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon_prober, "REPORT_AFTER", 0.0)
    lab = Lab(daemons=Unreachable())
    await lab.passes(4)
    assert lab.ready() == ("False", "DaemonUnreachable")
    message = lab.kube.conditions()["DaemonReachable"]["message"]
    assert message == lab.kube.conditions()["Ready"]["message"]
    assert "(https://192.0.2.1:2376 has not answered /version within 5 s): most likely a NetworkPolicy" in message
    assert lab.kube.conditions()["Reconciling"]["status"] == "True"
    before = [*lab.kube.writes]
    lab.restart()
    await lab.passes(3)
    assert lab.kube.writes == before, "an operator that starts again takes it back"
    assert [reason for _, reason, _ in lab.events].count("DaemonUnreachable") == 1
    lab.sessions.stop_probes()
