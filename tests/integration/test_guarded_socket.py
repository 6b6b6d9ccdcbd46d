"""Guarded daemons: their nodes are clean before they are gone, whatever happens on the way."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from tests.integration.conftest import per_module, per_test
from tests.integration.journeys import standstill
from tests.integration.world import Lab, World
from tests.support.kubelet import SESSION, FakeKubelet, FakePod, cleans, stays_creating
from tests.support.manifests import GENEROUS, nested_docker_class, policy
from tests.support.operator_process import Operator
from tests.support.proxy import Call, LoseAnswer, Proxy, Stall, When, beyond, only
from tests.support.waiting import holds

from nested_docker.domain.names import FINALIZER, LABEL_NAMESPACE, cleanup_pod

PATIENCE = 40.0
CREATION = [
    "apply nesteddockers/build",
    "create secrets/build-KEY-tls",
    "create networkpolicies/build",
    "create pods/build-KEY",
    "create services/build",
    "apply nesteddockers/build/status",
    "create secrets/build-docker-env",
    "create secrets/build-docker",
    "apply nesteddockers/build/status",
]
DELETION = [
    "delete pods/build-KEY",
    "apply nesteddockers/build/status",
    "create pods/CLEANUP",
    "apply pods/build-KEY",
    "delete pods/CLEANUP",
    "apply nesteddockers/build",
]


@dataclass
class Tenant(World):
    """A namespace with guarded daemons.

    Attributes:
        cleaned_from: the operator's cleanup namespace.
        cleanup: the name of the pod that cleans up after the daemon's.
    """

    cleaned_from: str = ""
    cleanup: str = field(default="", init=False)

    async def made(self) -> FakePod:
        """Have a daemon made, and wait until it serves; its pod."""
        await self.create()
        await self.serves(timeout=PATIENCE)
        pod = await self.pod()
        self.cleanup = cleanup_pod(pod.uid)
        return pod

    async def delete(self) -> None:
        """Ask for the NestedDocker's end."""
        await self.api.delete("NestedDocker", self.namespace, "build")

    async def cleanups(self) -> list[dict[str, Any]]:
        """Pods that clean up after this namespace's."""
        return await self.api.list("Pod", self.cleaned_from, f"{LABEL_NAMESPACE}={self.namespace}")

    async def left(self) -> list[str]:
        """NestedDockers and pods that there are yet."""
        found = [*await self.cleanups()]
        for kind in ("NestedDocker", "Pod"):
            found += await self.api.list(kind, self.namespace)
        return [obj["metadata"]["name"] for obj in found]

    async def nothing_left(self) -> None:
        """Wait until there is neither a NestedDocker nor a pod of one."""

        async def look() -> bool:
            left = await self.left()
            assert left == [], left
            return True

        await self.until(look, "the end of everything", PATIENCE)

    async def told(self, reason: str) -> None:
        """Wait for an Event."""

        async def look() -> bool:
            told = [each["reason"] for each in await self.api.list("Event", self.namespace)]
            assert reason in told, told
            return True

        await self.until(look, f"an Event {reason}", PATIENCE)

    def written(self) -> When:
        """Writes that concern it."""
        mine = {self.namespace}
        return lambda call: call.is_write and (call.namespace in mine or call.name == self.cleanup)

    def words(self, calls: list[Call]) -> list[str]:
        """Writes in words that are the same in each run."""
        pods = {call.name for call in calls if call.resource == "pods" and call.namespace == self.namespace}
        keys = {f"{pod}-tls": "build-KEY-tls" for pod in pods}
        names = dict.fromkeys(pods, "build-KEY") | keys | {self.cleanup or "?": "CLEANUP"}
        return [str(call).replace(call.name, names.get(call.name, call.name)) for call in calls]

    def calls(self) -> list[Call]:
        """Writes that concern it and were carried out."""
        return [call for call in self.proxy.calls if self.written()(call) and 0 < call.status < 400]


@per_module
async def cleaned_from(lab: Lab) -> str:
    """The operator's cleanup namespace."""
    name = await lab.new_namespace("cleanup")
    lab.kubelet.script(name, cleans)
    return name


