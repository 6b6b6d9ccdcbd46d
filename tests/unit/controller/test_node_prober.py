"""Probes of nodes, against an API server in memory."""

from __future__ import annotations

import asyncio
import functools
import json
from datetime import timedelta
from typing import Any

import pytest
from tests.support.factory import DEFAULTS
from tests.unit.fakes import KEY, FakeClock, WatchedKube, taken

from nested_docker.controller.leader import NotLeader
from nested_docker.controller.node_prober import NodeProber
from nested_docker.controller.observer import Observer
from nested_docker.controller.routing import Router
from nested_docker.controller.workqueue import WorkQueue
from nested_docker.domain.planning.node_probe import PROBES_AT_ONCE
from nested_docker.domain.ports import KubeError

Manifest = dict[str, Any]
BOOT = "5a3f2f6e-9c0b-4a44-8c7e-0d5a3c1f9b11"
CLEANUP = DEFAULTS.cleanup_namespace


class Cluster(WatchedKube):
    """An API server with nodes, and what a kubelet would do."""

    def __init__(self, nodes: int = 1) -> None:
        super().__init__()
        self.creation: KubeError | None = None
        self.queue, self.clock = WorkQueue(), FakeClock()
        self.router = Router(self.cache, self.queue)
        for number in range(nodes):
            self.node(f"n{number}")
        self.writes.clear()
        self.prober = NodeProber(self, self.cache, self.router, self.clock, DEFAULTS)

    def node(self, name: str, boot: str = BOOT) -> None:
        ready = [{"type": "Ready", "status": "True"}]
        self.put("Node", "", name, status={"conditions": ready, "nodeInfo": {"bootID": boot, "kubeletVersion": "v1"}})

    async def create(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        if manifest["kind"] == "Pod" and self.creation is not None:
            raise self.creation
        stamp = {"creationTimestamp": self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")}
        return await super().create(manifest | {"metadata": manifest["metadata"] | stamp}, dry_run=dry_run)

    def probes(self) -> list[Manifest]:
        return [obj for (kind, namespace, _), obj in self.objects.items() if (kind, namespace) == ("Pod", CLEANUP)]

    def answer(self, **facts: Any) -> None:
        """Every probe that runs ends."""
        state = {"terminated": {"message": json.dumps({"bootId": BOOT} | facts)}}
        for each in self.probes():
            self.again(
                each | {"status": {"phase": "Succeeded", "containerStatuses": [{"name": "node-probe", "state": state}]}}
            )

    def status(self, name: str = "n0") -> Manifest:
        found: Manifest = self.objects["NestedDockerNode", "", name]["status"]
        return found

    def message(self) -> tuple[str, str]:
        (condition,) = self.status()["conditions"]
        return condition["reason"], condition["message"]


async def test_a_node_is_probed_and_the_facts_are_kept() -> None:
    kube = Cluster()
    await kube.prober.once()
    assert len(kube.probes()) == 1
    kube.answer(cgroup="v2", filesystem="ext4")
    await kube.prober.once()
    assert len(kube.probes()) == 1, "until the result is stored"
    await kube.prober.once()
    assert kube.probes() == []
    assert kube.status()["facts"] == {"bootId": BOOT, "cgroup": "v2", "filesystem": "ext4"}
    owner = kube.objects["NestedDockerNode", "", "n0"]["metadata"]["ownerReferences"]
    assert owner == [{"apiVersion": "v1", "kind": "Node", "name": "n0", "uid": "uid-Node-n0"}]
    kube.writes.clear()
    for _ in range(3):
        await kube.prober.once()
    assert (kube.writes, kube.reads) == ([], []), "settled"


async def test_the_next_observation_has_the_facts_until_the_node_boots() -> None:
    kube = Cluster()
    kube.put("NestedDocker", *KEY, spec={})
    observer = Observer(kube.cache)
    await kube.prober.once()
    kube.answer(cgroup="v1")
    await kube.prober.once()
    observed = observer.observe(KEY)
    assert observed is not None
    probed = observed.cluster.nodes["n0"].probed
    assert probed is not None
    assert probed.cgroup == "v1"
    kube.node("n0", boot="0")
    observed = observer.observe(KEY)
    assert observed is not None
    assert observed.cluster.nodes["n0"].probed is None


async def test_facts_wake_who_waits_for_a_node() -> None:
    kube = Cluster()
    waiting = {"conditions": [{"type": "Accepted", "status": "False", "reason": "NoCapableNode"}]}
    kube.put("NestedDocker", "team-a", "waits", spec={}, status=waiting)
    kube.put("NestedDocker", "team-a", "runs", spec={})
    await kube.prober.once()
    kube.answer(cgroup="v2")
    await kube.prober.once()
    assert await taken(kube.queue) == ["waits"]


async def test_many_nodes_are_probed_a_few_at_a_time() -> None:
    kube, most, passes = Cluster(nodes=10), 0, 0
    while sum(kind == "NestedDockerNode" for kind, _, _ in kube.objects) < 10:
        await kube.prober.once()
        most = max(most, sum("status" not in each for each in kube.probes()))
        kube.answer()
        passes += 1
    assert (most, passes) == (PROBES_AT_ONCE, 4)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (403, "exceeded quota: pods"),
        (403, 'admission webhook "x" denied the request'),
        (403, "ValidatingAdmissionPolicy 'operator-pods' denied request: spec: containers: only the operator's"),
        (422, "spec.containers: Invalid value"),
        (404, 'namespaces "nested-docker-cleanup" not found'),
    ],
)
async def test_a_pod_that_is_rejected_is_reported_and_tried_again_later(status: int, words: str) -> None:
    kube = Cluster()
    kube.creation = KubeError(status, "Reason", words)
    for _ in range(5):
        await kube.prober.once()
    reason, message = kube.message()
    assert reason == "Rejected"
    assert message.startswith(f"the API server does not create the pod: {words}. The next probe is at ")
    assert kube.status()["failures"] == 1, "not in each pass"
    kube.creation = None
    await kube.prober.once()
    assert kube.probes() == []
    kube.clock.seconds += 60
    await kube.prober.once()
    assert len(kube.probes()) == 1


