"""What a test sees: a lab that makes operators and namespaces, and a world that is one namespace of it."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
from tests.support.api import Access, Api, Manifest
from tests.support.dockerd import client_context
from tests.support.kubelet import SESSION, FakeKubelet, FakePod
from tests.support.manifests import nested_docker
from tests.support.operator_process import Operator, running
from tests.support.proxy import ROOT_KEY, Proxy
from tests.support.waiting import INTERVAL, wait_for

from nested_docker.domain import pki
from nested_docker.domain.key_set import key_set_id
from nested_docker.domain.manifests.secrets import value_digest
from nested_docker.domain.names import LABEL_NAME, WATCH_SELECTOR

PATIENCE = 15.0
"""Seconds within which everything must have happened on two busy cores."""

CHILDREN = ("Pod", "Service", "Secret", "NetworkPolicy", "PodDisruptionBudget", "PersistentVolumeClaim")


@dataclass
class Lab:
    """Makes what tests need, and takes it down with the module."""

    access: Access
    api: Api
    kubelet: FakeKubelet
    class_name: str
    folder: Path
    stack: AsyncExitStack
    system: str = ""

    async def furnished(self) -> Lab:
        """The lab with a namespace for its operators' Leases."""
        self.system = await self.new_namespace("system")
        return self

    @asynccontextmanager
    async def annex(self) -> AsyncIterator[Lab]:
        """A lab whose contents end with the block."""
        async with AsyncExitStack() as stack:
            yield await replace(self, stack=stack).furnished()

    async def new_world(self, proxy: Proxy, operator: Operator) -> World:
        """A namespace that the operator serves through the proxy."""
        return World(self.api, self.kubelet, operator, proxy, await self.new_namespace(), self.class_name)

    async def new_namespace(self, kind: str = "test") -> str:
        """A namespace that policy grants daemons."""
        name = f"{kind}-{uuid.uuid4().hex[:8]}"
        labels = {SESSION: self.class_name}
        await self.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
        self.stack.push_async_callback(self.api.delete, "Namespace", None, name)
        return name

    async def new_proxy(self) -> Proxy:
        """A way to the API server."""
        return await self.stack.enter_async_context(Proxy.serve(self.access))

    async def new_operator(self, proxy: Proxy, *, leads: bool = True, **settings: str) -> Operator:
        """A running operator. Settings are those of the environment."""
        folder = self.folder / uuid.uuid4().hex[:8]
        environment = {
            "OPERATOR_NAMESPACE": self.system,
            "LEASE_NAME": "operator",
            "ROOT_KEY_SECRET": ROOT_KEY,
            "REPLACE_SECONDS": "1",
            "DENIAL_GRACE_SECONDS": "0",
        } | settings
        return await self.stack.enter_async_context(running(folder, proxy.kubeconfig(), environment, leads=leads))


