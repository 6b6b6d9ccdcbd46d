"""Probes go on after each failure that a daemon can cause, and stop when they are cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from nested_docker.api.v1alpha1.nested_docker import EngineStatus
from nested_docker.controller import daemon_prober
from nested_docker.controller.daemon_prober import DaemonProber
from nested_docker.controller.workqueue import Key
from nested_docker.docker_api.errors import AnswerTooLargeError, DockerApiError
from nested_docker.domain.observed import ProbeResult
from nested_docker.domain.planning.planned import ProbeTarget

KEY = ("team-a", "build")
KEYS = {"ca.pem": b"x"}


class Daemons:
    """Daemons that fail in turn, and answer when no failure is left."""

    def __init__(self, *failures: Exception) -> None:
        self._failures = list(failures)
        self.asked = 0
        self.last: tuple[object, ...] = ()

    async def ask(self, address: str, server_name: str, keys: Mapping[str, bytes]) -> EngineStatus:
        self.asked, self.last = self.asked + 1, (address, server_name, keys)
        if self._failures:
            raise self._failures.pop(0)
        return EngineStatus(version="28")


@pytest.fixture(autouse=True)
def _without_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon_prober, "FIRST_DELAY", 0.01)
    monkeypatch.setattr(daemon_prober, "LAST_DELAY", 0.02)


async def test_a_probe_goes_on_until_the_daemon_gives_a_usable_answer() -> None:
    daemons = Daemons(ConnectionRefusedError(), DockerApiError("no JSON"), AnswerTooLargeError("large"), TimeoutError())
    answered: asyncio.Queue[Key] = asyncio.Queue()
    probe = DaemonProber(daemons, answered.put_nowait).start(KEY, target(), KEYS)
    assert await asyncio.wait_for(answered.get(), 5) == KEY
    assert daemons.asked == 5
    assert daemons.last == ("10.0.0.1", "build.team-a.svc", KEYS)
    assert probe.result == ProbeResult("uid", 0, EngineStatus(version="28"))
    assert answered.empty()


async def test_every_failure_is_counted_and_retried(caplog: pytest.LogCaptureFixture) -> None:
    failures = [DockerApiError("a"), RecursionError(), KeyError("b"), AttributeError("c"), TimeoutError(), ValueError()]
    daemons, counted, answered = Daemons(*failures), list[str](), asyncio.Event()
    probe = DaemonProber(daemons, lambda _key: answered.set(), counted.append).start(KEY, target(), {})
    await asyncio.wait_for(answered.wait(), 5)
    assert counted == [type(failure).__name__ for failure in failures]
    assert probe.result is not None
    defects = [record for record in caplog.records if record.getMessage().startswith("a defect in the operator")]
    assert len(defects) == 4


async def test_a_cancelled_probe_asks_no_more() -> None:
    daemons = Daemons(*[DockerApiError("no")] * 1000)
    probe = DaemonProber(daemons, lambda _key: None).start(KEY, target(), {})
    await asyncio.sleep(0.05)
    probe.cancel()
    await asyncio.sleep(0)
    asked = daemons.asked
    await asyncio.sleep(0.05)
    assert daemons.asked == asked > 0
    assert probe.result is None


def target() -> ProbeTarget:
    return ProbeTarget(address="10.0.0.1", server_name="build.team-a.svc", pod_uid="uid", restarts=0)
