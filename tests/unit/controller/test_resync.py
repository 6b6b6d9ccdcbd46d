"""The resync: it finds what the watches have missed."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.unit.fakes import FakeKube, taken

from nested_docker.controller.cache import Cache
from nested_docker.controller.resync import Resync
from nested_docker.controller.routing import Router
from nested_docker.controller.workqueue import WorkQueue
from nested_docker.domain import names
from nested_docker.domain.objects import CLIENT_POD
from nested_docker.domain.ports import KubeError

ID = "0123456789abcdef0123"
LABELS = {
    "Service": {names.MANAGED_BY: names.OPERATOR, names.LABEL_NAME: "build"},
    CLIENT_POD: {names.LABEL_INJECT: "standard", names.LABEL_INJECTION_ID: ID},
}


class Around:
    """A resync, and what is around it."""

    def __init__(self, *namespaces: str) -> None:
        self.kube, self.cache, self.queue = FakeKube(), Cache(), WorkQueue()
        self.router = Router(self.cache, self.queue)
        self.resync = Resync(self.kube, self.cache, self.router, namespaces, injection=True)

    async def create(self, kind: str, namespace: str, name: str, *, seen: bool = True) -> dict[str, Any]:
        labels = LABELS.get(kind, {})
        metadata = {"name": name, "namespace": namespace, "labels": labels}
        made = await self.kube.create({"kind": kind, "metadata": metadata, "spec": {}})
        if seen:
            self.router.seen(kind, made)
        return made


@pytest.mark.parametrize("namespaces", [(), ("team-a",)])
async def test_what_the_watch_has_brought_is_no_news(namespaces: tuple[str, ...]) -> None:
    around = Around(*namespaces)
    await around.create("NestedDocker", "team-a", "build")
    await around.create("Service", "team-a", "build")
    await taken(around.queue)
    await around.resync.once()
    assert await taken(around.queue) == []


@pytest.mark.parametrize("kind", ["NestedDocker", "Service"])
async def test_a_missed_object_is_found(kind: str) -> None:
    around = Around()
    await around.create(kind, "team-a", "build", seen=False)
    await around.resync.once()
    assert await taken(around.queue) == ["build"]
    assert around.cache.get(kind, "team-a", "build") is not None


@pytest.mark.parametrize("kind", ["NestedDocker", "Service"])
async def test_a_missed_deletion_is_found(kind: str) -> None:
    around = Around()
    made = await around.create(kind, "team-a", "build")
    await taken(around.queue)
    await around.kube.delete(kind, "team-a", "build", made["metadata"]["uid"])
    await around.resync.once()
    assert await taken(around.queue) == ["build"]
    assert around.cache.get(kind, "team-a", "build") is None


@pytest.mark.parametrize("removed", [False, True], ids=["stored", "removed"])
async def test_objects_that_a_restored_etcd_made_older_are_taken(
    removed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    around = Around()
    old = copy.deepcopy(await around.create("NestedDocker", "team-a", "build"))
    newer = old | {"metadata": old["metadata"] | {"resourceVersion": "1000"}, "spec": {"suspend": True}}
    around.router.seen("NestedDocker", newer)
    if removed:
        around.router.gone("NestedDocker", newer)
    await taken(around.queue)
    await around.resync.once()
    assert await taken(around.queue) == ["build"]
    found = around.cache.get("NestedDocker", "team-a", "build")
    assert found is not None
    assert found["spec"] == {}
    assert "1 of kind NestedDocker are older than before: etcd was probably restored" in caplog.text


async def test_a_change_that_the_watch_brings_during_the_list_stays(caplog: pytest.LogCaptureFixture) -> None:
    around = Around()
    old = copy.deepcopy(await around.create("NestedDocker", "team-a", "build"))
    newer = old | {"metadata": old["metadata"] | {"resourceVersion": "1000"}, "spec": {"suspend": True}}
    lists = around.kube.list

    async def list_and_change(kind: str, *rest: Any, **more: Any) -> list[dict[str, Any]]:
        listed = await lists(kind, *rest, **more)
        if kind == "NestedDocker":
            around.router.seen("NestedDocker", newer)
        return listed

    around.kube.list = list_and_change  # type: ignore[method-assign]
    await around.resync.once()
    found = around.cache.get("NestedDocker", "team-a", "build")
    assert found is not None
    assert found["spec"] == {"suspend": True}
    assert "older" not in caplog.text


async def test_other_namespaces_are_not_compared() -> None:
    around = Around("team-a")
    await around.create("NestedDocker", "team-b", "build")
    await taken(around.queue)
    around.kube.objects.clear()
    await around.resync.once()
    assert around.cache.get("NestedDocker", "team-b", "build") is not None


async def test_a_failure_is_left_to_the_next_time(caplog: pytest.LogCaptureFixture) -> None:
    around = Around()
    around.kube.failure = KubeError(500, "InternalError", "try later")
    calls = 0
    once = around.resync.once

    async def twice() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise RuntimeError("enough")
        await once()

    around.resync.once = twice  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="enough"):
        await around.resync.run(0)
    assert "try later" in caplog.text


async def test_pods_that_ask_for_daemons_are_compared_too() -> None:
    around = Around("team-a")
    made = await around.create(CLIENT_POD, "team-a", "job", seen=False)
    await around.create(CLIENT_POD, "team-b", "job", seen=False)
    await around.resync.once()
    assert await taken(around.queue) == [f"injected-{ID}"]
    await around.kube.delete(CLIENT_POD, "team-a", "job", made["metadata"]["uid"])
    await around.resync.once()
    assert await taken(around.queue) == [f"injected-{ID}"]


async def test_without_injection_no_pods_are_listed() -> None:
    around = Around()
    await around.create(CLIENT_POD, "team-a", "job", seen=False)
    await Resync(around.kube, around.cache, around.router, []).once()
    assert around.cache.get(CLIENT_POD, "team-a", "job") is None
