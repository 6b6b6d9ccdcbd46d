"""The fence: no write passes without the lease, and every read does."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.unit.fakes import FakeKube

from nested_docker.controller.leader import NotLeader
from nested_docker.controller.lease_fence import Fenced
from nested_docker.domain.objects import CLIENT_POD
from nested_docker.domain.ports import Kube

POD: dict[str, Any] = {"kind": "Pod", "metadata": {"name": "p", "namespace": "ns"}}
VERSIONED = POD | {"metadata": POD["metadata"] | {"resourceVersion": "1", "finalizers": ["x"]}, "status": {}}
CLIENT: Any = {"name": "p", "namespace": "ns", "uid": f"uid-{CLIENT_POD}-p"}
WRITES: dict[str, Callable[[Fenced], Awaitable[Any]]] = {
    "create": lambda kube: kube.create(POD),
    "apply": lambda kube: kube.apply(POD),
    "apply_status": lambda kube: kube.apply_status(VERSIONED),
    "replace": lambda kube: kube.replace(VERSIONED),
    "set_finalizers": lambda kube: kube.set_finalizers(VERSIONED),
    "remove_scheduling_gate": lambda kube: kube.remove_scheduling_gate(CLIENT, "example.com/gate"),
    "annotate_pod": lambda kube: kube.annotate_pod(CLIENT, "example.com/key", "value"),
    "delete": lambda kube: kube.delete("Pod", "ns", "p", ""),
}
READS: dict[str, Callable[[Fenced], Awaitable[Any]]] = {
    "get": lambda kube: kube.get("Pod", "ns", "p"),
    "list": lambda kube: kube.list("Pod"),
}


def lost() -> None:
    raise NotLeader("the lease is lost")


async def existing() -> FakeKube:
    kube = FakeKube()
    await kube.create(POD)
    await kube.create(POD | {"kind": CLIENT_POD, "spec": {}})
    kube.writes.clear()
    return kube


def test_every_request_is_a_read_or_a_write() -> None:
    methods = {name for name, _ in inspect.getmembers(Kube, inspect.isfunction) if not name.startswith("_")}
    assert methods == WRITES.keys() | READS.keys()


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_without_the_lease_nothing_is_written(write: Callable[[Fenced], Awaitable[Any]]) -> None:
    kube = await existing()
    with pytest.raises(NotLeader):
        await write(Fenced(kube, lost))
    assert kube.writes == []


@pytest.mark.parametrize("write", [name for name in WRITES if name != "create"])
async def test_with_the_lease_it_is(write: str) -> None:
    kube = await existing()
    await WRITES[write](Fenced(kube, lambda: None))
    assert len(kube.writes) == 1


@pytest.mark.parametrize("read", READS.values(), ids=READS)
async def test_reads_need_no_lease(read: Callable[[Fenced], Awaitable[Any]]) -> None:
    assert await read(Fenced(await existing(), lost))