@per_module
async def operator(lab: Lab, proxy: Proxy, cleaned_from: str) -> Operator:
    """One that starts again at once, since it waits for no lease, and that many held writes do not block."""
    settings = {"LEADER_ELECTION": "false", "WORKERS": "64", "CLEANUP_NAMESPACE": cleaned_from}
    return await lab.new_operator(proxy, **settings)


@asynccontextmanager
async def offer(lab: Lab, node: str) -> AsyncIterator[str]:
    """A class of guarded daemons on a node, and a policy that grants it; the name of both."""
    name = f"guarded-{uuid.uuid4().hex[:6]}"
    modes = ["HostSocket"]
    selector = {"matchLabels": {SESSION: lab.class_name}}
    grant = {"allowedClasses": [name], "allowedModes": modes, "hostSocket": {"guard": {}}, **GENEROUS}
    await lab.api.create(nested_docker_class(name, modes=modes, podTemplate={"spec": {"nodeName": node}}))
    await lab.api.create(policy(name, namespaceSelector=selector, **grant))
    yield name
    await lab.api.delete("NestedDockerPolicy", None, name)
    await lab.api.delete("NestedDockerClass", None, name)


@asynccontextmanager
async def tenants(
    lab: Lab, proxy: Proxy, operator: Operator, cleaned_from: str, count: int, *, node: str = ""
) -> AsyncIterator[list[Tenant]]:
    """Namespaces with guarded daemons of a class of their own, which are clean at the end."""
    async with offer(lab, node or lab.kubelet.node) as class_name:
        made = [
            Tenant(
                api=lab.api,
                kubelet=lab.kubelet,
                operator=operator,
                proxy=proxy,
                namespace=await lab.new_namespace(),
                class_name=class_name,
                cleaned_from=cleaned_from,
            )
            for _ in range(count)
        ]
        try:
            yield made
        finally:
            if not operator.running:
                await operator.start()
            await asyncio.gather(*(each.delete() for each in made))
            await asyncio.gather(*(each.nothing_left() for each in made))


@per_test
async def tenant(lab: Lab, proxy: Proxy, operator: Operator, cleaned_from: str) -> AsyncIterator[Tenant]:
    """One namespace with a guarded daemon."""
    async with tenants(lab, proxy, operator, cleaned_from, 1) as (made,):
        yield made


async def finalizers(tenant: Tenant, kind: str, name: str) -> list[str]:
    found = await tenant.get(kind, name)
    assert found is not None, f"there is no {kind} {name}"
    return list(found["metadata"].get("finalizers", []))


# --- a whole life -------------------------------------------------------------------------------------


async def test_exactly_these_writes_make_one(tenant: Tenant) -> None:
    await tenant.made()
    await tenant.quiet()
    writes = tenant.words(tenant.calls())
    assert [*writes[:2], *sorted(writes[2:5]), *writes[5:]] == CREATION
    (pod,) = await tenant.pods()
    assert pod["metadata"]["finalizers"] == [FINALIZER]
    assert await finalizers(tenant, "NestedDocker", "build") == [FINALIZER]
    assert await tenant.cleanups() == []
    env = await tenant.get("Secret", "build-docker-env")
    assert env is not None
    assert "DOCKER_BUILDKIT" in env["data"]


async def test_and_these_end_it_with_its_node_clean(tenant: Tenant) -> None:
    await tenant.made()
    await tenant.quiet(0.5)
    begun = len(tenant.calls())
    await tenant.delete()
    await tenant.nothing_left()
    await tenant.quiet(0.5)
    writes = tenant.words(tenant.calls()[begun:])
    assert [*writes[:4], *sorted(writes[4:], reverse=True)] == DELETION
    await tenant.told("CleanedUp")
    assert ("Normal", "CleanedUp") in await tenant.events()


async def test_nothing_is_removed_before_the_pod_has_ended(tenant: Tenant) -> None:
    await tenant.made()
    tenant.kubelet.keep_terminating(True)
    try:
        await tenant.delete()
        message = await tenant.settles("CleaningUp")
        assert f"Pod {tenant.cleanup} in namespace {tenant.cleaned_from} removes from node" in message
        await holds(lambda: still(tenant), 1.0, "the pod is waited for")
    finally:
        tenant.kubelet.keep_terminating(False)
    await tenant.nothing_left()


