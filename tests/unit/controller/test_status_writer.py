"""The status writer: one write per change, and an Event for each step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.support.factory import observed
from tests.unit.fakes import KEY, WatchedKube

from nested_docker.api.meta import Condition, Status
from nested_docker.api.v1alpha1 import NestedDockerStatus
from nested_docker.controller.outcome import Gone, Written
from nested_docker.controller.status_writer import StatusWriter
from nested_docker.domain.ports import KubeError
from nested_docker.domain.status.reasons import Reason, Type

READY = NestedDockerStatus(
    conditions=[
        Condition(
            type=Type.READY,
            status=Status.TRUE,
            reason=Reason.READY,
            message="clients can connect",
            last_transition_time="2026-03-01T12:00:00Z",
        )
    ]
)


class Recorded:
    """The Events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []

    def record(self, regarding: Mapping[str, Any], type_: str, reason: str, message: str) -> None:
        assert (regarding["kind"], regarding["name"], regarding["namespace"]) == ("NestedDocker", "build", "team-a")
        self.events.append((type_, reason, message))


@pytest.fixture
def kube() -> WatchedKube:
    kube = WatchedKube()
    kube.put("NestedDocker", *KEY)
    kube.writes.clear()
    return kube


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()


@pytest.fixture
def writer(kube: WatchedKube, recorded: Recorded) -> StatusWriter:
    return StatusWriter(kube, kube.cache, recorded)


async def test_an_unchanged_status_is_not_written(writer: StatusWriter, kube: WatchedKube) -> None:
    assert await writer.write(observed(), None) == Written()
    assert kube.writes == []


async def test_the_answer_is_in_the_cache_and_the_step_is_reported(
    writer: StatusWriter, kube: WatchedKube, recorded: Recorded
) -> None:
    assert await writer.write(observed(), READY) == Written()
    assert kube.writes == ["status NestedDocker/build"]
    cached = kube.cache.get("NestedDocker", *KEY)
    assert cached is not None
    assert cached["status"] == READY.dump()
    assert recorded.events == [("Normal", "Ready", "clients can connect")]
    await writer.write(observed(status=READY), READY)
    assert len(recorded.events) == 1


async def test_a_nested_docker_that_is_gone(writer: StatusWriter, kube: WatchedKube, recorded: Recorded) -> None:
    kube.vanish()
    assert isinstance(await writer.write(observed(), READY), Gone)
    assert recorded.events == []


async def test_what_may_succeed_later_is_raised_and_not_reported(
    writer: StatusWriter, kube: WatchedKube, recorded: Recorded
) -> None:
    kube.failure = KubeError(500, "InternalError", "try later")
    with pytest.raises(KubeError, match="try later"):
        await writer.write(observed(), READY)
    assert recorded.events == []
