"""A restore from a backup: the NestedDocker is enough, and what a backup has of its children does no harm."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.integration.world import World

from nested_docker.domain.names import LABEL_NAME

RESET = (
    "generateName",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "ownerReferences",
    "managedFields",
)
"""Metadata that Velero does not restore."""

SECRETS = ("key set", "build-docker", "build-docker-env")

COLLECTOR = 60
"""Seconds that the garbage collector may take on a busy machine."""

Manifest = dict[str, Any]


async def back_up(world: World) -> dict[str, Manifest]:
    """Everything of a daemon that serves, which then is lost."""
    await world.create()
    await world.serves()
    before = (await world.status())["podName"]
    await world.annotate(restart="1")
    await world.until(lambda: on_another_pod(world, before), "the restart")
    await world.serves()
    keys = (await world.key_secret())["metadata"]["name"]
    backup = {each: await saved(world, "Secret", keys if each == "key set" else each) for each in SECRETS}
    backup |= {kind: await saved(world, kind, "build") for kind in ("NestedDocker", "Service", "NetworkPolicy")}
    (pod,) = await world.pods()
    backup["Pod"] = await saved(world, "Pod", pod["metadata"]["name"])
    await world.api.delete("NestedDocker", world.namespace, "build")
    await world.gone("NestedDocker", "build")
    await world.until(lambda: none_left(world), "the end of the children", COLLECTOR)
    return backup


async def on_another_pod(world: World, before: str) -> bool:
    now = await world.status()
    assert now.get("podName") not in ("", None, before), now
    return True


async def saved(world: World, kind: str, name: str) -> Manifest:
    found = await world.get(kind, name)
    assert found is not None, f"there is no {kind} {name}"
    return found


async def none_left(world: World) -> bool:
    return not await world.children() and not await world.api.list("Pod", world.namespace, f"{LABEL_NAME}=build")


async def restore(world: World, saved: Manifest, *, with_status: bool = False) -> Manifest:
    """Create an object as Velero does: without its identity, owner and status, the status by another call."""
    manifest = copy.deepcopy(saved)
    status = manifest.pop("status", None)
    for key in RESET:
        manifest["metadata"].pop(key, None)
    manifest["metadata"].setdefault("labels", {})["velero.io/restore-name"] = "after-the-flood"
    if manifest["kind"] == "Service":
        for key in ("clusterIP", "clusterIPs"):
            manifest["spec"].pop(key, None)
    created = await world.api.create(manifest)
    if with_status:
        name = manifest["metadata"]["name"]
        await world.api.patch(manifest["kind"], world.namespace, name, {"status": status}, subresource="status")
    return created


@pytest.mark.parametrize("with_status", [False, True], ids=["without its status", "with its status"])
async def test_the_nested_docker_alone_brings_everything_back(world: World, with_status: bool) -> None:
    backup = await back_up(world)
    before = backup["NestedDocker"]
    restored = await restore(world, before, with_status=with_status)
    assert restored["metadata"]["uid"] != before["metadata"]["uid"]
    assert restored["metadata"]["annotations"]["nesteddocker.dev/restart"] == "1"

    await world.until(lambda: on_another_pod(world, before["status"]["podName"]), "a status of the new pod")
    await world.serves()
    assert (await world.key_secret())["data"] != backup["key set"]["data"], (
        "nobody trusts the keys in the backup any more"
    )
    writes = await world.quiet()
    assert len(await world.pods()) == 1
    assert await world.quiet() == writes, "the annotation of an old restart restarts nothing"


CHILDREN = ["Pod", "Service", "NetworkPolicy", *SECRETS]


@pytest.mark.parametrize("child", CHILDREN)
async def test_a_restored_child_is_removed_and_made_again(world: World, child: str) -> None:
    """The chart's guardrails refuse it; here there are none. Velero restores Secrets and pods first."""
    backup = await back_up(world)
    stale = await restore(world, backup[child])
    await restore(world, backup["NestedDocker"])
    await world.serves(timeout=40)
    found = await world.get(stale["kind"], stale["metadata"]["name"])
    assert found is None or found["metadata"]["uid"] != stale["metadata"]["uid"]


async def test_children_that_come_later_are_removed(world: World) -> None:
    backup = await back_up(world)
    await restore(world, backup["NestedDocker"])
    await world.serves()
    (pod,) = await world.pods()
    late = await restore(world, backup["Pod"])
    await world.gone("Pod", late["metadata"]["name"])
    await world.serves()
    assert [each["metadata"]["uid"] for each in await world.pods()] == [pod["metadata"]["uid"]]
