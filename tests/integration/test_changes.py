"""What the user changes, and how a NestedDocker ends."""

from __future__ import annotations

import base64
from typing import Any

import aiohttp
import pytest
from tests.integration.world import World
from tests.support.dockerd import client_context

BUILD: dict[str, Any] = {
    "workload": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox", "command": ["true"]}]}
}


async def files(world: World) -> dict[str, bytes]:
    secret = await world.get("Secret", "build-docker")
    assert secret is not None, "there is no files Secret"
    return {key: base64.b64decode(value) for key, value in secret["data"].items()}


async def no_children(world: World) -> bool:
    children = await world.children()
    assert children == [], children
    return True


async def types(world: World) -> dict[str, str]:
    return {each["type"]: each["status"] for each in (await world.status())["conditions"]}


# --- changes ----------------------------------------------------------------------------------------


async def test_an_engine_edit_replaces_pod_and_keys_and_clients_go_on(world: World) -> None:
    await world.create()
    before, old = (await world.ready())["podName"], await files(world)
    await world.edit(engine={"image": "docker:30-dind"})

    async def replaced() -> bool:
        status = await world.status()
        assert status["podName"] != before
        assert [pod["metadata"]["name"] for pod in await world.pods()] == [status["podName"]]
        return True

    await world.until(replaced, "another pod")
    await world.serves()
    new = await files(world)
    assert not set(old.values()) & set(new.values()) - {b"docker", b"nested-docker", b"2376", new["host"], new["uri"]}
    pod = await world.pod()
    assert pod.dockerd is not None
    await get_version(pod.dockerd.address, old, f"build.{world.namespace}.svc")


async def test_after_a_rotation_nothing_from_before_is_accepted(world: World) -> None:
    await world.create()
    before, old = (await world.ready())["podName"], await files(world)
    await world.annotate(**{"rotate-authority": "1"})

    async def replaced() -> bool:
        return (await world.status())["podName"] != before

    await world.until(replaced, "another pod")
    await world.serves()
    new, pod = await files(world), await world.pod()
    assert pod.dockerd is not None
    for keys in (old, old | {"ca.pem": new["ca.pem"]}, new | {"ca.pem": old["ca.pem"]}):
        with pytest.raises(aiohttp.ClientError):
            await get_version(pod.dockerd.address, keys, f"build.{world.namespace}.svc")


async def get_version(address: str, keys: dict[str, bytes], name: str) -> None:
    connector = aiohttp.TCPConnector(ssl=client_context(keys))
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get(f"https://{address}:2376/version", server_hostname=name) as response,
    ):
        response.raise_for_status()


async def test_other_clients_need_no_other_pod(world: World) -> None:
    await world.create()
    before = (await world.ready())["podName"]
    await world.edit(connection={"clients": [{"podSelector": {"matchLabels": {"app": "ci"}}}]})

    async def narrowed() -> bool:
        policy = await world.get("NetworkPolicy", "build")
        assert policy is not None
        clients, operator = policy["spec"]["ingress"]
        assert clients == {"from": [{"podSelector": {"matchLabels": {"app": "ci"}}}]}
        assert len(operator["from"]) == 1
        return True

    await world.until(narrowed, "the NetworkPolicy with the new clients")
    await world.edit(connection={"secretTemplate": {"labels": {"team": "a"}}})

    async def labelled() -> bool:
        secrets = [await world.get("Secret", name) for name in ("build-docker", "build-docker-env")]
        return all(secret and secret["metadata"]["labels"].get("team") == "a" for secret in secrets)

    await world.until(labelled, "the Secrets with the new label")
    assert (await world.ready())["podName"] == before


async def test_suspended_and_resumed(world: World) -> None:
    await world.create()
    before = (await world.ready())["podName"]
    await world.edit(suspend=True)
    await world.settles("Suspended")
    await world.until(lambda: no_children(world), "the end of every child")
    assert not {"Stalled", "Reconciling"} & (await types(world)).keys()
    assert "endpoint" not in {key for key, value in (await world.status()).items() if value}
    await world.edit(suspend=False)
    await world.serves()
    assert (await world.status())["podName"] != before


