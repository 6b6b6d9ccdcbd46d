"""What somebody changes or deletes is put back, at once."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.integration.world import World

LIMIT = 5.0
"""Seconds; a second is meant, and what was measured is printed."""

Step = Callable[[World], Awaitable[Any]]
STRANGE = "c3RyYW5nZQ=="


def edit(kind: str, name: str, change: dict[str, Any]) -> Step:
    return lambda world: world.api.patch(kind, world.namespace, name, change)


def delete(kind: str, name: str) -> Step:
    return lambda world: world.api.delete(kind, world.namespace, name)


def label(value: str | None) -> dict[str, Any]:
    return {"metadata": {"labels": {"nesteddocker.dev/name": value}}}


def edit_keys(change: dict[str, Any]) -> Step:
    async def step(world: World) -> None:
        await world.api.patch("Secret", world.namespace, (await world.key_secret())["metadata"]["name"], change)

    return step


KEPT = {
    "Service deleted": delete("Service", "build"),
    "Service's selector": edit("Service", "build", {"spec": {"selector": {"nesteddocker.dev/key-set": "x"}}}),
    "Service's ports": edit("Service", "build", {"spec": {"ports": [{"name": "docker-tls", "port": 2375}]}}),
    "Service's readiness": edit("Service", "build", {"spec": {"publishNotReadyAddresses": False}}),
    "Service's owner": edit("Service", "build", {"metadata": {"ownerReferences": []}}),
    "NetworkPolicy deleted": delete("NetworkPolicy", "build"),
    "NetworkPolicy opened": edit("NetworkPolicy", "build", {"spec": {"ingress": [{}]}}),
    "NetworkPolicy for other pods": edit(
        "NetworkPolicy", "build", {"spec": {"podSelector": {"matchLabels": {"a": "b"}}}}
    ),
    "files Secret deleted": delete("Secret", "build-docker"),
    "files Secret's key": edit("Secret", "build-docker", {"data": {"key.pem": STRANGE}}),
    "files Secret without a key": edit("Secret", "build-docker", {"data": {"ca.pem": None}}),
    "files Secret's mark": edit(
        "Secret", "build-docker", {"metadata": {"annotations": {"nesteddocker.dev/probed": "x"}}}
    ),
    "env Secret deleted": delete("Secret", "build-docker-env"),
    "env Secret's host": edit("Secret", "build-docker-env", {"data": {"DOCKER_HOST": STRANGE}}),
    "Service's name label": edit("Service", "build", label("other")),
    "Service's managed-by label": edit(
        "Service", "build", {"metadata": {"labels": {"app.kubernetes.io/managed-by": None}}}
    ),
    "files Secret's managed-by label": edit(
        "Secret", "build-docker", {"metadata": {"labels": {"app.kubernetes.io/managed-by": "me"}}}
    ),
    "tls Secret's name label": edit_keys(label(None)),
    "tls Secret's revision": edit_keys({"metadata": {"annotations": {"nesteddocker.dev/revision": None}}}),
}
"""Drift that costs nobody the daemon."""


def on_pod(act: Callable[[World, str], Awaitable[Any]]) -> Step:
    async def step(world: World) -> None:
        await act(world, (await world.status())["podName"])

    return step


async def delete_keys(world: World) -> None:
    await world.api.delete("Secret", world.namespace, (await world.key_secret())["metadata"]["name"])


RENEWED = {
    "tls Secret deleted": delete_keys,
    "tls Secret's key": edit_keys({"data": {"server-key.pem": STRANGE}}),
    "tls Secret without a key": edit_keys({"data": {"client-key.pem": None}}),
    "tls Secret's digest": edit_keys({"metadata": {"annotations": {"nesteddocker.dev/data-digest": "x"}}}),
    "pod deleted": on_pod(lambda world, pod: world.api.delete("Pod", world.namespace, pod)),
    "pod's image": on_pod(
        lambda world, pod: world.api.patch(
            "Pod",
            world.namespace,
            pod,
            [{"op": "replace", "path": "/spec/containers/0/image", "value": "evil:1"}],
            type_="application/json-patch+json",
        )
    ),
}
"""Drift after which key set and pod are new."""


@pytest.mark.parametrize("drift", KEPT.values(), ids=KEPT)
async def test_is_put_back(world: World, drift: Step) -> None:
    await world.create()
    await world.ready()
    await world.quiet(0.3)
    expected, pod = await world.snapshot(), (await world.status())["podName"]
    await drift(world)
    started = time.monotonic()

    async def as_before() -> bool:
        assert await world.snapshot() == expected
        return True

    await world.until(as_before, "everything as it was", LIMIT)
    told(started)
    assert (await world.status())["podName"] == pod
    await world.check_consistency()
    writes = await world.quiet(0.3)
    assert len(writes) <= 8 + 5, writes


@pytest.mark.parametrize("drift", RENEWED.values(), ids=RENEWED)
async def test_is_renewed(world: World, drift: Step) -> None:
    await world.create()
    before = (await world.ready())["podName"]
    await world.quiet(0.3)
    expected = await world.snapshot()
    await drift(world)
    started = time.monotonic()

    async def anew() -> bool:
        assert (await world.status())["podName"] != before
        assert await world.snapshot() == expected
        return True

    await world.until(anew, "everything as it was, with a new key set and pod", 3 * LIMIT)
    told(started)
    await world.ready()
    await world.check_consistency()


async def test_pods_labels_are_put_back_without_a_new_pod(world: World) -> None:
    await world.create()
    status = await world.ready()
    pod = await world.get("Pod", status["podName"])
    assert pod is not None
    for key, value in (
        ("nesteddocker.dev/key-set", "x"),
        ("nesteddocker.dev/uid", None),
        ("nesteddocker.dev/name", "y"),
    ):
        await world.api.patch("Pod", world.namespace, status["podName"], {"metadata": {"labels": {key: value}}})
        started = time.monotonic()

        async def as_before() -> bool:
            now = await world.get("Pod", status["podName"])
            assert now is not None
            assert now["metadata"]["labels"] == pod["metadata"]["labels"]
            return True

        await world.until(as_before, f"the pod's label {key}", LIMIT)
        told(started)
    now = await world.get("Pod", status["podName"])
    assert now is not None
    assert now["metadata"]["uid"] == pod["metadata"]["uid"]


async def test_what_others_add_stays(world: World) -> None:
    await world.create()
    await world.ready()
    await world.quiet(0.3)
    mine = {"metadata": {"labels": {"team": "a"}, "annotations": {"team": "b"}}}
    for kind, name in (
        ("Service", "build"),
        ("Secret", "build-docker"),
        ("Secret", (await world.key_secret())["metadata"]["name"]),
        ("NetworkPolicy", "build"),
    ):
        await world.api.patch(kind, world.namespace, name, mine)
    assert len(await world.quiet(1.0)) == 8
    service = await world.get("Service", "build")
    assert service is not None
    assert service["metadata"]["labels"]["team"] == "a"


def told(started: float) -> None:
    """Print what was measured; `pytest -s` or a failure shows it."""
    print(f"put back after {time.monotonic() - started:.2f} s")  # noqa: T201
