"""Other admission plugins change what the operator writes: no loop, at most one replacement, a condition."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.integration.conftest import per_module
from tests.integration.world import Lab, World
from tests.support.kubelet import SESSION
from tests.support.manifests import nested_docker_class, policy
from tests.support.mutating_webhook import Mutate, MutatingWebhook, Patch
from tests.support.operator_process import Operator
from tests.support.proxy import Proxy

Manifest = dict[str, Any]
Operations = tuple[str, ...]
AT_CREATION: Operations = ("CREATE",)
ALWAYS: Operations = ("CREATE", "UPDATE")


@per_module
async def webhook(lab: Lab) -> AsyncIterator[MutatingWebhook]:
    """A webhook for the lab's namespaces."""
    selector = {"matchLabels": {SESSION: lab.class_name}}
    async with MutatingWebhook.serve(lab.api, lab.folder / "mutating", selector) as webhook:
        yield webhook


@per_module
async def operator(lab: Lab, proxy: Proxy) -> Operator:
    """One that starts again at once, since it waits for no lease."""
    return await lab.new_operator(proxy, LEADER_ELECTION="false")


def add(path: str, value: Any) -> Mutate:
    return lambda _object: [{"op": "add", "path": path, "value": value}]


def prefixed(prefix: str) -> Mutate:
    def mutate(pod: Manifest) -> Patch:
        image = pod["spec"]["containers"][0]["image"].removeprefix(prefix)
        return [{"op": "replace", "path": "/spec/containers/0/image", "value": prefix + image}]

    return mutate


SIDECAR = {"name": "theirs", "image": "istio/proxyv2:1.26"}

PODS: dict[str, Mutate] = {
    "image": prefixed("docker.io/library/"),
    "image of a mirror": prefixed("mirror.example/"),
    "env": add("/spec/containers/0/env", [{"name": "HTTP_PROXY", "value": "http://proxy:3128"}]),
    "labels": add("/metadata/labels/team", "a"),
    "annotations": add("/metadata/annotations", {"theirs": "true"}),
    "tolerations": add("/spec/tolerations/-", {"key": "theirs", "operator": "Exists"}),
    "resources": add("/spec/containers/0/resources", {"limits": {"cpu": "9"}}),
    "sidecar": add("/spec/containers/-", SIDECAR),
    "native sidecar": add("/spec/initContainers", [SIDECAR | {"restartPolicy": "Always"}]),
    "volumes": add("/spec/volumes/-", {"name": "theirs", "emptyDir": {}}),
    "securityContext": add("/spec/securityContext", {"fsGroup": 1}),
}
ONLY_AT_CREATION = {"env", "tolerations", "resources", "sidecar", "native sidecar", "volumes", "securityContext"}
"""Fields that no update of a pod may change, so that such a webhook would break every update."""

CASES = [
    pytest.param(mutate, operations, id=f"{name} {'at creation' if operations == AT_CREATION else 'always'}")
    for name, mutate in PODS.items()
    for operations in (AT_CREATION, ALWAYS)
    if operations == AT_CREATION or name not in ONLY_AT_CREATION
]


def made(world: World, resource: str) -> int:
    calls = world.proxy.writes(world.namespace)
    return sum(call.method == "POST" and call.resource == resource for call in calls)


@pytest.mark.parametrize(("mutate", "operations"), CASES)
async def test_a_pod_is_what_was_stored(
    world: World, webhook: MutatingWebhook, mutate: Mutate, operations: Operations
) -> None:
    webhook.mutations[world.namespace] = ("Pod", operations, mutate)
    await world.create()
    await world.ready()
    await world.check_consistency()
    writes = await world.quiet(2.0)
    assert made(world, "pods") == 1, "the pod is replaced for what an admission plugin has made of it"
    assert len(writes) <= 8, writes


async def test_a_finalizer_of_somebody_else_keeps_only_the_old_pod(world: World, webhook: MutatingWebhook) -> None:
    webhook.mutations[world.namespace] = ("Pod", AT_CREATION, add("/metadata/finalizers", ["example.com/theirs"]))
    await world.create()
    await world.ready()
    before = (await world.status())["podName"]
    await world.annotate(restart="1")

    async def restarted() -> bool:
        assert (await world.status())["podName"] != before
        return True

    await world.until(restarted, "another pod")
    await world.ready()
    assert made(world, "pods") == 2
    await world.quiet(1.0)
    assert made(world, "pods") == 2
    for pod in await world.api.list("Pod", world.namespace):
        name = pod["metadata"]["name"]
        await world.api.patch("Pod", world.namespace, name, {"metadata": {"finalizers": None}})


async def test_a_scheduling_gate_is_named_at_once(world: World, webhook: MutatingWebhook) -> None:
    def gate(_pod: Manifest) -> Patch:
        value = [{"name": "kueue.x-k8s.io/admission"}]
        return [
            {"op": "remove", "path": "/spec/nodeName"},
            {"op": "add", "path": "/spec/schedulingGates", "value": value},
        ]

    webhook.mutations[world.namespace] = ("Pod", AT_CREATION, gate)
    await world.create()
    message = await world.settles("SchedulingGated", timeout=5)
    assert message.startswith("the pod is held by scheduling gate kueue.x-k8s.io/admission")
    await world.quiet(1.0)
    assert made(world, "pods") == 1


