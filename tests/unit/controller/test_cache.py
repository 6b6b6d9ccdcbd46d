"""The cache: newest wins, and nothing secret stays."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from tests.unit.controller.objects import child, obj

from nested_docker.api.v1alpha1.nested_docker_class import DEFAULT_CLASS_ANNOTATION
from nested_docker.controller.cache import Cache
from nested_docker.domain.effective import OperatorDefaults
from nested_docker.domain.objects import Identity


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


def test_nothing_secret_is_kept() -> None:
    cache = Cache()
    secret = obj("s", data={"key.pem": base64.b64encode(b"PRIVATE").decode()})
    cache.put(secret, "Secret")
    kept = str(cache.get("Secret", "ns", "s"))
    assert "PRIVATE" not in kept
    assert secret["data"]["key.pem"] not in kept
    assert "dataDigests" in kept


NEWS: dict[str, tuple[str, dict[str, Any], bool]] = {
    "a policy's label": ("NestedDockerPolicy", {"labels": {"a": "b"}}, False),
    "a policy's annotation": ("NestedDockerPolicy", {"annotations": {"a": "b"}}, False),
    "a policy's finalizer": ("NestedDockerPolicy", {"finalizers": ["example.com/a"]}, False),
    "a policy's owner": ("NestedDockerPolicy", {"ownerReferences": [{"uid": "1"}]}, False),
    "a class's label": ("NestedDockerClass", {"labels": {"a": "b"}}, False),
    "a class's annotation": ("NestedDockerClass", {"annotations": {"a": "b"}}, False),
    "a class made default": (
        "NestedDockerClass",
        {"annotations": {DEFAULT_CLASS_ANNOTATION: "true"}},
        True,
    ),
    "a RuntimeClass's label": ("RuntimeClass", {"labels": {"a": "b"}}, False),
    "a node's annotation": ("Node", {"annotations": {"a": "b"}}, False),
    "a node's label": ("Node", {"labels": {"a": "b"}}, True),
    "a namespace's annotation": ("Namespace", {"annotations": {"a": "b"}}, False),
    "a namespace's label": ("Namespace", {"labels": {"a": "b"}}, True),
    "a policy's deletion": ("NestedDockerPolicy", {"deletionTimestamp": "2026-03-01T00:00:00Z"}, True),
    "a policy's generation": ("NestedDockerPolicy", {"generation": 2}, True),
}


@pytest.mark.parametrize(("kind", "metadata", "news"), NEWS.values(), ids=NEWS)
def test_of_what_concerns_many_only_changes_that_plans_read_are_news(
    kind: str, metadata: dict[str, Any], news: bool
) -> None:
    cache = Cache()
    before, after = obj("a", version=1), obj("a", version=2)
    cache.put(before, kind)
    version = cache.governing_version
    assert cache.put(after | {"metadata": after["metadata"] | metadata}, kind) == news
    assert (cache.governing_version > version) == (news and kind != "Namespace")


class TestDeparted:
    """The last words of a pod that went before a pass saw them."""

    KEY = ("team-a", "build")

    def cache(self, pod_name: str = "build-1") -> Cache:
        cache = Cache()
        cache.put(self.nested_docker(pod_name, "1"), "NestedDocker")
        cache.put(self.pod("build-1", "2"), "Pod")
        return cache

    @staticmethod
    def nested_docker(pod_name: str, version: str) -> dict[str, Any]:
        metadata = {"name": "build", "namespace": "team-a", "uid": "u", "resourceVersion": version}
        return {"metadata": metadata, "spec": {}, "status": {"podName": pod_name}}

    @staticmethod
    def pod(name: str, version: str, **status: Any) -> dict[str, Any]:
        labels = {"nesteddocker.dev/name": "build"}
        metadata = {"name": name, "namespace": "team-a", "uid": name, "resourceVersion": version, "labels": labels}
        return {"metadata": metadata, "spec": {}, "status": status}

    def test_the_event_of_the_deletion_has_them(self) -> None:
        cache = self.cache()
        cache.remove(self.pod("build-1", "3", reason="Evicted", message="low on memory"), "Pod")
        departed = cache.departed(self.KEY)
        assert departed is not None
        assert departed["status"]["message"] == "low on memory"

    def test_they_go_when_another_pod_or_nothing_is_there(self) -> None:
        for end in ("another", "nothing"):
            cache = self.cache()
            cache.remove(self.pod("build-1", "3"), "Pod")
            cache.put(self.nested_docker("build-1", "4"), "NestedDocker")
            assert cache.departed(self.KEY) is not None
            if end == "another":
                cache.put(self.pod("build-2", "5"), "Pod")
                cache.put(self.nested_docker("build-2", "6"), "NestedDocker")
            else:
                cache.remove(self.nested_docker("build-1", "5"), "NestedDocker")
            assert cache.departed(self.KEY) is None

    def test_only_the_current_pods_are_kept(self) -> None:
        cache = self.cache("build-2")
        cache.put(self.pod("build-2", "3"), "Pod")
        cache.remove(self.pod("build-1", "4"), "Pod")
        assert cache.departed(self.KEY) is None

    @pytest.mark.parametrize("late", [False, True], ids=["its status is not here", "its status comes later"])
    def test_a_pod_that_goes_before_the_status_names_it_has_them(self, late: bool) -> None:
        cache = self.cache("build-0")
        cache.remove(self.pod("build-1", "3", reason="Evicted"), "Pod")
        cache.put(self.nested_docker("build-0", "4"), "NestedDocker")
        if late:
            cache.put(self.nested_docker("build-1", "5"), "NestedDocker")
        departed = cache.departed(self.KEY)
        assert departed is not None
        assert departed["status"]["reason"] == "Evicted"

    def test_a_pod_that_cleans_up_a_node_is_not_the_daemons(self) -> None:
        cache = self.cache()
        cleanup = self.pod("clean", "3")
        cleanup["metadata"] |= {
            "namespace": OperatorDefaults.cleanup_namespace,
            "labels": {"nesteddocker.dev/name": "build", "nesteddocker.dev/namespace": "team-a"},
        }
        cache.put(cleanup, "Pod")
        cache.remove(cleanup, "Pod")
        assert cache.departed(self.KEY) is None
