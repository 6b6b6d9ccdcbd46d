"""Sessions: the one memory per NestedDocker, and that nothing of it stays when it is not needed."""

from __future__ import annotations

import asyncio

from tests.unit.fakes import FakeClock

from nested_docker.api.v1alpha1.nested_docker import EngineStatus
from nested_docker.controller.daemon_prober import DaemonProber
from nested_docker.controller.session import Sessions
from nested_docker.domain.objects import Identity
from nested_docker.domain.planning.planned import ProbeTarget

KEY = ("team-a", "build")
TARGET = ProbeTarget("uid-pod", 0, "192.0.2.1", "build.team-a.svc")


class Refusing:
    """Daemons that refuse every connection."""

    async def ask(self, *_: object) -> EngineStatus:
        raise ConnectionRefusedError


def probes() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("probe ")]


def test_a_session_without_memory_is_dropped() -> None:
    sessions = Sessions()
    assert sessions.of(KEY) is sessions.of(KEY)
    sessions.prune(KEY)
    assert not sessions._by_key
    sessions.of(KEY).failures = 1
    sessions.prune(KEY)
    assert sessions.of(KEY).failures == 1


async def test_a_reset_stops_the_probe_and_keeps_the_failures() -> None:
    sessions = Sessions()
    session = sessions.of(KEY)
    session.keys, session.failures = {"ca.pem": b"x"}, 3
    session.rejected = frozenset({Identity("Pod", "team-a", "build-1")})
    session.probe = DaemonProber(Refusing(), lambda _key: None, FakeClock().now).start(KEY, TARGET, {})
    assert probes() == ["probe team-a/build"]
    session.reset()
    await asyncio.sleep(0)
    assert probes() == []
    assert (session.keys, session.rejected, session.probe, session.failures) == (None, frozenset(), None, 3)


async def test_a_replica_that_resigns_stops_every_probe() -> None:
    sessions, prober = Sessions(), DaemonProber(Refusing(), lambda _key: None, FakeClock().now)
    for name in ("a", "b"):
        sessions.of(("team-a", name)).probe = prober.start(("team-a", name), TARGET, {})
    sessions.stop_probes()
    await asyncio.sleep(0)
    assert probes() == []