# --- ends -------------------------------------------------------------------------------------------


async def test_the_deadline_stops_it_for_good(world: World) -> None:
    await world.create(activeDeadlineSeconds=4)
    assert (await world.ready())["expirationTime"]
    assert "activeDeadlineSeconds ended at" in await world.settles("DeadlineExceeded")
    await world.until(lambda: no_children(world), "the end of every child")
    assert (await world.status())["completionTime"]
    assert (await types(world))["Stalled"] == "True", "nothing changes any more, and kstatus calls that Stalled"
    await world.edit(activeDeadlineSeconds=3600)
    await world.quiet(0.5)
    assert await world.children() == [], "what has finished stays so"


async def test_what_has_finished_is_deleted_in_time(world: World) -> None:
    await world.create(activeDeadlineSeconds=2, ttlSecondsAfterFinished=1)
    await world.settles("DeadlineExceeded")
    await world.gone("NestedDocker", "build")
    await world.until(lambda: no_children(world), "the end of every child")


async def test_the_idle_watch_ends_it(world: World) -> None:
    await world.create(idleTimeoutSeconds=10)
    await world.ready()
    pod = await world.pod()
    await pod.idle()
    assert "no running container and no open connection for 10 s" in await world.settles("IdleTimeout")
    await world.until(lambda: no_children(world), "the end of every child")


async def test_a_build_completes(world: World) -> None:
    await world.create(**BUILD)
    await world.ready()
    pod = await world.pod()
    await pod.finish(0)
    await world.until_condition({"status": "True", "reason": "Completed"}, "Complete")
    await world.until_condition({"status": "True", "reason": "Completed"})
    status = await world.status()
    assert status["results"] == [{"name": "main", "exitCode": 0}]
    assert status["completionTime"]
    assert not {"Stalled", "Failed", "Reconciling"} & (await types(world)).keys()

    async def only_the_pod() -> bool:
        children = await world.children()
        assert [child for child in children if not child.startswith("Pod/") and not child.endswith("-tls")] == [], (
            children
        )
        return True

    await world.until(only_the_pod, "nothing but the pod with its logs")
    assert len(await world.pods()) == 1
    writes = await world.quiet(0.5)
    await world.annotate(note="x")
    assert await world.quiet(0.5) == writes


async def test_a_build_fails(world: World) -> None:
    await world.create(**BUILD)
    await world.ready()
    pod = await world.pod()
    await pod.finish(3)
    assert "container main exited with code 3; see kubectl logs build-" in await world.settles("WorkloadFailed")
    await world.until_condition({"status": "True", "reason": "WorkloadFailed"}, "Failed")
    assert (await types(world))["Stalled"] == "True"
    assert (await world.status())["results"] == [{"name": "main", "exitCode": 3}]
    assert len(await world.pods()) == 1


async def test_a_build_whose_pod_was_evicted_has_failed(world: World) -> None:
    await world.create(**BUILD)
    await world.ready()
    await (await world.pod()).fail("Evicted", "The node was low on resource: memory.")
    message = await world.settles("WorkloadFailed")
    assert "exited with code 137" in message or "Evicted" in message


async def test_who_waits_for_the_observed_restart_never_sees_the_old_pod_ready(world: World) -> None:
    await world.create()
    before = (await world.ready())["podName"]
    for value in ("first", "second"):
        await world.annotate(restart=value)

        async def observed(value: str = value) -> dict[str, Any]:
            status = await world.status()
            assert status.get("observedRestart") == value
            return status

        status = await world.until(observed, "the observed restart")
        ready = next(each for each in status["conditions"] if each["type"] == "Ready")
        assert ready["status"] == "False" or status["podName"] != before, "Ready is that of the old pod"
        after = (await world.ready())["podName"]
        assert after != before
        before = after