async def still(tenant: Tenant) -> bool:
    return await tenant.cleanups() == [] and await tenant.get("NestedDocker", "build") is not None


@pytest.mark.parametrize("what", ["a change of its own", "a change of the rules", "the end of its pod"])
async def test_the_next_pod_waits_until_the_node_is_clean(tenant: Tenant, what: str) -> None:
    old = await tenant.made()
    tenant.kubelet.script(tenant.cleaned_from, stays_creating)
    try:
        if what == "a change of its own":
            await tenant.edit(resources={"limits": {"memory": "1Gi"}})
        elif what == "a change of the rules":
            less = {"spec": {"hostSocket": {"guard": {"containers": {"exec": False}}}}}
            await tenant.api.patch("NestedDockerPolicy", None, tenant.class_name, less)
        else:
            await old.fail("Evicted", "the node was low on memory")
        (cleanup,) = await tenant.until(tenant.cleanups, "a cleanup pod", PATIENCE)
        await tenant.settles("CleaningUp", timeout=PATIENCE)
        assert [pod["metadata"]["name"] for pod in await tenant.pods() if pod["status"]["phase"] == "Running"] == []
    finally:
        tenant.kubelet.script(tenant.cleaned_from, cleans)
    await (await tenant.kubelet.hand_over(cleanup["metadata"]["uid"])).succeed("removed 1 container")
    await tenant.serves(timeout=PATIENCE)
    assert (await tenant.pod()).uid != old.uid


async def test_suspended_it_leaves_nothing_and_comes_again(tenant: Tenant) -> None:
    await tenant.made()
    await tenant.edit(suspend=True)
    await tenant.settles("Suspended")

    async def clean() -> bool:
        assert await tenant.left() == ["build"]
        return True

    await tenant.until(clean, "a clean node", PATIENCE)
    await tenant.edit(suspend=None)
    await tenant.serves(timeout=PATIENCE)


# --- what goes with it, or is not there ---------------------------------------------------------------


async def test_its_namespace_ends_with_its_node_clean(tenant: Tenant) -> None:
    await tenant.made()
    tenant.kubelet.script(tenant.cleaned_from, stays_creating)
    try:
        await tenant.api.delete("Namespace", None, tenant.namespace)
        (cleanup,) = await tenant.until(tenant.cleanups, "a cleanup pod", PATIENCE)
    finally:
        tenant.kubelet.script(tenant.cleaned_from, cleans)
    assert await tenant.api.get("Namespace", None, tenant.namespace) is not None
    await (await tenant.kubelet.hand_over(cleanup["metadata"]["uid"])).succeed("removed 1 container")
    await tenant.nothing_left()
    await tenant.until(lambda: absent(tenant), "the end of the namespace", PATIENCE)


async def absent(tenant: Tenant) -> bool:
    return await tenant.api.get("Namespace", None, tenant.namespace) is None


async def test_deleted_while_nobody_was_there(tenant: Tenant) -> None:
    await tenant.made()
    await tenant.operator.stop()
    await tenant.delete()
    await holds(lambda: still(tenant), 1.0, "it waits for the operator")
    await tenant.operator.start()
    await tenant.nothing_left()


async def test_a_finalizer_that_is_taken_off_costs_no_node_its_cleaning(tenant: Tenant) -> None:
    pod = await tenant.made()
    await tenant.operator.stop()
    await tenant.api.patch("NestedDocker", tenant.namespace, "build", {"metadata": {"finalizers": None}})
    await tenant.delete()
    await tenant.gone("NestedDocker", "build")
    await tenant.api.delete("Pod", tenant.namespace, pod.name)
    await tenant.operator.start()
    await tenant.nothing_left()
    await tenant.told("CleanedUp")


