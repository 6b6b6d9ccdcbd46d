"""The watch of pods that ask for daemons goes on for ever, and misses no deletion."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.unit.domain.injection.pods import pod
from tests.unit.fakes import WatchedKube, taken

from nested_docker.controller import client_pod_watch
from nested_docker.controller.client_pod_watch import ClientPodWatch
from nested_docker.controller.resync import Resync
from nested_docker.controller.routing import Router
from nested_docker.controller.workqueue import WorkQueue
from nested_docker.domain.names import LABEL_INJECT, LABEL_INJECTION_ID
from nested_docker.domain.objects import CLIENT_POD
from nested_docker.domain.ports import KubeError, WatchEvent

ID = "0123456789abcdef0123"


def client(version: int = 1, **status: Any) -> dict[str, Any]:
    made = pod(labels={LABEL_INJECT: "standard", LABEL_INJECTION_ID: ID})
    identity = {"name": "job", "uid": "u", "resourceVersion": str(version)}
    return made | {"metadata": made["metadata"] | identity, "status": status}


class Watched:
    """Watches, each of which brings what a test has given, and then ends or fails; `kube` has their objects too."""

    def __init__(self, kube: WatchedKube, *watches: list[WatchEvent] | KubeError) -> None:
        self.kube, self.watches, self.asked = kube, [*watches], []
        self.over = asyncio.Event()

    async def watch(self, kind: str, namespace: str | None = None, *, labels: str = "") -> AsyncIterator[WatchEvent]:
        self.asked.append((kind, namespace, labels))
        if not self.watches:
            self.over.set()
            await asyncio.Event().wait()
        found = self.watches.pop(0)
        if isinstance(found, KubeError):
            raise found
        for event in found:
            location = (CLIENT_POD, "team-a", event.obj["metadata"]["name"])
            self.kube.objects[location] = event.obj
            if event.gone:
                del self.kube.objects[location]
            yield event


async def watched(
    *watches: list[WatchEvent] | KubeError, kube: WatchedKube | None = None
) -> tuple[WatchedKube, list[str]]:
    """The cache after all watches, and the names that were queued."""
    kube, queue = kube or WatchedKube(), WorkQueue()
    source = Watched(kube, *watches)
    router = Router(kube.cache, queue)
    watch = ClientPodWatch(source, router, Resync(kube, kube.cache, router, []), [])
    running = asyncio.create_task(watch.run())
    await asyncio.wait_for(source.over.wait(), 10)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert set(source.asked) == {(CLIENT_POD, None, "nesteddocker.dev/inject")}
    return kube, await taken(queue)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_pod_watch, "FIRST_WAIT", 0.0)


async def test_a_pod_and_its_changes_concern_one_nested_docker() -> None:
    kube, queued = await watched([WatchEvent(client()), WatchEvent(client(2, phase="Succeeded"))])
    assert queued == [f"injected-{ID}"]
    found = kube.cache.get(CLIENT_POD, "team-a", "job")
    assert found is not None
    assert found["status"] == {"phase": "Succeeded"}


async def test_a_pod_that_is_gone_concerns_it_too() -> None:
    kube, queued = await watched([WatchEvent(client()), WatchEvent(client(2), gone=True)])
    assert kube.cache.get(CLIENT_POD, "team-a", "job") is None
    assert queued == [f"injected-{ID}"]


async def test_a_deletion_between_two_watches_is_found() -> None:
    kube = WatchedKube()
    kube.cache.put(client(), CLIENT_POD)
    await watched([], kube=kube)
    assert kube.cache.get(CLIENT_POD, "team-a", "job") is None


@pytest.mark.parametrize("status", [0, 410, 429, 500])
async def test_a_failed_watch_is_repeated(status: int, caplog: pytest.LogCaptureFixture) -> None:
    kube = WatchedKube()
    kube.objects[CLIENT_POD, "team-a", "job"] = client()
    kube, _ = await watched(KubeError(status, "Failed", "the line was cut"), [WatchEvent(client())], kube=kube)
    assert kube.cache.get(CLIENT_POD, "team-a", "job") is not None
    assert "the watch of pods that ask for daemons is repeated in 0 s" in caplog.text


async def test_a_pod_without_an_id_concerns_none() -> None:
    other = client()
    other["metadata"]["labels"] = {LABEL_INJECT: "standard", LABEL_INJECTION_ID: "../../x"}
    _, queued = await watched([WatchEvent(other)])
    assert queued == []
