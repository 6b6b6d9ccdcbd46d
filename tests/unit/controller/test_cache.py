"""The cache and the router: newest wins, nothing secret stays, events reach whom they concern."""

from __future__ import annotations

import base64
from typing import Any

from nested_docker.controller.cache import Cache
from nested_docker.controller.routing import Router
from nested_docker.controller.workqueue import WorkQueue
from nested_docker.domain.names import LABEL_NAME, LABEL_NAMESPACE
from nested_docker.domain.objects import Identity


def obj(name: str, version: int = 1, uid: str = "u", **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "ns", "uid": uid, "resourceVersion": str(version)}
    return {"metadata": metadata | fields.pop("metadata", {}), **fields}


def child(name: str, owner: str, **fields: Any) -> dict[str, Any]:
    return obj(name, **fields) | {"metadata": obj(name, **fields)["metadata"] | {"labels": {LABEL_NAME: owner}}}


def test_an_older_event_changes_nothing() -> None:
    cache = Cache()
    assert cache.put(obj("a", version=5, spec={"x": 2}), "Service")
    assert not cache.put(obj("a", version=4, spec={"x": 1}), "Service")
    assert cache.get("Service", "ns", "a")["spec"] == {"x": 2}


def test_versions_are_numbers() -> None:
    cache = Cache()
    cache.put(obj("a", version=9), "Service")
    assert cache.put(obj("a", version=10, spec={"x": 1}), "Service")


def test_our_own_writes_echo_is_no_news() -> None:
    cache = Cache()
    written = obj("a", version=5, spec={"x": 1})
    cache.put(written, "Service")
    assert not cache.put(written, "Service")


def test_a_change_of_nothing_that_matters_is_no_news() -> None:
    cache = Cache()
    node = {"status": {"conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": "1"}]}}
    cache.put(obj("n", version=1, **node), "Node")
    assert not cache.put(obj("n", version=2, **node), "Node")
    assert cache.governing_version == 1


def test_the_dead_do_not_come_back() -> None:
    cache = Cache()
    cache.put(obj("a", version=1), "Pod")
    cache.remove(obj("a", version=2), "Pod")
    assert not cache.put(obj("a", version=1), "Pod")
    assert not cache.put(obj("a", version=2), "Pod")
    assert cache.put(obj("a", version=3, uid="new"), "Pod")


def test_what_left_our_sight_comes_back() -> None:
    cache = Cache()
    cache.put(child("s", "owner", version=1), "Service")
    cache.remove(child("s", "owner", version=2), "Service")
    assert cache.put(child("s", "owner", version=3), "Service")
    assert Identity("Service", "ns", "s") in cache.children(("ns", "owner"))


async def test_a_changed_label_reaches_the_controller() -> None:
    cache, queue = Cache(), WorkQueue()
    router = Router(cache, queue)
    owned = {"ownerReferences": [{"kind": "NestedDocker", "name": "a", "controller": True}]}
    for version, label in ((1, "a"), (2, "other")):
        service = obj("s", version=version)
        router.seen("Service", service | {"metadata": service["metadata"] | owned | {"labels": {LABEL_NAME: label}}})
        assert await taken(queue) == ["a"]
    assert Identity("Service", "ns", "s") in cache.children(("ns", "a"))


def test_the_end_of_a_predecessor_leaves_its_successor() -> None:
    cache = Cache()
    cache.put(child("p", "owner", uid="old"), "Pod")
    cache.put(child("p", "owner", uid="new", version=2), "Pod")
    cache.remove(child("p", "owner", uid="old"), "Pod")
    assert Identity("Pod", "ns", "p") in cache.children(("ns", "owner"))


def test_children_are_found_by_their_owner() -> None:
    cache = Cache()
    cache.put(child("p", "owner"), "Pod")
    cache.put(child("s", "owner", uid="s"), "Secret")
    assert set(cache.children(("ns", "owner"))) == {Identity("Pod", "ns", "p"), Identity("Secret", "ns", "s")}
    cache.remove(child("p", "owner"), "Pod")
    cache.remove(child("s", "owner", uid="s"), "Secret")
    assert cache.children(("ns", "owner")) == {}


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


def test_nothing_secret_is_kept() -> None:
    cache = Cache()
    secret = obj("s", data={"key.pem": base64.b64encode(b"PRIVATE").decode()})
    cache.put(secret, "Secret")
    kept = str(cache.get("Secret", "ns", "s"))
    assert "PRIVATE" not in kept
    assert secret["data"]["key.pem"] not in kept
    assert "dataDigests" in kept


async def taken(queue: WorkQueue) -> list[str]:
    names = []
    while len(queue):
        key = await queue.get()
        names.append(key[1])
        queue.done(key)
    return names


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
