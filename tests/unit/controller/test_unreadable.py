"""Objects that cannot be read: skipped, reported once, remembered, and nothing else stops."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from tests.support.nesting import DEEP, nested, nested_document, with_managed_fields

from nested_docker.adapters.bounded_json import loads
from nested_docker.controller.cache import Cache
from nested_docker.controller.routing import Router
from nested_docker.controller.unreadable import CAPACITY, UnreadableObjects
from nested_docker.controller.workqueue import WorkQueue


class Recorded:
    """Events about objects."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.unreadable = UnreadableObjects(lambda *event: self.events.append(event))
        self.cache = Cache()
        self.router = Router(self.cache, WorkQueue(), self.unreadable)


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


def manifest(kind: str, name: str = "a", version: int = 1, **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "ns", "uid": f"{name}-uid", "resourceVersion": str(version)}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **fields}


def test_it_is_reported_once_and_otherwise_served(recorded: Recorded, caplog: pytest.LogCaptureFixture) -> None:
    found = loads(with_managed_fields("NestedDocker", "a", managed=nested(DEEP), spec='{"mode": "Dind"}'))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            recorded.router.seen("NestedDocker", found)
    message = "metadata.managedFields is nested too deeply to be read: the operator ignores it; replace it"
    assert [record.getMessage() for record in caplog.records] == [f"NestedDocker a: {message}"]
    reference = {"apiVersion": "v1", "kind": "NestedDocker", "namespace": "ns", "name": "a", "uid": "a-uid"}
    assert recorded.events == [(reference, "Warning", "Unreadable", message)]
    assert recorded.unreadable.counts() == {"NestedDocker": 1}
    stored = recorded.cache.get("NestedDocker", "ns", "a")
    assert stored is not None
    assert stored["spec"] == {"mode": "Dind"}


@pytest.mark.parametrize("depth", [65, 200, 500, 900, 5000])
def test_a_deep_spec_is_kept_to_a_depth(recorded: Recorded, depth: int) -> None:
    for version in (1, 2, 3):
        spec = {"mode": "Dind", "engine": {"config": nested_document(depth)}}
        recorded.router.seen("NestedDocker", manifest("NestedDocker", version=version, spec=spec))
    assert [event[3] for event in recorded.events] == [
        "spec is nested too deeply to be read: the operator ignores it; replace it"
    ]
    stored = recorded.cache.get("NestedDocker", "ns", "a")
    assert stored is not None
    assert str(stored).count("'a':") < 65


@pytest.mark.parametrize(
    ("kind", "broken"),
    [
        ("Secret", manifest("Secret", data={"key": "not base64!"})),
        ("Secret", manifest("Secret", data=[1])),
        ("Pod", manifest("Pod", spec={"containers": [{}]})),
        ("Pod", manifest("Pod", status={"conditions": [{}]})),
        ("Service", manifest("Service") | {"metadata": {"name": "a", "resourceVersion": "x"}}),
        ("Node", manifest("Node") | {"metadata": {"name": "a", "resourceVersion": "x"}}),
        ("NestedDocker", {"metadata": None}),
        ("NestedDocker", {"spec": {}}),
    ],
)
def test_whatever_form_it_has_the_next_one_is_read(recorded: Recorded, kind: str, broken: dict[str, Any]) -> None:
    recorded.router.seen(kind, broken)
    recorded.router.gone("Pod", {"metadata": {}})
    recorded.router.seen("Service", manifest("Service", "b", spec={}))
    assert recorded.unreadable.counts()[kind] >= 1
    assert recorded.cache.get("Service", "ns", "b") is not None


@pytest.mark.parametrize("end", ["read whole", "gone"])
def test_it_is_forgotten_when_it_is_whole_or_gone(recorded: Recorded, end: str) -> None:
    recorded.router.seen("Secret", loads(with_managed_fields("Secret", "a", managed=nested(DEEP))))
    if end == "gone":
        recorded.router.gone("Secret", manifest("Secret", version=2))
    else:
        recorded.router.seen("Secret", manifest("Secret", version=2))
    assert recorded.unreadable.counts() == {}


def test_it_remembers_a_bounded_number(recorded: Recorded) -> None:
    for number in range(CAPACITY + 10):
        recorded.unreadable.add("Secret", manifest("Secret", f"s{number}"), "is broken")
    assert recorded.unreadable.counts() == {"Secret": CAPACITY}
