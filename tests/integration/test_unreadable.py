"""Objects that Python's JSON parser rejects, before the real API server: everything else goes on.

The API server takes fields that are nested 10,000 levels deep. The objects are there when the operator starts, so that
its lists meet them, and others come while it runs, so that its watches do.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.integration.world import Lab, World
from tests.support.api import Api
from tests.support.nesting import BODIES, DEEP, nested
from tests.support.proxy import Proxy

from nested_docker.adapters.resources import RESOURCES
from nested_docker.domain.names import LABEL_NAME
from nested_docker.domain.ports import KubeError

PATIENCE = 40.0
MANAGED_BY = {"app.kubernetes.io/managed-by": "nested-docker-operator"}


async def spoil(api: Api, kind: str, namespace: str, name: str, *, depth: int = DEEP) -> None:
    """Replace an object by itself, with managed fields of that depth."""
    while True:
        obj = await api.get(kind, namespace, name)
        assert obj is not None
        try:
            return await _put(api, {"kind": kind, **obj}, depth)
        except KubeError as error:
            if error.status != 409:
                raise


async def _put(api: Api, obj: dict[str, Any], depth: int) -> None:
    metadata = obj["metadata"]
    api_version = RESOURCES[obj["kind"]].api_version
    entry = {"manager": "m", "operation": "Update", "apiVersion": api_version, "fieldsType": "FieldsV1"}
    entry |= {"time": "2026-01-01T00:00:00Z", "fieldsV1": "DEEP"}
    text = json.dumps(obj | {"metadata": metadata | {"managedFields": [entry]}})
    path = RESOURCES[obj["kind"]].path(metadata["namespace"], metadata["name"])
    await api.request_text("PUT", path, text.replace('"DEEP"', nested(depth)))


async def labelled(api: Api, namespace: str, kind: str, name: str, *, depth: int = DEEP) -> None:
    """An object of somebody's with the operator's labels, and managed fields of that depth."""
    metadata = {"name": name, "namespace": namespace, "labels": MANAGED_BY | {LABEL_NAME: "someone"}}
    await api.create({"apiVersion": RESOURCES[kind].api_version, "kind": kind, "metadata": metadata} | BODIES[kind])
    await spoil(api, kind, namespace, name, depth=depth)


@pytest.mark.parametrize("depth", [500, 900, DEEP])
async def test_a_tenant_spoils_an_own_nested_docker(world: World, depth: int) -> None:
    await world.create("spoilt")
    await spoil(world.api, "NestedDocker", world.namespace, "spoilt", depth=depth)
    await world.create("build")
    await world.serves("build", timeout=PATIENCE)
    await world.ready("spoilt", timeout=PATIENCE)
    assert world.operator.running


async def test_it_is_logged_counted_and_an_event(world: World) -> None:
    await world.create("spoilt", suspend=True)
    await spoil(world.api, "NestedDocker", world.namespace, "spoilt")

    async def reported() -> bool:
        events = [event for event in await world.events() if event[1] == "Unreadable"]
        return (
            events == [("Warning", "Unreadable")]
            and await world.operator.metric("nested_docker_unreadable_objects") >= 1
        )

    await world.until(reported, "an Event and a metric", PATIENCE)
    said = [line for line in world.operator.log() if line["message"].startswith("NestedDocker spoilt: ")]
    lines = [line for line in said if line["namespace"] == world.namespace]
    assert [(line["namespace"], line["message"]) for line in lines] == [
        (
            world.namespace,
            "NestedDocker spoilt: metadata.managedFields is nested too deeply to be read: the operator ignores it; "
            "replace it",
        )
    ]
    await world.api.delete("NestedDocker", world.namespace, "spoilt")
    await world.gone("NestedDocker", "spoilt", timeout=PATIENCE)


@pytest.mark.parametrize("kind", BODIES)
async def test_a_developer_spoils_a_labelled_object(world: World, kind: str) -> None:
    await labelled(world.api, world.namespace, kind, "spoilt")
    await world.create("build")
    await world.serves("build", timeout=PATIENCE)

    async def logged() -> bool:
        return any(line["message"].startswith(f"{kind} spoilt: ") for line in world.operator.log())

    await world.until(logged, "a log line", PATIENCE)
    await world.api.delete(kind, world.namespace, "spoilt", now=True)


@pytest.mark.timeout(900)  # a used API server takes long for such objects, and each wait has its own limit
async def test_an_operator_that_starts_among_them_serves(lab: Lab, proxy: Proxy) -> None:
    namespace = await lab.new_namespace()
    for kind in BODIES:
        await labelled(lab.api, namespace, kind, "spoilt")
    async with lab.annex() as annex:
        operator = await annex.new_operator(proxy, LEADER_ELECTION="false", NAMESPACES=namespace)
        world = World(annex.api, annex.kubelet, operator, proxy, namespace, annex.class_name)
        await world.create("build")
        await world.serves("build", timeout=PATIENCE)
        await spoil(lab.api, "NestedDocker", namespace, "build")
        await operator.kill()
        await operator.start(leads=False)
        await world.serves("build", timeout=PATIENCE)

        async def counted() -> bool:
            # The pod may be gone: it belongs to no NestedDocker, and such pods are removed.
            return await operator.metric("nested_docker_unreadable_objects") in {len(BODIES), len(BODIES) + 1}

        await world.until(counted, "a metric that counts them all", PATIENCE)


async def test_a_daemon_of_a_spoilt_child_is_served(world: World) -> None:
    await world.create("build")
    await world.serves("build", timeout=PATIENCE)
    keys = (await world.key_secret())["metadata"]["name"]
    for kind, name in (("Secret", "build-docker"), ("Service", "build"), ("Secret", keys)):
        await spoil(world.api, kind, world.namespace, name)
    await world.edit("build", suspend=True)
    await world.settles("Suspended", timeout=PATIENCE)
    await world.edit("build", suspend=False)
    await world.serves("build", timeout=PATIENCE)
