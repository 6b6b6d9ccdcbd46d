"""Injection before the real API server: what it makes of patched pods, and the life of their NestedDockers."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.integration.conftest import per_module, per_test
from tests.integration.pod_webhook import PATHS, USER, another_webhook, client, enabled, reviewing
from tests.integration.world import Lab, World
from tests.support.api import Api
from tests.support.kubelet import FAKE, HOSTNAME, SESSION, FakeKubelet, FakePod, runs
from tests.support.manifests import GENEROUS, nested_docker_class, policy
from tests.support.mutating_webhook import MutatingWebhook
from tests.support.operator_process import Operator
from tests.support.proxy import Proxy
from tests.support.rbac import allow
from tests.support.waiting import wait_for

from nested_docker.domain import names
from nested_docker.domain.ports import KubeError


@per_module
async def operator(lab: Lab, proxy: Proxy) -> AsyncIterator[Operator]:
    """One with a webhook for pods, which the API server asks about the lab's namespaces."""
    async with reviewing(lab, proxy, *PATHS) as running:
        yield running


@per_test
async def user(world: World) -> Api:
    """A user who may create pods, and use the class, in a namespace that is enabled."""
    return await enabled(world)


def name_of(pod: dict[str, Any]) -> str:
    return names.injected_name(pod["metadata"]["labels"][names.LABEL_INJECTION_ID])


async def made(world: World, pod: dict[str, Any]) -> dict[str, Any]:
    """Wait for the NestedDocker of a pod."""

    async def there() -> Any:
        return await world.get("NestedDocker", name_of(pod))

    return dict(await wait_for(there, 30, "the NestedDocker"))


async def gone(world: World, pod: dict[str, Any]) -> None:
    """Wait until a pod has no NestedDocker any more."""

    async def away() -> bool:
        return await world.get("NestedDocker", name_of(pod)) is None

    await wait_for(away, 30, "the end of the NestedDocker")


