"""The files Secret is there when the present daemon has answered, and not before."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from tests.integration.world import World
from tests.support.certificates import certificate_maker
from tests.support.dockerd import FakeDockerd
from tests.support.kubelet import FakePod, address, stays_creating
from tests.support.waiting import holds

from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import Owner
from nested_docker.domain.pki import certificate_request

CLOSED_SECONDS = 1.5
"""Long enough for several attempts to reach the daemon."""


async def closed(world: World) -> bool:
    return await world.get("Secret", "build-docker") is None


async def stays_closed(world: World) -> None:
    await holds(lambda: closed(world), CLOSED_SECONDS, "clients wait while no daemon has answered")


async def test_it_opens_when_the_daemon_answers_and_before_the_pod_is_ready(world: World) -> None:
    async def answers(pod: FakePod) -> None:
        await pod.listen()
        await pod.running(ready=False)

    world.kubelet.script(world.namespace, answers)
    await world.create()
    await world.serves()


async def test_a_daemon_that_does_not_answer(world: World) -> None:
    async def is_deaf(pod: FakePod) -> None:
        await pod.listen()
        assert pod.dockerd is not None
        await pod.dockerd.stop()
        await pod.running(ready=True)

    world.kubelet.script(world.namespace, is_deaf)
    await world.create()
    pod = await world.pod()
    await stays_closed(world)
    await pod.stop_daemon()
    await pod.run()
    await world.serves()


async def test_an_impostor_does_not_open_it(world: World) -> None:
    """Whoever has the pod's address but not its key set is not the daemon."""

    async def is_another(pod: FakePod) -> None:
        object_names = ObjectNames(Owner("build", pod.namespace, pod.uid))
        other = certificate_request(object_names, cluster_domain="cluster.local", now=datetime.now(UTC), deadline=None)
        keys = certificate_maker().issue(other)
        files = {"ca.pem": keys["ca.pem"], "cert.pem": keys["server-cert.pem"], "key.pem": keys["server-key.pem"]}
        pod.dockerd = FakeDockerd(address(), files, lets_anyone_in=True)
        await pod.dockerd.start()
        await pod.running(ready=True)

    world.kubelet.script(world.namespace, is_another)
    await world.create()
    await world.pod()
    await stays_closed(world)


@pytest.mark.parametrize("how", ["edited", "deleted", "restarted operator"])
async def test_it_is_closed_until_the_next_pod_answers(world: World, how: str) -> None:
    await world.create()
    before = (await world.ready())["podName"]
    world.kubelet.script(world.namespace, stays_creating)
    if how == "deleted":
        await world.api.delete("Pod", world.namespace, before)
    else:
        await world.edit(engine={"image": "docker:30-dind"})

    async def only_the_next() -> bool:
        return [pod["metadata"]["name"] for pod in await world.pods()] not in ([], [before])

    await world.until(only_the_next, "another pod")
    await world.until(lambda: closed(world), "the end of the files Secret")
    if how == "restarted operator":
        await world.operator.stop()
        await world.operator.start()
    await stays_closed(world)
    await (await world.pod()).run()
    await world.serves()


async def test_what_waits_for_the_next_daemon_is_told_so(world: World) -> None:
    world.kubelet.script(world.namespace, stays_creating)
    await world.create()
    assert "waiting for the daemon's first answer over TLS" in await world.settles("DaemonStarting")
    assert (await world.condition("Reconciling"))["status"] == "True"
    await asyncio.gather(stays_closed(world), world.gone("Secret", "build-docker-env", 1))


async def test_the_certificates_outlast_the_deadline(world: World) -> None:
    await world.create(activeDeadlineSeconds=3600)
    status = await world.ready()
    ends = datetime.fromisoformat(status["certificateExpirationTime"])
    assert timedelta() < ends - datetime.fromisoformat(status["expirationTime"]) <= timedelta(hours=2)