OBJECTS: dict[str, tuple[str, Mutate, str]] = {
    "Service's addresses": (
        "Service",
        add("/spec/publishNotReadyAddresses", False),
        "spec.publishNotReadyAddresses of Service build",
    ),
    "Service's selector": ("Service", add("/spec/selector/theirs", "x"), "spec.selector.theirs of Service build"),
    "Service's label": ("Service", add("/metadata/labels/theirs", "x"), ""),
    "NetworkPolicy opened": ("NetworkPolicy", add("/spec/ingress", [{}]), "of NetworkPolicy build back"),
    "NetworkPolicy's finalizer": ("NetworkPolicy", add("/metadata/finalizers", ["example.com/theirs"]), ""),
    "Secrets' data added": ("Secret", add("/data/theirs", "YQ=="), ""),
    "Secrets' label": ("Secret", add("/metadata/labels/theirs", "x"), ""),
    "key set's annotations": ("Secret", add("/metadata/annotations", {}), "annotations of Secret build-"),
}


@pytest.mark.parametrize(("kind", "mutate", "contested"), OBJECTS.values(), ids=OBJECTS)
async def test_what_is_changed_back_is_not_fought_over(
    world: World, webhook: MutatingWebhook, kind: str, mutate: Mutate, contested: str
) -> None:
    webhook.mutations[world.namespace] = (kind, ALWAYS, mutate)
    await world.create()
    if contested:
        assert contested in await world.settles("Contested", timeout=5)
        await world.until_condition({"status": "True", "reason": "Contested"}, "Stalled")
    else:
        await world.ready()
    writes = await world.quiet(2.0)
    assert made(world, "pods") <= 1
    assert len(writes) <= 14, writes
    del webhook.mutations[world.namespace]
    for policy_ in await world.api.list("NetworkPolicy", world.namespace):
        name = policy_["metadata"]["name"]
        await world.api.patch("NetworkPolicy", world.namespace, name, {"metadata": {"finalizers": None}})


async def test_a_claim_is_taken_as_it_was_stored(world: World, webhook: MutatingWebhook) -> None:
    webhook.mutations[world.namespace] = (
        "PersistentVolumeClaim",
        ALWAYS,
        add("/metadata/labels", {"theirs": "x", "app.kubernetes.io/managed-by": "nested-docker-operator"}),
    )
    await world.create(storage={"type": "Claim", "claim": {"size": "1Gi"}})
    await world.until(lambda: world.get("PersistentVolumeClaim", "build-data"), "the claim")
    writes = await world.quiet(2.0)
    assert made(world, "persistentvolumeclaims") <= 1, writes
    assert made(world, "pods") <= 1


async def test_an_image_that_policy_does_not_allow_never_stays(
    lab: Lab, world: World, webhook: MutatingWebhook
) -> None:
    name = f"strict-{world.namespace}"
    template = {"spec": {"nodeName": world.kubelet.node}}
    selector = {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}}
    await lab.api.create(nested_docker_class(name, modes=["Dind"], podTemplate=template))
    await lab.api.create(policy(name, namespaceSelector=selector, allowedClasses=[name], allowedModes=["Dind"]))
    webhook.mutations[world.namespace] = ("Pod", AT_CREATION, prefixed("evil.example/"))
    world.class_name = name
    await world.create()
    message = await world.settles("ImageNotAllowed", timeout=5)
    assert f"evil.example/docker:29-dind, which NestedDockerPolicy {name} does not allow" in message
    await world.quiet(2.0)
    assert (made(world, "pods"), await world.pods()) == (1, [])
    await world.operator.kill()
    await world.operator.start()
    await world.quiet(1.0)
    assert (made(world, "pods"), await world.pods()) == (1, []), "a restart of the operator forgets it"
    del webhook.mutations[world.namespace]
    await world.annotate(restart="1")
    await world.ready()
    assert made(world, "pods") == 2
    await lab.api.delete("NestedDockerPolicy", None, name)
    await lab.api.delete("NestedDockerClass", None, name)


async def test_a_controller_that_deletes_each_pod_is_not_fought(world: World) -> None:
    await world.create()
    await world.ready()

    async def repeatedly() -> bool:
        for pod in await world.pods():
            await world.api.delete("Pod", world.namespace, pod["metadata"]["name"], now=True)
        condition = await world.condition()
        assert condition["reason"] == "ReplacedRepeatedly", condition
        return True

    await world.until(repeatedly, "the operator to stop")
    assert "somebody deleted the pod, for the third time in a row" in (await world.condition())["message"]
    await world.operator.kill()
    await world.operator.start()
    await world.quiet(1.0)
    assert made(world, "pods") == 3, "a restart of the operator forgets how often the pod was replaced"
    await world.annotate(restart="1")
    await world.ready()
    assert made(world, "pods") == 4


@pytest.mark.parametrize("operations", [AT_CREATION, ALWAYS], ids=["at creation", "always"])
async def test_secrets_that_are_made_immutable_stop_no_replacement(
    world: World, webhook: MutatingWebhook, operations: Operations
) -> None:
    webhook.mutations[world.namespace] = ("Secret", operations, add("/immutable", True))
    await world.create()
    await world.serves()
    before = await world.key_secret()
    assert before["immutable"] is True
    await world.annotate(restart="1")

    async def replaced() -> bool:
        assert (await world.key_secret())["metadata"]["name"] != before["metadata"]["name"]
        return True

    await world.until(replaced, "another Secret with another key set")
    await world.serves()
    assert await world.condition("Stalled") == {}
    assert made(world, "pods") == 2