async def test_a_node_that_is_gone_holds_nobody_up(
    lab: Lab, proxy: Proxy, operator: Operator, cleaned_from: str
) -> None:
    doomed = FakeKubelet(lab.api)
    await doomed.start()
    try:
        async with tenants(lab, proxy, operator, cleaned_from, 1, node=doomed.node) as (made,):
            tenant = replace(made, kubelet=doomed)
            pod = await tenant.made()
            await doomed.die()
            await tenant.delete()
            await tenant.settles("CleaningUp")
            await lab.api.delete("Node", None, doomed.node)
            await pod.fail("NodeLost", "the pod garbage collector's word")
            await lab.api.delete("Pod", tenant.namespace, pod.name, uid=pod.uid, now=True)
            await tenant.nothing_left()
            await tenant.told("NodeGone")
            assert ("Warning", "NodeGone") in await tenant.events()
    finally:
        await doomed.stop()


async def test_without_the_cleanup_namespace_it_is_told_and_its_coming_heals(lab: Lab, tenant: Tenant) -> None:
    await tenant.operator.stop()
    missing = f"cleanup-{uuid.uuid4().hex[:8]}"
    async with lab.annex() as annex:
        settings = {"LEADER_ELECTION": "false", "CLEANUP_NAMESPACE": missing}
        other = await annex.new_operator(await annex.new_proxy(), **settings)
        there = replace(tenant, operator=other, cleaned_from=missing)
        await there.made()
        await there.delete()
        await there.told("CleanupFailed")
        assert await there.settles("CleaningUp")
        lab.kubelet.script(missing, cleans)
        labels = {SESSION: lab.class_name}
        await lab.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": missing, "labels": labels}})
        try:
            await there.nothing_left()
        finally:
            await lab.api.delete("Namespace", None, missing)


async def test_an_operator_of_named_namespaces_sees_its_cleanup_pods_too(lab: Lab, tenant: Tenant) -> None:
    await tenant.operator.stop()
    async with lab.annex() as annex:
        settings = {"LEADER_ELECTION": "false", "CLEANUP_NAMESPACE": tenant.cleaned_from}
        served = {"NAMESPACES": f"{tenant.namespace},{tenant.cleaned_from}"}
        limited = await annex.new_operator(await annex.new_proxy(), **settings, **served)
        there = replace(tenant, operator=limited)
        await there.made()
        await there.delete()
        await there.nothing_left()


# --- crashes ------------------------------------------------------------------------------------------

Step = Callable[[Tenant], Awaitable[object]]


async def together(step: Step, made: list[Tenant]) -> None:
    await asyncio.gather(*(step(each) for each in made))


async def test_killed_after_each_write_of_its_end(
    lab: Lab, proxy: Proxy, operator: Operator, cleaned_from: str
) -> None:
    async with tenants(lab, proxy, operator, cleaned_from, len(DELETION)) as made:
        await together(Tenant.made, made)
        stalls = [Stall(beyond(number, each.written())) for number, each in enumerate(made)]
        with proxy.fault(*stalls):
            await together(Tenant.delete, made)
            await standstill(proxy)
            await operator.kill()
        await operator.start()
        await together(Tenant.nothing_left, made)


async def test_the_answer_to_each_write_of_its_end_is_lost(
    lab: Lab, proxy: Proxy, operator: Operator, cleaned_from: str
) -> None:
    async with tenants(lab, proxy, operator, cleaned_from, len(DELETION)) as made:
        await together(Tenant.made, made)
        faults = [LoseAnswer(only(number, each.written())) for number, each in enumerate(made, 1)]
        with proxy.fault(*faults):
            await together(Tenant.delete, made)
            await together(Tenant.nothing_left, made)
        assert [fault.count for fault in faults] == [1] * len(DELETION)


async def test_killed_after_each_write_of_its_creation(
    lab: Lab, proxy: Proxy, operator: Operator, cleaned_from: str
) -> None:
    async with tenants(lab, proxy, operator, cleaned_from, len(CREATION)) as made:
        stalls = [Stall(beyond(number, each.written())) for number, each in enumerate(made)]
        with proxy.fault(*stalls):
            await together(Tenant.create, made)
            await standstill(proxy)
            await operator.kill()
        await together(Tenant.delete, made[::2])
        await operator.start()
        await together(Tenant.nothing_left, made[::2])
        await together(lambda each: each.serves(timeout=PATIENCE), made[1::2])
