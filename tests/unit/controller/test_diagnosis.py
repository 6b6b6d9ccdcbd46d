"""The kubelet's latest warning about a pod: when it is read, and whether it is news."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.factory import HOME, OWNER, observed
from tests.unit.fakes import FakeClock, FakeKube

from nested_docker.controller.diagnosis import DIAGNOSE_INTERVAL, Diagnoser
from nested_docker.controller.session import Session
from nested_docker.domain.objects import Identity, child
from nested_docker.domain.observed import Observed


class Events(FakeKube):
    """An API server with Events about pods."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.events: list[dict[str, Any]] = []

    async def list(self, kind: str, namespace: str | None = None, *, labels: str = "", fields: str = "") -> Any:
        assert (kind, namespace, labels) == ("CoreEvent", "team-a", "")
        self.asked.append(fields)
        return self.events


@pytest.fixture
def kube() -> Events:
    return Events()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def diagnoser(kube: Events, clock: FakeClock) -> Diagnoser:
    return Diagnoser(kube, clock)


def pods(*uids: str) -> Observed:
    children = {}
    for uid in uids:
        pod = child("v1", HOME.pod(uid), OWNER)
        pod["metadata"]["uid"] = uid
        children[Identity.of(pod)] = pod
    return observed(children=children)


async def test_without_a_pod_nothing_is_read(diagnoser: Diagnoser, kube: Events) -> None:
    assert not await diagnoser.diagnose(Session(), pods(), "")
    assert kube.asked == []


async def test_the_latest_warning_counts(diagnoser: Diagnoser, kube: Events) -> None:
    session = Session()
    kube.events = [
        {"message": "first", "lastTimestamp": "2026-03-01T12:00:00Z"},
        {"message": "last", "lastTimestamp": None, "eventTime": "2026-03-01T12:00:02Z"},
        {"message": "second", "lastTimestamp": "2026-03-01T12:00:01Z"},
    ]
    assert await diagnoser.diagnose(session, pods("11111"), "11111")
    assert session.diagnosis is not None
    assert session.diagnosis.text == "last"
    assert kube.asked == ["involvedObject.uid=11111,type=Warning"]


async def test_no_warning_is_no_news(diagnoser: Diagnoser) -> None:
    session = Session()
    assert not await diagnoser.diagnose(session, pods("11111"), "11111")
    assert session.diagnosis is not None
    assert session.diagnosis.text == ""


async def test_it_is_not_read_too_often(diagnoser: Diagnoser, kube: Events, clock: FakeClock) -> None:
    session = Session()
    kube.events = [{"message": "one", "lastTimestamp": "1"}]
    assert await diagnoser.diagnose(session, pods("11111"), "11111")
    kube.events = [{"message": "other", "lastTimestamp": "2"}]
    clock.seconds = DIAGNOSE_INTERVAL.total_seconds() - 1
    assert not await diagnoser.diagnose(session, pods("11111"), "11111")
    clock.seconds += 1
    assert await diagnoser.diagnose(session, pods("11111"), "11111")
    clock.seconds += DIAGNOSE_INTERVAL.total_seconds()
    assert not await diagnoser.diagnose(session, pods("11111"), "11111"), "the same warning again"
    assert len(kube.asked) == 3


async def test_another_pod_is_read_at_once(diagnoser: Diagnoser, kube: Events) -> None:
    session = Session()
    kube.events = [{"message": "one", "lastTimestamp": "1"}]
    assert await diagnoser.diagnose(session, pods("11111", "22222"), "11111")
    assert await diagnoser.diagnose(session, pods("11111", "22222"), "22222")
    assert session.diagnosis is not None
    assert session.diagnosis.pod_uid == "22222"