@dataclass
class World:
    """One namespace, with everything that happens in it."""

    api: Api
    kubelet: FakeKubelet
    operator: Operator
    proxy: Proxy
    namespace: str
    class_name: str
    uids: dict[str, str] = field(default_factory=dict)

    # --- what a user does -----------------------------------------------------------------------

    async def create(self, name: str = "build", **spec: Any) -> None:
        """Ask for a daemon."""
        manifest = nested_docker(self.namespace, name, className=self.class_name, **spec)
        self.uids[name] = (await self.api.create(manifest))["metadata"]["uid"]

    async def edit(self, name: str = "build", **spec: Any) -> None:
        """Change the spec; None takes a field away."""
        await self.api.patch("NestedDocker", self.namespace, name, {"spec": spec})

    async def annotate(self, name: str = "build", **annotations: str) -> None:
        """Annotate the NestedDocker, with our prefix."""
        marks = {f"nesteddocker.dev/{key}": value for key, value in annotations.items()}
        await self.api.patch("NestedDocker", self.namespace, name, {"metadata": {"annotations": marks}})

    async def files(self, name: str = "build") -> dict[str, bytes]:
        """What a client mounts."""
        secret = await self.get("Secret", f"{name}-docker")
        assert secret is not None, "there is no files Secret"
        return {key: base64.b64decode(value) for key, value in secret["data"].items()}

    async def evict(self, pod: str) -> None:
        """Ask for the eviction of a pod, as drains and autoscalers do."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/eviction"
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": self.namespace}}
        await self.api.request("POST", path, body=body)

    async def connect(self, name: str = "build", files: dict[str, bytes] | None = None) -> str:
        """Connect as a client with these files, else with the files Secret, to the pod that the Service selects."""
        files = files or await self.files(name)
        service = await self.get("Service", name)
        assert service is not None, "there is no Service"
        selector = ",".join(f"{key}={value}" for key, value in service["spec"]["selector"].items())
        pods = [pod for pod in await self.api.list("Pod", self.namespace, selector) if "podIP" in pod["status"]]
        assert len(pods) == 1, f"the Service selects {[pod['metadata']['name'] for pod in pods]}"
        url = f"https://{pods[0]['status']['podIP']}:2376/version"
        connector = aiohttp.TCPConnector(ssl=client_context(files))
        try:
            async with (
                aiohttp.ClientSession(connector=connector) as session,
                session.get(url, server_hostname=f"{name}.{self.namespace}.svc") as response,
            ):
                return str((await response.json())["Version"])
        except aiohttp.ClientError as error:
            raise AssertionError(f"a client with the files Secret is not let in: {error}") from error

    # --- what there is --------------------------------------------------------------------------

    async def get(self, kind: str, name: str) -> Manifest | None:
        """An object of the namespace."""
        return await self.api.get(kind, self.namespace, name)

    async def status(self, name: str = "build") -> Manifest:
        """A NestedDocker's status."""
        found = await self.get("NestedDocker", name)
        assert found is not None, f"there is no NestedDocker {name}"
        status: Manifest = found.get("status", {})
        return status

    async def condition(self, type_: str = "Ready", name: str = "build") -> Manifest:
        """A condition; empty: not set."""
        conditions = (await self.status(name)).get("conditions", [])
        return next((each for each in conditions if each["type"] == type_), {})

    async def pods(self, name: str = "build") -> list[Manifest]:
        """The NestedDocker's pods that are not going."""
        pods = await self.api.list("Pod", self.namespace, f"{LABEL_NAME}={name}")
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    async def pod(self, name: str = "build") -> FakePod:
        """The current pod, for the test to go on with."""
        pods = await wait_for(lambda: self.pods(name), PATIENCE, f"a pod of {name}")
        assert len(pods) == 1, [pod["metadata"]["name"] for pod in pods]
        uid = pods[0]["metadata"]["uid"]
        await wait_for(lambda: uid in self.kubelet.pods, PATIENCE, "the fake kubelet to see the pod")
        return await self.kubelet.hand_over(uid)

    async def key_secret(self, name: str = "build") -> Manifest:
        """The Secret with the NestedDocker's key set; it has lost no name, whatever its labels say."""
        found = await self._key_secrets(name)
        assert len(found) == 1, [each["metadata"]["name"] for each in found]
        return found[0]

    async def _key_secrets(self, name: str) -> list[Manifest]:
        secrets = await self.api.list("Secret", self.namespace)
        return [each for each in secrets if re.fullmatch(f"{name}-[0-9a-f]{{5}}-tls", each["metadata"]["name"])]

    async def children(self) -> list[str]:
        """Everything of ours in the namespace, as kind/name."""
        found = []
        for kind in CHILDREN:
            listed = await self.api.list(kind, self.namespace, WATCH_SELECTOR)
            found += [f"{kind}/{child['metadata']['name']}" for child in listed]
        return found

    async def events(self) -> list[tuple[str, str]]:
        """Type and reason of each Event about our objects, oldest first."""
        events = [e for e in await self.api.list("Event", self.namespace) if e["regarding"]["kind"] == "NestedDocker"]
        return [(event["type"], event["reason"]) for event in sorted(events, key=lambda event: event["eventTime"])]

    # --- waiting --------------------------------------------------------------------------------

    async def ready(self, name: str = "build", timeout: float = PATIENCE) -> Manifest:
        """Wait until clients can connect; the status."""
        await self.until_condition({"status": "True", "reason": "Ready"}, name=name, timeout=timeout)
        return await self.status(name)

    async def settles(self, reason: str, name: str = "build", timeout: float = PATIENCE) -> str:
        """Wait until it is not ready for that reason; the message."""
        condition = await self.until_condition({"status": "False", "reason": reason}, name=name, timeout=timeout)
        return str(condition["message"])

    async def until_condition(
        self, wanted: dict[str, str], type_: str = "Ready", *, name: str = "build", timeout: float = PATIENCE
    ) -> Manifest:
        """Wait until a condition says that; the condition."""

        async def look() -> Manifest:
            condition = await self.condition(type_, name)
            assert wanted.items() <= condition.items(), condition
            return condition

        what = f"{name} with {type_} {wanted}"
        found: Manifest = await self.until(look, what, timeout)
        return found

    async def until(self, predicate: Callable[[], Any], what: str, timeout: float = PATIENCE) -> Any:
        """Wait for something, and tell what the operator said if it does not come."""
        return await wait_for(predicate, timeout, lambda: f"{what}\n{self.operator.last_words()}")

    async def gone(self, kind: str, name: str, timeout: float = PATIENCE) -> None:
        """Wait until there is no such object."""

        async def look() -> bool:
            return await self.get(kind, name) is None

        await self.until(look, f"the end of {kind} {name}", timeout)

    async def quiet(self, seconds: float = 1.0) -> list[str]:
        """Wait until the operator has not written for so long; what it has written in this namespace, all told."""
        count, since = -1, time.monotonic()
        while time.monotonic() - since < seconds:
            if count != len(self.proxy.attempts(self.namespace)):
                count, since = len(self.proxy.attempts(self.namespace)), time.monotonic()
            await asyncio.sleep(INTERVAL)
        return [str(call) for call in self.proxy.writes(self.namespace)]

    # --- the whole ------------------------------------------------------------------------------

    async def check_consistency(self, name: str = "build") -> None:
        """One whole key set, one pod that serves with it, Secrets that are copies of it, a client that gets in."""
        tls = await self.key_secret(name)
        assert set(tls["data"]) == set(pki.KEYS)
        material = {key: base64.b64decode(value) for key, value in tls["data"].items()}
        key_set = key_set_id({key: value_digest(value) for key, value in material.items()})
        assert tls["metadata"]["annotations"]["nesteddocker.dev/data-digest"] == key_set
        assert tls["metadata"]["name"] == f"{name}-{key_set[:5]}-tls"
        assert [pod["metadata"]["name"] for pod in await self.pods(name)] == [f"{name}-{key_set[:5]}"]
        files = await self.get("Secret", f"{name}-docker")
        assert files is not None, "there is no files Secret"
        for own, source in (("ca.pem", "ca.pem"), ("cert.pem", "client-cert.pem"), ("key.pem", "client-key.pem")):
            assert files["data"][own] == tls["data"][source], own
        assert await self.connect(name) == "28.1.1"

    async def serves(self, name: str = "build", timeout: float = PATIENCE) -> None:
        """Wait until it is ready, and consistently so."""

        async def look() -> bool:
            condition = await self.condition(name=name)
            assert condition.get("status") == "True", condition
            await self.check_consistency(name)
            return True

        await self.until(look, f"{name} ready and consistent", timeout)

    async def snapshot(self, name: str = "build") -> str:
        """Everything there is, without what differs from run to run."""
        uid = self.uids[name]
        key_secrets = await self._key_secrets(name)
        objects = [await self.get("NestedDocker", name)]
        for kind in CHILDREN:
            listed = await self.api.list(kind, self.namespace, WATCH_SELECTOR)
            in_order = sorted(listed, key=lambda item: item["metadata"]["name"].endswith("-tls"))
            objects += [{"kind": kind, **item} for item in in_order]
        pods = {item["metadata"]["uid"]: "POD-UID" for item in objects if item and item.get("kind") == "Pod"}
        text = json.dumps([_lasting(item) for item in objects if item], indent=1, sort_keys=True)
        replacements = {uid: "UID", self.namespace: "NAMESPACE"} | pods
        for tls in key_secrets:
            key_set = tls["metadata"]["annotations"]["nesteddocker.dev/data-digest"]
            replacements |= {value: f"<{key} of the key set>" for key, value in tls["data"].items()}
            replacements |= {key_set: "KEY-SET", f"{name}-{key_set[:5]}": f"{name}-KEY"}
        for value in sorted(replacements, key=len, reverse=True):
            text = text.replace(value, replacements[value])
        return text


VOLATILE = frozenset(
    {
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "managedFields",
        "generation",
        "lastTransitionTime",
        "clusterIP",
        "clusterIPs",
        "startedAt",
        "startTime",
        "podIP",
        "podIPs",
        "nesteddocker.dev/not-after",
        "nesteddocker.dev/server-not-after",
        "nesteddocker.dev/pairs-digest",
        "nesteddocker.dev/revision",
        "nesteddocker.dev/probed",
        "certificateExpirationTime",
        "replacement",
        "lostPod",
        "DOCKER_HOST",
        "host",
        "uri",
    }
)


def _lasting(node: Any, path: tuple[str, ...] = ()) -> Any:
    """A copy without what differs from run to run."""
    if isinstance(node, dict):
        kept = {key: value for key, value in node.items() if key not in VOLATILE or path[-1:] == ("ownerReferences",)}
        return {key: _lasting(value, (*path, key)) for key, value in kept.items()}
    if isinstance(node, list):
        return [_lasting(item, path) for item in node]
    return node
