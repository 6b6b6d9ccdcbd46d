"""Nodes and RuntimeClasses that come, go and change, before the real API server and its admission."""

from __future__ import annotations

import functools
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from tests.integration.conftest import per_test
from tests.integration.world import World
from tests.support.api import Manifest
from tests.support.kubelet import FAKE, now
from tests.support.manifests import GENEROUS, nested_docker_class, policy

MODERN = {"kernelVersion": "6.12.57", "kubeletVersion": "v1.37.0", "containerRuntimeVersion": "containerd://2.1.4"}
OLD = MODERN | {"containerRuntimeVersion": "containerd://1.7.27"}


class Nodes:
    """Nodes of a test, which only its class's pods may be scheduled to: there is no kubelet on them.

    Attributes:
        world: its namespace.
        names: of the nodes that exist.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.names: list[str] = []

    @property
    def label(self) -> dict[str, str]:
        """That each of them has."""
        return {"nested-docker.test/pool": self.world.namespace}

    async def add(self, short: str, info: dict[str, str], **labels: str) -> str:
        """Register a node."""
        name = f"{short}-{self.world.namespace}"
        metadata = {"name": name, "labels": self.label | labels}
        taint = {"key": FAKE, "effect": "NoSchedule"}
        node = {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"taints": [taint]}}
        await self.world.api.create(node)
        self.names.append(name)
        await self.say(name, info)
        return name

    async def are_seen(self) -> None:
        """Wait until the operator knows that none of them can run UserNamespace: its watch lags behind."""
        for number in itertools.count():
            name = f"canary-{number}"
            await self.world.create(name, mode="UserNamespace")
            judge = functools.partial(self.world.condition, "Accepted", name)
            judged = await self.world.until(judge, f"{name} is judged")
            await self.world.api.delete("NestedDocker", self.world.namespace, name)
            if judged["reason"] == "NoCapableNode":
                return

    async def say(self, name: str, info: dict[str, str], **status: Any) -> None:
        """What its kubelet says of it."""
        ready = {"type": "Ready", "status": "True", "reason": "Test", "lastHeartbeatTime": now()}
        told = {"conditions": [ready | {"lastTransitionTime": now()}], "nodeInfo": {"operatingSystem": "linux", **info}}
        await self.world.api.patch("Node", None, name, {"status": told | status}, subresource="status")

    async def remove(self, name: str) -> None:
        """Take a node away."""
        self.names.remove(name)
        await self.world.api.delete("Node", None, name)


@per_test
async def own(world: World) -> AsyncIterator[World]:
    """A world with a class for its own nodes, and a policy for the class."""
    name = world.namespace
    template = {
        "spec": {
            "nodeSelector": Nodes(world).label,
            "tolerations": [{"key": FAKE, "operator": "Exists"}, {"key": "node.kubernetes.io/not-ready"}],
        }
    }
    modes = ["Rootless", "UserNamespace", "Dind"]
    await world.api.create(nested_docker_class(name, modes=modes, podTemplate=template))
    selector = {"matchLabels": {"kubernetes.io/metadata.name": name}}
    await world.api.create(
        policy(name, namespaceSelector=selector, allowedClasses=[name], allowedModes=modes, **GENEROUS)
    )
    yield replace(world, class_name=name)
    await world.api.delete("NestedDockerPolicy", None, name)
    await world.api.delete("NestedDockerClass", None, name)


@per_test
async def nodes(own: World) -> AsyncIterator[Nodes]:
    """Its nodes, none at first."""
    nodes = Nodes(own)
    yield nodes
    for name in [*nodes.names]:
        await nodes.remove(name)


async def edit(world: World, **spec: Any) -> None:
    """Change the class."""
    await world.api.patch("NestedDockerClass", None, world.class_name, {"spec": spec})


async def pod(world: World, *, but: str = "") -> Manifest:
    """The pod, once there is one that the status names; `but` is the uid of one that has to be gone."""

    async def found() -> Manifest | None:
        named = (await world.status()).get("podName")
        pods = [each for each in await world.pods() if each["metadata"]["name"] == named]
        return next((each for each in pods if each["metadata"]["uid"] != but), None)

    made: Manifest = await world.until(found, "a pod")
    return made


async def test_who_waits_for_a_node_gets_the_one_that_comes(own: World, nodes: Nodes) -> None:
    await edit(own, modes=["Rootless", "UserNamespace"])
    old = await nodes.add("old", OLD)
    await nodes.are_seen()
    await own.create()
    said = await own.settles("NoCapableNode")
    assert f"(node {old}: its container runtime containerd://1.7.27 gives pods no user namespaces)" in said
    await nodes.add("new", MODERN)
    spec = (await pod(own))["spec"]
    (term,) = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term == {"matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": [old]}]}
    assert (await own.status())["mode"] == "Rootless"


async def test_a_node_that_is_upgraded_ends_the_waiting(own: World, nodes: Nodes) -> None:
    await edit(own, modes=["UserNamespace"])
    name = await nodes.add("node", OLD)
    await nodes.are_seen()
    await own.create()
    await own.settles("NoCapableNode")
    await nodes.say(name, MODERN, runtimeHandlers=[{"name": "", "features": {"userNamespaces": True}}])
    assert (await pod(own))["spec"]["hostUsers"] is False


async def test_the_choice_stays_and_says_why(own: World, nodes: Nodes) -> None:
    await nodes.add("old", OLD)
    await nodes.are_seen()
    await own.create()
    assert (await pod(own))["spec"]["containers"][0]["securityContext"]["privileged"] is True
    status = await own.status()
    assert [each["mode"] for each in status["modesNotChosen"]] == ["Rootless", "UserNamespace"]
    assert all(
        "containerd://1.7.27 gives pods no user namespaces" in each["message"] for each in status["modesNotChosen"]
    )
    await nodes.add("new", MODERN)
    await own.annotate(looked="again")
    await own.quiet()
    assert (await own.status())["modesNotChosen"] == status["modesNotChosen"]
    await edit(own, modes=["Rootless"])
    said = await own.settles("ModeNotOffered")
    assert said.startswith("status.mode Dind, which was chosen when the NestedDocker was new: ")
    await edit(own, modes=["Rootless", "Dind"])
    await pod(own)


async def test_a_runtime_class_that_goes_and_comes_with_other_terms(own: World, nodes: Nodes) -> None:
    """Its end ends the daemon, and what the API server's admission adds for it is no drift."""
    runtime = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": own.namespace}}
    path = "/apis/node.k8s.io/v1/runtimeclasses"
    await edit(own, modes=["UserNamespace"], runtimeClassName=own.namespace)
    await nodes.add("node", MODERN, runtime="yes")
    await own.create()
    said = await own.settles("RuntimeMissing")
    assert own.namespace in said
    await own.api.request("POST", path, body=runtime | {"handler": "one"})
    try:
        first = await pod(own)
        assert first["spec"]["runtimeClassName"] == own.namespace
        await own.api.request("DELETE", f"{path}/{own.namespace}", body={})
        await own.settles("RuntimeMissing")
        terms = {"overhead": {"podFixed": {"memory": "64Mi"}}, "scheduling": {"nodeSelector": {"runtime": "yes"}}}
        await own.api.request("POST", path, body=runtime | {"handler": "two"} | terms)
        spec = (await pod(own, but=first["metadata"]["uid"]))["spec"]
        assert spec["overhead"] == {"memory": "64Mi"}
        assert spec["nodeSelector"] == {**nodes.label, "runtime": "yes"}
        await own.quiet()
        made = await own.pods()
        assert [each["spec"] for each in made] == [spec]
    finally:
        await own.api.request("DELETE", f"{path}/{own.namespace}", body={})


