"""A daemon that is ready for the kubelet and out of the operator's reach: the condition says so within seconds."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from tests.integration.world import World
from tests.support.kubelet import FakePod, address, stays_creating
from tests.support.listening import Serve, hang_up, listening, silence

from nested_docker.domain.names import DOCKER_PORT

WITHIN = 25.0
"""Seconds: the operator waits 15, and its last attempt takes up to five."""


class Elsewhere:
    """A daemon that listens elsewhere than its pod's address says."""

    def __init__(self, at: str) -> None:
        self.address = at

    async def stop(self) -> None:
        """Nothing listens."""


CASES = {
    "dropped": (silence, "has not answered /version within 5 s): most likely a NetworkPolicy, a firewall or a service"),
    "closed": (hang_up, "something closes the connection before TLS is agreed on, most likely a service mesh"),
    "refused": (None, "nothing listens there; see kubectl logs build-"),
}


@pytest.mark.parametrize(("serve", "words"), CASES.values(), ids=CASES)
async def test_it_is_said_within_seconds_and_ends_at_once(world: World, serve: Serve | None, words: str) -> None:
    world.kubelet.script(world.namespace, stays_creating)
    at = address()
    async with listening(serve, at, DOCKER_PORT) if serve is not None else nullcontext():
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
