"""An operator of an older version takes over: what the newer one has stored, and what becomes of its daemons."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Iterator
from typing import Any

from tests.integration.conftest import per_test
from tests.integration.world import PATIENCE, World
from tests.support.cluster import Cluster

from nested_docker.api import crd
from nested_docker.domain.names import ANNOTATION_EFFECTIVE

Manifest = dict[str, Any]

FIELD = "ofTheFuture"
"""Of spec and status of each kind in the newer version."""


def newer() -> Iterator[Manifest]:
    """The CustomResourceDefinitions of a newer version."""
    for definition in map(copy.deepcopy, crd.definitions()):
        for version in definition["spec"]["versions"]:
            for part in version["schema"]["openAPIV3Schema"]["properties"].values():
                if "properties" in part:
                    part["properties"][FIELD] = {"type": "string"}
        yield definition


async def install(cluster: Cluster, *definitions: Manifest) -> None:
    """Put the definitions in, as Helm does, without holding up the doubles of this process."""
    await asyncio.to_thread(cluster.apply, *definitions)


async def has_field(world: World, kind: str, namespace: str | None, name: str, *, shown: bool) -> bool:
    """Write the field where that is possible; whether it is shown as it should be."""
    await world.api.patch(kind, namespace, name, {"spec": {FIELD: "yes"}} if shown else {})
    found = await world.api.get(kind, namespace, name)
    assert found is not None
    assert (FIELD in found["spec"]) == shown
    return True


@per_test
async def rolled_back(world: World, cluster: Cluster) -> World:
    """The pod of `modern` has something of the newer version, and that of `plain` nothing; the older one runs again."""
    for name in ("plain", "modern"):
        await world.create(name)
        await world.serves(name)
    await world.quiet()
    await world.operator.kill()
    kinds = (
        ("NestedDocker", world.namespace, "plain"),
        ("NestedDocker", world.namespace, "modern"),
        ("NestedDockerClass", None, world.class_name),
        ("NestedDockerPolicy", None, world.class_name),
    )
    await install(cluster, *newer())
    try:
        for kind, namespace, name in kinds:
            await world.until(
                lambda kind=kind, namespace=namespace, name=name: has_field(world, kind, namespace, name, shown=True),
                f"{FIELD} of {kind} {name}",
                4 * PATIENCE,
            )
        await world.api.patch(
            "NestedDocker", world.namespace, "modern", {"status": {FIELD: "yes"}}, subresource="status"
        )
        (pod,) = await world.pods("modern")
        prints = {**json.loads(pod["metadata"]["annotations"][ANNOTATION_EFFECTIVE]), FIELD: "s:01234567"}
        marks = {"metadata": {"annotations": {ANNOTATION_EFFECTIVE: json.dumps(prints)}}}
        await world.api.patch("Pod", world.namespace, pod["metadata"]["name"], marks)
    finally:
        await install(cluster, *crd.definitions())
    for kind, namespace, name in kinds:
        await world.until(
            lambda kind=kind, namespace=namespace, name=name: has_field(world, kind, namespace, name, shown=False),
            f"{kind} {name} without {FIELD}",
            4 * PATIENCE,
        )
    world.proxy.calls.clear()
    await world.operator.start()
    return world


async def test_a_daemon_with_nothing_new_stays_and_one_with_something_new_is_made_again(rolled_back: World) -> None:
    before = {name: (await rolled_back.status(name))["podName"] for name in ("plain", "modern")}

    async def made_again() -> bool:
        assert (await rolled_back.status("modern"))["podName"] != before["modern"]
        return True

    await rolled_back.until(made_again, "another pod of modern", 4 * PATIENCE)
    await rolled_back.serves("modern", 4 * PATIENCE)
    await rolled_back.serves("plain")
    await rolled_back.quiet()
    assert (await rolled_back.status("plain"))["podName"] == before["plain"]
    status = await rolled_back.status("modern")
    assert status["replacement"]["cause"] == "SpecChanged"
    assert FIELD not in status
