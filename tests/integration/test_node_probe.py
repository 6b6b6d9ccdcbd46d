"""Probes of nodes, before the real API server and its controllers; the node is a stand-in without a kubelet."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from tests.integration.conftest import per_module, per_test
from tests.integration.world import Lab
from tests.support.api import Api, Manifest
from tests.support.kubelet import FAKE, now
from tests.support.operator_process import Operator
from tests.support.proxy import Proxy
from tests.support.waiting import holds, wait_for

KIND = "NestedDockerNode"
SECONDS = 40.0
"""The operator looks every five seconds; with what a busy machine needs."""


@dataclass
class Machine:
    """A node of which nobody knows anything yet, and the namespace of its probes."""

    api: Api
    name: str
    namespace: str

    async def boot(self) -> None:
        """It is up, in a new boot."""
        ready = {"type": "Ready", "status": "True", "reason": "Test", "lastHeartbeatTime": now()}
        info = {"bootID": str(uuid.uuid4()), "kubeletVersion": "v1.37.0", "operatingSystem": "linux"}
        status = {"conditions": [ready | {"lastTransitionTime": now()}], "nodeInfo": info}
        await self.api.patch("Node", None, self.name, {"status": status}, subresource="status")

    async def boot_id(self) -> str:
        node = await self.api.get("Node", None, self.name)
        assert node is not None
        return str(node["status"]["nodeInfo"]["bootID"])

    async def probe(self) -> Manifest:
        """The pod that probes it."""

        async def found() -> Manifest | None:
            pods = await self.api.list("Pod", self.namespace, "nesteddocker.dev/role=node-probe")
            return next((pod for pod in pods if pod["spec"]["nodeName"] == self.name), None)

        pod: Manifest = await wait_for(found, SECONDS, "a probe")
        return pod

    async def answer(self, **facts: Any) -> Manifest:
        """The pod ends so."""
        pod = await self.probe()
        ended = {"exitCode": 0, "message": json.dumps(facts), "startedAt": now(), "finishedAt": now()}
        container = {"name": "node-probe", "image": "x", "imageID": "", "ready": False, "restartCount": 0}
        status = {"phase": "Succeeded", "containerStatuses": [container | {"state": {"terminated": ended}}]}
        await self.api.patch("Pod", self.namespace, pod["metadata"]["name"], {"status": status}, subresource="status")
        return pod

    async def gone(self, pod: Manifest) -> None:
        async def look() -> bool:
            found = await self.api.get("Pod", self.namespace, pod["metadata"]["name"])
            return found is None or found["metadata"]["uid"] != pod["metadata"]["uid"]

        await wait_for(look, SECONDS, "the probe is deleted")

    async def status(self, reason: str) -> Manifest:
        """What is kept of it, with this reason."""

        async def look() -> Manifest | None:
            found = await self.api.get(KIND, None, self.name)
            status: Manifest = found["status"] if found else {}
            return status if [each["reason"] for each in status.get("conditions", [])] == [reason] else None

        status: Manifest = await wait_for(look, SECONDS, f"reason {reason}")
        return status


@per_module
async def namespace(lab: Lab) -> str:
    """A namespace for probes."""
    return await lab.new_namespace("cleanup")


@per_module
async def operator(lab: Lab, proxy: Proxy, namespace: str) -> Operator:
    """One that probes nodes."""
    return await lab.new_operator(proxy, NODE_PROBE="true", CLEANUP_NAMESPACE=namespace, LEADER_ELECTION="false")


@per_test
async def machine(lab: Lab, operator: Operator, namespace: str) -> AsyncIterator[Machine]:
    """A new node, which goes with the test."""
    del operator
    name = f"probed-{uuid.uuid4().hex[:8]}"
    taint = {"key": FAKE, "effect": "NoSchedule"}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {"taints": [taint]}}
    await lab.api.create(node)
    machine = Machine(lab.api, name, namespace)
    await machine.boot()
    yield machine
    await lab.api.delete("Node", None, name)
    await lab.api.delete(KIND, None, name)


async def test_facts_are_kept_once_per_boot_and_go_with_the_node(machine: Machine) -> None:
    boot = await machine.boot_id()
    pod = await machine.answer(bootId=boot, cgroup="v2", filesystem="ext4", fromTheFuture=1)
    status = await machine.status("Succeeded")
    assert status["facts"] == {"bootId": boot, "cgroup": "v2", "filesystem": "ext4"}
    await machine.gone(pod)

    async def settled() -> bool:
        found = await machine.api.get(KIND, None, machine.name)
        pods = await machine.api.list("Pod", machine.namespace, "nesteddocker.dev/role=node-probe")
        others = [each for each in pods if each["spec"]["nodeName"] == machine.name]
        return found is not None and found["status"] == status and not others

    await holds(settled, 6, "no further probe and no further write")
    await machine.boot()
    pod = await machine.answer(bootId=await machine.boot_id(), cgroup="v1")
    await machine.gone(pod)
    assert (await machine.status("Succeeded"))["facts"]["cgroup"] == "v1"
    await machine.api.delete("Node", None, machine.name)

    async def collected() -> bool:
        return await machine.api.get(KIND, None, machine.name) is None

    await wait_for(collected, SECONDS, "the garbage collector deletes the facts")


async def test_what_is_no_answer_is_a_failure(machine: Machine) -> None:
    pod = await machine.answer(bootId="another")
    status = await machine.status("Unreadable")
    assert "facts" not in status
    assert "bootId" in status["conditions"][0]["message"]
    await machine.gone(pod)


async def test_a_quota_that_admits_no_probe_is_named(machine: Machine) -> None:
    await machine.answer(bootId=await machine.boot_id())
    await machine.status("Succeeded")
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none", "namespace": machine.namespace}}
    path = f"/api/v1/namespaces/{machine.namespace}/resourcequotas"
    await machine.api.request("POST", path, body=quota | {"spec": {"hard": {"pods": "0"}}})

    async def counted() -> bool:
        return "used" in (await machine.api.request("GET", f"{path}/none")).get("status", {})

    await wait_for(counted, SECONDS, "the quota is in force")
    try:
        await machine.boot()
        status = await machine.status("Rejected")
    finally:
        await machine.api.request("DELETE", f"{path}/none", body={})
    message = status["conditions"][0]["message"]
    assert message.startswith("the API server does not create the pod: ")
    assert "exceeded quota: none" in message