@pytest.mark.parametrize("status", [0, 409, 429, 500, 503])
async def test_an_api_server_in_trouble_is_no_fault_of_the_node(status: int) -> None:
    kube = Cluster()
    kube.creation = KubeError(status, "Reason", "later")
    await kube.prober.once()
    assert ("NestedDockerNode", "", "n0") not in kube.objects
    kube.creation = None
    await kube.prober.once()
    assert len(kube.probes()) == 1


@pytest.mark.parametrize("status", [429, 500])
async def test_nodes_whose_probes_cannot_be_created_let_others_go_first(status: int) -> None:
    kube, create = Cluster(nodes=3 * PROBES_AT_ONCE), Cluster.create
    bad = {f"n{number}" for number in range(PROBES_AT_ONCE)}

    async def refuses_some(manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        if manifest["kind"] == "Pod" and manifest["spec"]["nodeName"] in bad:
            raise KubeError(status, "Reason", "later")
        return await create(kube, manifest, dry_run=dry_run)

    kube.create = refuses_some  # type: ignore[method-assign]
    for _ in range(12):
        await kube.prober.once()
        kube.answer()
    probed = {name for kind, _, name in kube.objects if kind == "NestedDockerNode"}
    assert probed == {f"n{number}" for number in range(3 * PROBES_AT_ONCE)} - bad
    bad.clear()
    for _ in range(3):
        await kube.prober.once()
        kube.answer()
    assert len([kind for kind, _, _ in kube.objects if kind == "NestedDockerNode"]) == 3 * PROBES_AT_ONCE


async def test_a_pod_with_the_probe_s_name_is_told_and_another_answer_is_not_believed() -> None:
    kube = Cluster()
    await kube.prober.once()
    (probe,) = kube.probes()
    kube._drop(("Pod", CLEANUP, probe["metadata"]["name"]))
    kube.put("Pod", CLEANUP, probe["metadata"]["name"])
    other = probe["metadata"] | {"name": "forged", "uid": "forged"}
    kube.put("Pod", CLEANUP, "forged", **{key: probe[key] for key in ("spec",)})
    kube.again(kube.objects["Pod", CLEANUP, "forged"] | {"metadata": other})
    await kube.prober.once()
    where = f"{CLEANUP}/{probe['metadata']['name']}"
    assert kube.message()[1].startswith(f"pod {where} has the probe's name and is none of ours: delete it. ")


async def test_a_probe_whose_creation_was_not_answered_is_taken() -> None:
    kube, create = Cluster(), Cluster.create

    async def creates_without_an_answer(manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        made = await create(kube, manifest, dry_run=dry_run)
        if manifest["kind"] == "Pod":
            kube.cache.remove(made, "Pod")
            raise KubeError(0, "", "no answer")
        return made

    kube.create = creates_without_an_answer  # type: ignore[method-assign]
    await kube.prober.once()
    kube.create = functools.partial(create, kube)  # type: ignore[method-assign]
    await kube.prober.once()
    kube.answer(cgroup="v2")
    await kube.prober.once()
    assert kube.status()["facts"]["cgroup"] == "v2"


async def test_a_result_that_cannot_be_written_keeps_the_pod() -> None:
    kube = Cluster(nodes=2)
    await kube.prober.once()
    kube.answer(cgroup="v2")
    write = kube.apply_status

    async def fails(_: Manifest) -> Manifest:
        raise KubeError(500, "InternalError", "etcd is away")

    kube.apply_status = fails  # type: ignore[method-assign]
    await kube.prober.once()
    kube.apply_status = write  # type: ignore[method-assign]
    await kube.prober.once()
    await kube.prober.once()
    assert [kube.status(name)["facts"]["cgroup"] for name in ("n0", "n1")] == ["v2", "v2"]
    assert kube.probes() == []


async def test_an_object_that_somebody_deletes_is_made_again() -> None:
    kube = Cluster()
    await kube.prober.once()
    kube.answer(cgroup="v2")
    await kube.prober.once()
    await kube.prober.once()
    kube._drop(("NestedDockerNode", "", "n0"))
    await kube.prober.once()
    kube.answer(cgroup="v2")
    await kube.prober.once()
    assert kube.status()["facts"]["cgroup"] == "v2"


async def test_an_object_that_the_watch_has_not_brought_is_no_obstacle() -> None:
    kube = Cluster()
    kube._store("", ("NestedDockerNode", "", "n0"), {"kind": "NestedDockerNode", "metadata": {"name": "n0"}})
    await kube.prober.once()
    kube.answer(cgroup="v2")
    await kube.prober.once()
    assert kube.status()["facts"]["cgroup"] == "v2"


async def test_a_node_that_is_deleted_takes_its_probe_along() -> None:
    kube = Cluster()
    await kube.prober.once()
    kube._drop(("Node", "", "n0"))
    await kube.prober.once()
    assert kube.probes() == []


async def test_an_unreadable_object_is_no_fact() -> None:
    kube = Cluster()
    kube.put("NestedDocker", *KEY, spec={})
    kube.router.seen("NestedDockerNode", {"metadata": {"name": "n0", "uid": "1"}, "status": {"facts": {"bootId": []}}})
    observed = Observer(kube.cache).observe(KEY)
    assert observed is not None
    assert observed.cluster.nodes["n0"].probed is None


async def test_a_defect_ends_no_operator_and_the_loss_of_the_lease_ends_the_loop() -> None:
    kube, calls = Cluster(), 0

    async def once() -> None:
        nonlocal calls
        calls += 1
        raise RuntimeError if calls == 1 else NotLeader

    kube.prober.once = once  # type: ignore[method-assign]
    loop = asyncio.create_task(kube.prober.run(timedelta(0).total_seconds()))
    with pytest.raises(NotLeader):
        await loop
    assert calls == 2