async def test_a_pod_has_the_connection_and_owns_its_daemon(world: World, user: Api) -> None:
    pod = await user.create(client(world))
    (volume,) = [each for each in pod["spec"]["volumes"] if each["name"] == "nested-docker"]
    assert volume["secret"]["secretName"] == f"{name_of(pod)}-docker"
    for container in pod["spec"]["containers"]:
        host = {"name": f"{name_of(pod)}-docker-env", "key": "DOCKER_HOST"}
        assert container["env"][0]["valueFrom"]["secretKeyRef"] == host
    nested_docker = await made(world, pod)
    (owner,) = nested_docker["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("Pod", pod["metadata"]["uid"])
    await world.serves(name_of(pod))


async def test_the_daemon_goes_when_the_pod_has_ended_and_is_kept(world: World, user: Api) -> None:
    pod = await user.create(client(world))
    await made(world, pod)
    await world.api.patch("Pod", world.namespace, "job", {"status": {"phase": "Succeeded"}}, subresource="status")
    await gone(world, pod)
    assert await world.get("Pod", "job") is not None


async def test_the_daemon_goes_with_a_deleted_pod(world: World, user: Api) -> None:
    pod = await user.create(client(world))
    await made(world, pod)
    await user.delete("Pod", world.namespace, "job")
    await gone(world, pod)


async def test_the_gate_opens_when_the_daemon_has_a_node_and_only_that(world: World, user: Api) -> None:
    gates = {"schedulingGates": [{"name": "example.com/queue"}]}
    manifest = client(world)
    pod = await user.create(manifest | {"spec": manifest["spec"] | gates})
    assert [gate["name"] for gate in pod["spec"]["schedulingGates"]] == ["example.com/queue", names.SCHEDULING_GATE]
    other = await user.create(client(world, "other"))
    await made(world, other)
    assert await world.get("NestedDocker", name_of(pod)) is None, "another one's gate holds it"
    await wait_for(lambda: is_open(world, "other"), 30, "the gate of the other pod to open")
    await user.delete("Pod", world.namespace, "other")
    remove = {"spec": {"schedulingGates": [{"name": names.SCHEDULING_GATE}]}}
    await world.api.patch("Pod", world.namespace, "job", remove)
    await made(world, pod)
    await wait_for(lambda: is_open(world, "job"), 30, "the gate to open")


async def is_open(world: World, name: str) -> bool:
    pod = await world.get("Pod", name)
    return pod is not None and not pod["spec"].get("schedulingGates")


JOBS, ROOM = 12, 5
"""Pods that ask for a daemon at the same time, and places of the node for pods and daemons together."""


@per_test
async def small_node(world: World) -> AsyncIterator[FakeKubelet]:
    """A node with few places, and a class that has its daemons there; both have the same name."""
    node = FakeKubelet(world.api, room=ROOM)
    await node.start()
    grant = {"namespaceSelector": {"matchLabels": {SESSION: world.class_name}}, "allowedClasses": [node.node]}
    await world.api.create(nested_docker_class(node.node, modes=["Dind"], podTemplate={"spec": on(node)}))
    await world.api.create(policy(node.node, **grant, allowedModes=["Dind"], **GENEROUS))
    use = {"apiGroups": ["nesteddocker.dev"], "resources": ["nesteddockerclasses"], "verbs": ["use"]}
    await allow(world.api, world.namespace, USER, "use-small", use | {"resourceNames": [node.node]})
    yield node
    await world.api.delete("NestedDockerPolicy", None, node.node)
    await world.api.delete("NestedDockerClass", None, node.node)
    await node.stop()


def on(node: FakeKubelet) -> dict[str, Any]:
    return {"nodeSelector": {HOSTNAME: node.node}, "tolerations": [{"key": FAKE, "operator": "Exists"}]}


async def works(pod: FakePod) -> None:
    """A client waits for its Secret, as the kubelet does, and ends; everything else runs."""
    labels = pod.manifest["metadata"].get("labels", {})
    if names.LABEL_INJECT not in labels:
        await runs(pod)
        return
    await pod.creating()
    name = names.files_secret(names.injected_name(labels[names.LABEL_INJECTION_ID]))
    while await pod.reads("Secret", name) is None:
        await asyncio.sleep(0.1)
    await pod.succeed("built")


async def test_more_jobs_than_the_node_holds_all_end(world: World, user: Api, small_node: FakeKubelet) -> None:
    small_node.script(world.namespace, works)
    manifest = client(world, labels={names.LABEL_INJECT: small_node.node})
    manifest["spec"] |= on(small_node)
    for number in range(JOBS):
        metadata = manifest["metadata"] | {"name": f"job-{number}"}
        await user.create(manifest | {"metadata": metadata})

    async def phases() -> dict[str, int]:
        pods = await world.api.list("Pod", world.namespace, names.LABEL_INJECT)
        return Counter(pod["status"]["phase"] for pod in pods)

    async def all_have_ended() -> bool:
        return await phases() == {"Succeeded": JOBS}

    await wait_for(all_have_ended, 600, phases)

    async def nothing_is_left() -> bool:
        return not await world.api.list("NestedDocker", world.namespace)

    await wait_for(nothing_is_left, 60, "the end of the NestedDockers")


async def test_an_ephemeral_container_gets_nothing_by_itself(world: World, user: Api) -> None:
    await user.create(client(world))
    shell = {"name": "shell", "image": "busybox", "volumeMounts": [{"name": "nested-docker", "mountPath": "/mine"}]}
    change = {"spec": {"ephemeralContainers": [{"name": "bare", "image": "busybox"}, shell]}}
    pod = await world.api.patch("Pod", world.namespace, "job", change, subresource="ephemeralcontainers")
    bare, mounting = pod["spec"]["ephemeralContainers"]
    assert "env" not in bare
    assert "volumeMounts" not in bare
    assert mounting["volumeMounts"] == shell["volumeMounts"], "as with any volume of the pod"


async def test_a_dry_run_makes_nothing(world: World, user: Api) -> None:
    pod = await user.create(client(world), dryRun="All")
    assert name_of(pod)
    other = await user.create(client(world))
    await made(world, other)
    assert await world.get("NestedDocker", name_of(pod)) is None


async def test_a_copy_of_a_pod_is_denied(world: World, user: Api) -> None:
    pod = await user.create(client(world))
    marks = {
        "labels": {names.LABEL_INJECTION_ID: "f" * 20},
        "annotations": pod["metadata"]["annotations"],
    }
    with pytest.raises(KubeError, match="belong to another pod"):
        await user.create(client(world, "copy", **marks))


async def test_who_may_not_use_the_class_is_denied(world: World, user: Api) -> None:
    assert user
    pods = {"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}
    await allow(world.api, world.namespace, "other", "more-pods", pods)
    with pytest.raises(KubeError, match=f"other or system:serviceaccount:{world.namespace}:default may not use"):
        await world.api.acting_as("other").create(client(world))


@per_test
async def other(world: World, lab: Lab) -> AsyncIterator[MutatingWebhook]:
    """Another webhook, which the API server asks after ours, and again if ours has changed something."""
    async with another_webhook(world, lab, "IfNeeded") as webhook:
        yield webhook


async def test_a_label_that_another_webhook_adds_is_denied(world: World, user: Api, other: MutatingWebhook) -> None:
    key = names.LABEL_INJECT.replace("/", "~1")
    label = [{"op": "add", "path": f"/metadata/labels/{key}", "value": world.class_name}]
    other.mutations[world.namespace] = ("Pod", ("CREATE",), lambda _pod: label)
    asking = client(world)
    asking["metadata"]["labels"] = {"app": "x"}
    with pytest.raises(KubeError, match=r"was not there yet when the webhook of nesteddocker\.dev was asked"):
        await user.create(asking)
    with pytest.raises(KubeError, match="was not there yet"):
        await user.create(asking, dryRun="All")


async def test_variables_that_another_webhook_takes_out_are_named(
    world: World, user: Api, other: MutatingWebhook
) -> None:
    def strip(pod: dict[str, Any]) -> list[dict[str, Any]]:
        has = "env" in pod["spec"]["containers"][0]
        return [{"op": "remove", "path": "/spec/containers/0/env"}] if has else []

    other.mutations[world.namespace] = ("Pod", ("CREATE",), strip)
    with pytest.raises(KubeError, match=r"spec\.containers\.0\.env: another mutating webhook has taken out"):
        await user.create(client(world))


async def test_a_quota_that_waiting_pods_have_used_up_is_told_and_heals(world: World, user: Api) -> None:
    path = f"/api/v1/namespaces/{world.namespace}/resourcequotas"
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "pods"}, "spec": {"hard": {"pods": "1"}}}
    await world.api.request("POST", path, body=quota)

    async def is_counted() -> bool:
        found = await world.api.request("GET", f"{path}/pods")
        return "pods" in found.get("status", {}).get("used", {})

    await wait_for(is_counted, 30, "the quota to be counted")
    pod = await user.create(client(world))

    async def is_told() -> bool:
        events = await world.api.list("Event", world.namespace)
        notes = [each["note"] for each in events if each["reason"] == "NestedDockerNotReady"]
        return any("QuotaExceeded" in note and "pods that wait behind a gate too" in note for note in notes)

    await wait_for(is_told, 30, "an Event of the pod about the quota")
    await world.api.request("DELETE", f"{path}/pods")
    await made(world, pod)
    await wait_for(lambda: is_open(world, "job"), 60, "the gate to open")