async def test_a_selector_that_keeps_the_pod_off_every_node_that_can_is_named(own: World, nodes: Nodes) -> None:
    await edit(own, modes=["UserNamespace"])
    await nodes.add("old", OLD, zone="a")
    await nodes.are_seen()
    await own.create(scheduling={"nodeSelector": {"zone": "a"}})
    await own.settles("NoCapableNode")
    able = await nodes.add("new", MODERN, zone="b")

    async def told() -> bool:
        said = (await own.condition())["message"]
        return f"node {able}: it does not have the label zone=a" in said and "keep the pod off them" in said

    await own.until(told, "the node that could run it is named")
    await own.edit(scheduling={"nodeSelector": {"zone": "b"}})
    await pod(own)


async def test_a_mode_that_needs_no_runtime_class_waits_for_the_one_that_its_class_names(
    own: World, nodes: Nodes
) -> None:
    await edit(own, modes=["Dind"], runtimeClassName=own.namespace)
    await nodes.add("node", MODERN)
    await own.create()
    assert f'RuntimeClass "{own.namespace}" not found' in await own.settles("APIRejected")
    runtime = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": own.namespace}}
    path = "/apis/node.k8s.io/v1/runtimeclasses"
    await own.api.request("POST", path, body=runtime | {"handler": "one"})
    try:
        assert (await pod(own))["spec"]["runtimeClassName"] == own.namespace
    finally:
        await own.api.request("DELETE", f"{path}/{own.namespace}", body={})
