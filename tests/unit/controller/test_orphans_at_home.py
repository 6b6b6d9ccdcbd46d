"""Orphans: what a NestedDocker leaves when it is deleted without its children, or without its finalizer."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.fakes import FakeKube

from nested_docker.api.v1alpha1 import API_VERSION
from nested_docker.controller.cache import Cache
from nested_docker.controller.orphans import Orphans
from nested_docker.domain import names

KEY = ("team-a", "build")
OWNED = {"kind": "NestedDocker", "name": "build", "uid": "uid-old", "controller": True}


class Cluster(FakeKube):
    """An API server whose watch is as quick as its answers."""

    def __init__(self) -> None:
        super().__init__()
        self.cache = Cache()

    def add(self, kind: str, name: str, uid: str = "uid-old", *owners: dict[str, Any]) -> None:
        labels = names.common_labels("build", uid)
        metadata = {"name": name, "namespace": "team-a", "uid": f"{kind}-{name}", "resourceVersion": "1"}
        obj = {"apiVersion": "v1", "kind": kind, "metadata": metadata | {"labels": labels}}
        obj["metadata"]["ownerReferences"] = [*owners]
        self.objects[kind, "team-a", name] = obj
        self.cache.put(obj, kind)

    def add_nested_docker(self, uid: str) -> None:
        metadata = {"name": "build", "namespace": "team-a", "uid": uid, "resourceVersion": "1"}
        obj = {"apiVersion": API_VERSION, "kind": "NestedDocker", "metadata": metadata, "spec": {}}
        self.objects["NestedDocker", "team-a", "build"] = obj
        self.cache.put(obj, "NestedDocker")

    def bumped(self, kind: str, name: str) -> dict[str, Any]:
        """The metadata of an object, in a newer version."""
        return self.objects[kind, "team-a", name]["metadata"] | {"resourceVersion": "2"}

    def names(self) -> list[str]:
        return sorted(f"{kind}/{name}" for kind, _, name in self.objects if kind != "NestedDocker")


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


ORPHANED = [("Pod", "build-1"), ("Service", "build"), ("Secret", "build-abcde-tls"), ("Secret", "build-docker")]


async def test_an_orphaning_deletion_leaves_nothing_but_the_claim(cluster: Cluster) -> None:
    for kind, name in (*ORPHANED, ("NetworkPolicy", "build"), ("PersistentVolumeClaim", "build-data")):
        cluster.add(kind, name)
    await Orphans(cluster, cluster.cache).collect(KEY)
    assert cluster.names() == ["PersistentVolumeClaim/build-data"]


async def test_an_object_without_our_uid_is_somebody_elses(cluster: Cluster) -> None:
    cluster.add("Secret", "copy")
    del cluster.objects["Secret", "team-a", "copy"]["metadata"]["labels"][names.LABEL_UID]
    cluster.cache.put(
        cluster.objects["Secret", "team-a", "copy"] | {"metadata": cluster.bumped("Secret", "copy")}, "Secret"
    )
    await Orphans(cluster, cluster.cache).collect(KEY)
    assert cluster.names() == ["Secret/copy"]


async def test_a_successor_of_the_same_name_is_no_owner(cluster: Cluster) -> None:
    cluster.add_nested_docker("uid-new")
    for kind, name in ORPHANED:
        cluster.add(kind, name)
    cluster.add("Pod", "build-2", "uid-new")
    await Orphans(cluster, cluster.cache).collect(KEY)
    assert cluster.names() == ["Pod/build-2"]


async def test_a_pod_does_not_wait_for_the_garbage_collector(cluster: Cluster) -> None:
    cluster.add("Pod", "build-1", "uid-old", OWNED)
    cluster.add("Service", "build", "uid-old", OWNED)
    await Orphans(cluster, cluster.cache).collect(KEY)
    assert cluster.names() == ["Service/build"]


async def test_what_a_living_nested_docker_owns_stays(cluster: Cluster) -> None:
    cluster.add_nested_docker("uid-old")
    for kind, name in ORPHANED:
        cluster.add(kind, name, "uid-old", OWNED)
    await Orphans(cluster, cluster.cache).collect(KEY)
    assert len(cluster.names()) == len(ORPHANED)


async def test_a_nested_docker_that_the_watch_has_not_brought_yet_is_looked_up(cluster: Cluster) -> None:
    cluster.add_nested_docker("uid-old")
    cluster.cache.remove(cluster.objects["NestedDocker", "team-a", "build"], "NestedDocker")
    cluster.add("Pod", "build-1", "uid-old", OWNED)
    await Orphans(cluster, cluster.cache).collect(KEY)
    assert cluster.names() == ["Pod/build-1"]
