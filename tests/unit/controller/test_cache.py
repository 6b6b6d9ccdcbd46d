"""The cache: newest wins, and nothing secret stays."""

from __future__ import annotations

import base64

from tests.unit.controller.objects import child, obj

from nested_docker.controller.cache import Cache
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
