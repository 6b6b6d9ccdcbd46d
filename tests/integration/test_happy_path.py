"""A daemon without trouble: exactly these writes, and none that could be left out."""

from __future__ import annotations

from tests.integration.world import World

CREATION = [
    "create secrets/build-KEY-tls",
    "create pods/build-KEY",
    "create services/build",
    "create networkpolicies/build",
    "apply nesteddockers/build/status",
    "create secrets/build-docker-env",
    "create secrets/build-docker",
    "apply nesteddockers/build/status",
]


COLLECTOR = 60
"""Seconds that Kubernetes' garbage collector may take: it begins again whenever the cluster's kinds change."""


async def test_exactly_these_writes_and_no_read(world: World) -> None:
    await world.create()
    status = await world.ready()
    await world.check_consistency()
    writes = [call.replace(status["podName"], "build-KEY") for call in await world.quiet()]
    assert writes[0] == CREATION[0]
    assert sorted(writes[1:4]) == sorted(CREATION[1:4])
    assert writes[4:] == CREATION[4:]
    assert [str(call) for call in world.proxy.reads(world.namespace)] == []


async def test_what_the_user_reads(world: World) -> None:
    await world.create()
    status = await world.ready()
    assert status["endpoint"] == f"tcp://build.{world.namespace}.svc:2376"
    assert status["binding"] == {"name": "build-docker"}
    assert status["mode"] == "Dind"
    assert status["className"] == world.class_name
    assert status["nodeName"] == world.kubelet.node
    assert status["engine"]["version"] == "28.1.1"
    assert status["isolation"] == "None"
    assert {each["type"]: each["status"] for each in status["conditions"]} == {
        "Accepted": "True",
        "Provisioned": "True",
        "DaemonReachable": "True",
        "Ready": "True",
    }
    env = await world.get("Secret", "build-docker-env")
    assert env is not None
    assert sorted(env["data"]) == ["DOCKER_CERT_PATH", "DOCKER_HOST", "DOCKER_TLS_VERIFY"]


async def test_deletion_leaves_nothing(world: World) -> None:
    await world.create()
    status = await world.ready()
    await world.api.delete("NestedDocker", world.namespace, "build")

    async def nothing_left() -> bool:
        children = await world.children()
        assert children == [], children
        return True

    await world.until(nothing_left, "the end of every child", COLLECTOR)
    # A pass that begins before the watch has shown the deletion asks for it once more.
    writes = {str(call) for call in world.proxy.writes(world.namespace)[len(CREATION) :]}
    assert writes <= {f"delete pods/{status['podName']}"}, "the garbage collector removes the rest"
