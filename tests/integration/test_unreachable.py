"""A daemon that is ready for the kubelet and out of the operator's reach: the condition says so within seconds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext

import pytest
from tests.integration.world import World
from tests.support.kubelet import FakePod, address, stays_creating
from tests.support.listening import dropping, hang_up, listening, silence

from nested_docker.domain.names import DOCKER_PORT

WITHIN = 25.0
"""Seconds: the operator waits 15, and its last attempt takes up to five."""


class Elsewhere:
    """A daemon that listens elsewhere than its pod's address says."""

    def __init__(self, at: str) -> None:
        self.address = at

    async def stop(self) -> None:
        """Nothing listens."""


Opened = Callable[[str], AbstractAsyncContextManager[int | None]]
"""Does something at an address, until its end."""

CASES: dict[str, tuple[Opened, str]] = {
    "dropped": (
        lambda at: dropping(at, DOCKER_PORT),
        "has not answered /version within 5 s): most likely a NetworkPolicy, a firewall or a service",
    ),
    "silent": (
        lambda at: listening(silence, at, DOCKER_PORT),
        "has not answered /version within 5 s): the connection is accepted, so most likely the pod's node",
    ),
    "closed": (
        lambda at: listening(hang_up, at, DOCKER_PORT),
        "something closes the connection before TLS is agreed on, most likely a service mesh",
    ),
    "refused": (lambda _: nullcontext(), "nothing listens there; see kubectl logs build-"),
}


@pytest.mark.parametrize(("opened", "words"), CASES.values(), ids=CASES)
async def test_it_is_said_within_seconds_and_ends_at_once(world: World, opened: Opened, words: str) -> None:
    world.kubelet.script(world.namespace, stays_creating)
    at = address()
    async with opened(at):
        await world.create()
        pod: FakePod = await world.pod()
        pod.dockerd = Elsewhere(at)  # type: ignore[assignment]  # only its address and its end are used
        await pod.running(ready=True)
        message = await world.settles("DaemonUnreachable", timeout=WITHIN)
    assert message.startswith("the daemon runs, but for 15 s it has not answered the operator over TLS (https://127.")
    assert words in message
    await world.until_condition({"status": "True", "reason": "DaemonUnreachable"}, "Reconciling")
    pod.dockerd = None
    await pod.listen()
    await pod.running(ready=True)
    await world.ready(timeout=WITHIN)
