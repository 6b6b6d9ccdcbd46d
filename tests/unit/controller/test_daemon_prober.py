"""The prober: it asks a daemon until it answers, and tells the queue once."""

from __future__ import annotations

import asyncio

import pytest

from nested_docker.api.v1alpha1.nested_docker import EngineStatus
from nested_docker.controller import daemon_prober
from nested_docker.controller.daemon_prober import DaemonProber
from nested_docker.controller.workqueue import Key
from nested_docker.domain.observed import ProbeResult
from nested_docker.domain.planning.planned import ProbeTarget

KEY = ("team-a", "build")
TARGET = ProbeTarget("uid-pod", 2, "192.0.2.1", "build.team-a.svc")
KEYS = {"ca.pem": b"x"}
ENGINE = EngineStatus(version="28.5.2")


class Starting:
    """A daemon that refuses some connections first."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.asked: list[tuple[object, ...]] = []

    async def ask(self, *arguments: object) -> EngineStatus:
        self.asked.append(arguments)
        if len(self.asked) <= self.refusals:
            raise ConnectionRefusedError
        return ENGINE


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon_prober, "FIRST_DELAY", 0.0)


async def test_it_asks_until_the_daemon_answers() -> None:
    daemon, answered, keys = Starting(3), asyncio.Event(), []

    def note(key: Key) -> None:
        keys.append(key)
        answered.set()

    probe = DaemonProber(daemon, note).start(KEY, TARGET, KEYS)
    assert probe.result is None
    await asyncio.wait_for(answered.wait(), 5)
    assert probe.result == ProbeResult("uid-pod", 2, ENGINE)
    assert daemon.asked == [("192.0.2.1", "build.team-a.svc", KEYS)] * 4
    assert keys == [KEY]


async def test_a_cancelled_probe_says_nothing() -> None:
    keys: list[Key] = []
    probe = DaemonProber(Starting(10**9), keys.append).start(KEY, TARGET, KEYS)
    await asyncio.sleep(0)
    probe.cancel()
    await asyncio.sleep(0.01)
    assert (probe.result, keys) == (None, [])
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("probe ")]
