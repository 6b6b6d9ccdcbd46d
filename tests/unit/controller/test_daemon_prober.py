"""Probes go on after each failure that a daemon can cause, and stop when they are cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from tests.unit.fakes import FakeClock

from nested_docker.api.v1alpha1.nested_docker import EngineStatus
from nested_docker.controller import daemon_prober
from nested_docker.controller.daemon_prober import DaemonProber
from nested_docker.controller.workqueue import Key
from nested_docker.docker_api.errors import AnswerTooLargeError, DockerApiError
from nested_docker.domain.observed import ProbeError, ProbeResult
from nested_docker.domain.planning.planned import ProbeTarget
from nested_docker.domain.status.conditions import timestamp

KEY = ("team-a", "build")
KEYS = {"ca.pem": b"x"}
CLOCK = FakeClock()


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
    probe = DaemonProber(daemons, answered.put_nowait, CLOCK.now).start(KEY, target(), KEYS)
    assert await asyncio.wait_for(answered.get(), 5) == KEY
    assert daemons.asked == 5
    assert daemons.last == ("10.0.0.1", "build.team-a.svc", KEYS)
    assert probe.result == ProbeResult("uid", 0, EngineStatus(version="28"), timestamp(CLOCK.now()))
    assert answered.empty()


async def test_every_failure_is_counted_and_retried(caplog: pytest.LogCaptureFixture) -> None:
    failures = [DockerApiError("a"), RecursionError(), KeyError("b"), AttributeError("c"), TimeoutError(), ValueError()]
    daemons, counted, answered = Daemons(*failures), list[str](), asyncio.Event()
    probe = DaemonProber(daemons, lambda _key: answered.set(), CLOCK.now, counted.append).start(KEY, target(), {})
    await asyncio.wait_for(answered.wait(), 5)
    assert counted == [type(failure).__name__ for failure in failures]
    assert probe.result is not None
    defects = [record for record in caplog.records if record.getMessage().startswith("a defect in the operator")]
    assert len(defects) == 4


async def test_a_cancelled_probe_asks_no_more() -> None:
    daemons = Daemons(*[DockerApiError("no")] * 1000)
    probe = DaemonProber(daemons, lambda _key: None, CLOCK.now).start(KEY, target(), {})
    await asyncio.sleep(0.05)
    probe.cancel()
    await asyncio.sleep(0)
    asked = daemons.asked
    await asyncio.sleep(0.05)
    assert daemons.asked == asked > 0
    assert probe.result is None


class Report:
    """A daemon whose attempts end one by one, each at a moment that a test sets."""

    def __init__(self) -> None:
        self.seconds, self.news = 0.0, 0
        self._attempts: asyncio.Queue[Exception | None] = asyncio.Queue()
        self.probe = DaemonProber(self, self._count, CLOCK.now, monotonic=lambda: self.seconds).start(
            KEY, target(), KEYS
        )

    async def ask(self, *_: object) -> EngineStatus:
        error = await self._attempts.get()
        if error is not None:
            raise error
        return EngineStatus(version="28")

    async def at(self, seconds: float, error: Exception | None) -> tuple[int, str]:
        """An attempt ends at that moment: how often there was news, and the failure's text."""
        self.seconds = seconds
        self._attempts.put_nowait(error)
        await asyncio.sleep(0.03)
        return self.news, self.probe.failure.error if self.probe.failure else ""

    def _count(self, _key: Key) -> None:
        self.news += 1


async def test_a_failure_that_lasts_is_reported_once_and_another_one_not_at_once() -> None:
    report, refused, other = Report(), DockerApiError("refused"), DockerApiError("other\x1b" + "x" * 1000)
    assert await report.at(0, refused) == (0, "")
    assert await report.at(14.9, refused) == (0, "")
    assert await report.at(15, refused) == (1, "refused")
    assert await report.at(16, refused) == (1, "refused")
    assert await report.at(29, other) == (1, "refused")
    assert await report.at(31, refused) == (1, "refused")
    news, text = await report.at(32, other)
    assert (news, text[:7], len(text)) == (2, "other\N{REPLACEMENT CHARACTER}x", 501)
    report.probe.cancel()


async def test_an_answer_ends_the_failure() -> None:
    report = Report()
    assert await report.at(20, ConnectionRefusedError(111, "Connection refused")) == (
        1,
        "[Errno 111] Connection refused",
    )
    assert report.probe.failure is not None
    assert (report.probe.failure.kind, report.probe.failure.seconds) == (ProbeError.REFUSED, 15.0)
    assert await report.at(21, None) == (2, "")
    assert report.probe.result is not None


async def test_a_defect_is_reported_too() -> None:
    report = Report()
    assert await report.at(16, KeyError("Version")) == (1, "'Version'")
    report.probe.cancel()


@pytest.mark.parametrize(
    ("ready_since", "time"),
    [
        ("", "2026-03-01T00:00:00Z"),
        ("2026-02-28T23:59:00Z", "2026-03-01T00:00:00Z"),
        ("2026-03-01T00:00:09Z", "2026-03-01T00:00:09Z"),
    ],
    ids=["not ready", "ready for long", "ready, by a clock that is ahead"],
)
async def test_an_answer_has_its_time(ready_since: str, time: str) -> None:
    answered = asyncio.Event()
    probe = DaemonProber(Daemons(), lambda _key: answered.set(), CLOCK.now).start(KEY, target(ready_since), {})
    await asyncio.wait_for(answered.wait(), 5)
    assert probe.result is not None
    assert probe.result.mark() == f"uid/0/{time}"


def target(ready_since: str = "") -> ProbeTarget:
    return ProbeTarget("uid", 0, "10.0.0.1", "build.team-a.svc", ready_since)
