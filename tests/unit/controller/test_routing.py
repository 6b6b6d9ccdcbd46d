"""The router: an event reaches the NestedDockers that it concerns."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.factory import DEFAULTS, class_spec, observed
from tests.unit.controller.objects import child, obj
from tests.unit.fakes import taken

from nested_docker.controller.cache import Cache
from nested_docker.controller.routing import NODE_REASONS, Router
from nested_docker.controller.workqueue import WorkQueue
from nested_docker.domain import names
from nested_docker.domain.admission.acceptance import NotAccepted, accept
from nested_docker.domain.names import (
    ANNOTATION_INJECT_FORM,
    LABEL_INJECT,
    LABEL_INJECTION_ID,
    LABEL_NAME,
    LABEL_NAMESPACE,
)
from nested_docker.domain.objects import CLIENT_POD, ClusterFacts, Identity


async def test_events_reach_whom_they_concern() -> None:
    cache, queue = Cache(), WorkQueue()
    router = Router(cache, queue)
    router.seen("NestedDocker", obj("a", uid="a"))
    router.seen("NestedDocker", obj("b", uid="b"))
    assert await taken(queue) == ["a", "b"]
    pod = child("p", "a", uid="p")
    router.seen("Pod", pod | {"spec": {"nodeName": "n", "containers": []}})
    assert await taken(queue) == ["a"]
    router.seen("Node", {"metadata": {"name": "n", "uid": "n", "resourceVersion": "1"}})
    assert await taken(queue) == ["a"]
    router.seen("NestedDockerPolicy", {"metadata": {"name": "p", "uid": "q", "resourceVersion": "1"}})
    assert sorted(await taken(queue)) == ["a", "b"]
    router.gone("Pod", pod)
    assert await taken(queue) == ["a"]


@pytest.mark.parametrize(
    ("reason", "queued"),
    [
        ("NoCapableNode", ["a"]),
        ("RuntimeMissing", ["a"]),
        ("PodSecurityDenied", ["a"]),
        ("NotGranted", []),
        ("PodNamespaceMissing", []),
        ("Granted", []),
    ],
)
async def test_a_node_reaches_those_that_no_node_could_run(reason: str, queued: list[str]) -> None:
    cache, queue = Cache(), WorkQueue()
    router = Router(cache, queue)
    waiting = {"conditions": [{"type": "Accepted", "status": "False", "reason": reason}]}
    router.seen("NestedDocker", obj("a", uid="a") | {"status": waiting})
    assert await taken(queue) == ["a"]
    node: dict[str, Any] = {"metadata": {"name": "n", "uid": "n", "resourceVersion": "1"}}
    router.seen("Node", node)
    assert await taken(queue) == queued
    router.seen("Node", {"metadata": node["metadata"] | {"resourceVersion": "2"}})
    assert await taken(queue) == [], "nothing has changed"
    router.seen("Node", {"metadata": node["metadata"] | {"resourceVersion": "3", "labels": {"pool": "vm"}}})
    assert await taken(queue) == queued


@pytest.mark.parametrize("modes", [["UserNamespace", "Sysbox"], ["Dind", "Sysbox"], ["HostSocket", "Sysbox"]])
def test_a_node_reaches_those_whose_reason_is_that_of_another_mode(modes: list[str]) -> None:
    waiting = observed(
        {},
        classes={"standard": class_spec(modes=modes, modeSelection="AsListed")},
        namespace_labels={"pod-security.kubernetes.io/enforce": "baseline"},
        cluster=ClusterFacts(),
    )
    rejected = accept(waiting, DEFAULTS)
    assert isinstance(rejected, NotAccepted)
    assert "needs RuntimeClass sysbox-runc" in rejected.message
    assert "baseline" in rejected.message
    assert rejected.reason in NODE_REASONS


async def test_a_changed_label_reaches_the_controller() -> None:
    cache, queue = Cache(), WorkQueue()
    router = Router(cache, queue)
    owned = {"ownerReferences": [{"kind": "NestedDocker", "name": "a", "controller": True}]}
    for version, label in ((1, "a"), (2, "other")):
        service = obj("s", version=version)
        router.seen("Service", service | {"metadata": service["metadata"] | owned | {"labels": {LABEL_NAME: label}}})
        assert await taken(queue) == ["a"]
    assert Identity("Service", "ns", "s") in cache.children(("ns", "a"))


async def test_pods_that_clean_up_belong_to_a_nested_docker_and_are_none_of_its_children() -> None:
    cache, queue = Cache("tidy"), WorkQueue()
    router = Router(cache, queue)
    labels = {LABEL_NAME: "owner", LABEL_NAMESPACE: "ns"}
    cleanup = obj("c", uid="c")
    cleanup["metadata"] |= {"namespace": "tidy", "labels": labels}
    router.seen("Pod", child("p", "owner", uid="p", spec={"nodeName": "node-1"}))
    router.seen("Pod", cleanup)
    assert await taken(queue) == ["owner"]
    key = ("ns", "owner")
    assert set(cache.children(key)) == {Identity("Pod", "ns", "p")}
    assert set(cache.cleanups(key)) == {Identity("Pod", "tidy", "c")}
    assert cache.cleanups(("ns", "other")) == {}
    router.gone("Pod", cleanup)
    assert (await taken(queue), cache.cleanups(key)) == (["owner"], {})
    node = {"metadata": {"name": "node-1", "uid": "n", "resourceVersion": "1"}}
    router.seen("Node", node)
    assert await taken(queue) == ["owner"], "its NestedDocker may be gone"
    router.gone("Node", node)
    assert await taken(queue) == ["owner"]


async def test_events_from_over_there_reach_whom_they_concern() -> None:
    cache, queue = Cache(), WorkQueue()
    router = Router(cache, queue)

    def remote(name: str, namespace: str, **fields: Any) -> dict[str, Any]:
        metadata = {"name": name, "namespace": namespace, "uid": f"{namespace}-{name}", "resourceVersion": "1"}
        return fields | {"metadata": metadata | fields.get("metadata", {})}

    router.seen("NestedDocker", remote("build", "team-a", spec={}))
    router.seen("NestedDocker", remote("plain", "team-b", spec={}))
    router.seen("NestedDockerClass", remote("isolated", "", spec={"modes": ["Dind"], "podNamespace": "daemons"}))
    await taken(queue)
    marks = {names.LABEL_NAME: "build", names.LABEL_NAMESPACE: "team-a"}
    service = remote("nd-0123456789", "daemons", metadata={"labels": marks}, spec={})
    router.seen("Service", service)
    assert await taken(queue) == ["build"]
    router.seen("Namespace", remote("daemons", ""))
    assert sorted(await taken(queue)) == ["build", "plain"]
    router.seen("Namespace", remote("team-b", ""))
    assert await taken(queue) == ["plain"]
    router.gone("NestedDocker", remote("build", "team-a"))
    assert await taken(queue) == ["build"]
    router.everything()
    assert sorted(await taken(queue)) == ["build", "plain"], "what is left of the dead is looked at as well"
    router.gone("Service", service)
    assert await taken(queue) == ["build"]
    router.everything()
    assert await taken(queue) == ["plain"]


def client(labels: dict[str, str], version: int = 1) -> dict[str, Any]:
    """A pod that asks for a daemon."""
    metadata = {"name": "job", "namespace": "ns", "uid": "c", "resourceVersion": str(version), "labels": labels}
    return {"metadata": metadata, "spec": {}}


FIRST, SECOND = "0" * 20, "1" * 20


async def test_a_pod_that_changes_its_id_concerns_both_nested_dockers() -> None:
    queue = WorkQueue()
    router = Router(Cache(), queue)
    router.seen(CLIENT_POD, client({LABEL_INJECTION_ID: FIRST}))
    assert await taken(queue) == [f"injected-{FIRST}"]
    router.seen(CLIENT_POD, client({LABEL_INJECTION_ID: SECOND}, 2))
    assert sorted(await taken(queue)) == [f"injected-{FIRST}", f"injected-{SECOND}"]


async def test_a_pod_that_loses_its_labels_concerns_its_nested_docker() -> None:
    queue = WorkQueue()
    router = Router(Cache(), queue)
    router.seen(CLIENT_POD, client({LABEL_INJECTION_ID: FIRST}))
    await taken(queue)
    router.gone(CLIENT_POD, client({}, 2))
    assert await taken(queue) == [f"injected-{FIRST}"]


async def test_a_namespace_concerns_what_its_pods_ask_for() -> None:
    queue = WorkQueue()
    router = Router(Cache(), queue)
    router.seen(CLIENT_POD, client({LABEL_INJECTION_ID: FIRST}))
    await taken(queue)
    router.seen("Namespace", {"metadata": {"name": "other", "uid": "o", "resourceVersion": "1"}})
    assert await taken(queue) == []
    router.seen("Namespace", {"metadata": {"name": "ns", "uid": "n", "resourceVersion": "1"}})
    assert await taken(queue) == [f"injected-{FIRST}"]


async def test_a_new_leader_reconciles_what_pods_ask_for() -> None:
    queue = WorkQueue()
    router = Router(Cache(), queue)
    router.seen(CLIENT_POD, client({LABEL_INJECTION_ID: FIRST}))
    await taken(queue)
    router.everything()
    assert await taken(queue) == [f"injected-{FIRST}"]


def with_sidecar(name: str, namespace: str = "ns", version: int = 1) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "uid": f"{namespace}/{name}", "resourceVersion": str(version)}
    marks = {"labels": {LABEL_INJECT: "standard"}, "annotations": {ANNOTATION_INJECT_FORM: "Sidecar"}}
    return {"metadata": metadata | marks, "spec": {"initContainers": [{"name": "nested-docker"}]}}


async def test_what_governs_a_sidecar_reaches_its_pod_and_its_node_does_not() -> None:
    queue, sidecars = WorkQueue(), WorkQueue()
    router = Router(Cache(), queue, sidecars=sidecars)
    for namespace in ("ns", "other"):
        router.seen(CLIENT_POD, with_sidecar("job", namespace))
    router.seen(CLIENT_POD, client({LABEL_INJECTION_ID: FIRST}) | {"metadata": {"name": "x", "namespace": "ns"}})
    assert await taken(sidecars) == ["job", "job"]
    router.seen(CLIENT_POD, with_sidecar("job"))
    assert await taken(sidecars) == [], "nothing has changed"
    expected = {"NestedDockerClass": 2, "NestedDockerPolicy": 2, "RuntimeClass": 2, "Node": 0, "Namespace": 1}
    for kind, count in expected.items():
        router.seen(kind, {"metadata": {"name": "ns", "uid": kind, "resourceVersion": "1"}, "spec": {}})
        assert len(await taken(sidecars)) == count, kind
    router.everything()
    assert len(await taken(sidecars)) == 2
    router.gone(CLIENT_POD, with_sidecar("job", version=2))
    await taken(sidecars)
    router.everything()
    assert len(await taken(sidecars)) == 1
