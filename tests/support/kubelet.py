"""A stand-in for the kubelet: a Node of its own, whose pods do in their status what a script says."""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import aiohttp
from tests.support.api import Api, Manifest
from tests.support.dockerd import FakeDockerd

from nested_docker.domain.ports import KubeError

HEARTBEAT_SECONDS = 8.0
"""Well below the 40 s after which the node lifecycle controller calls a silent node lost."""

READY_SECONDS = 0.2
"""From the daemon's start to its readiness probe's first success."""

FAKE = "nesteddocker.dev/fake"
"""Label and taint of fake nodes."""

HOSTNAME = "kubernetes.io/hostname"
"""Label of every node."""

SESSION = "nested-docker-test"
"""Label of namespaces: the fake node of the session that made them."""

_ADDRESSES = itertools.count(1)
_SESSION_OCTET = 64 + os.getpid() % 128
"""Second octet of this process's addresses, so that two test sessions on one machine do not share them."""


def address() -> str:
    """A loopback address that no other pod has."""
    number = next(_ADDRESSES)
    return f"127.{_SESSION_OCTET}.{number // 250 % 256}.{number % 250 + 1}"


def now() -> str:
    """The present moment as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class FakePod:
    """One pod on the node, and the daemon in it."""

    def __init__(self, api: Api, manifest: Manifest) -> None:
        self._api = api
        self.manifest = manifest
        self.namespace: str = manifest["metadata"]["namespace"]
        self.name: str = manifest["metadata"]["name"]
        self.uid: str = manifest["metadata"]["uid"]
        self.dockerd: FakeDockerd | None = None
        self.restarts = 0
        self.ends = False
        self._last: Manifest = {}
        self._has_run = False
        self._started = now()

    # --- what its status says -------------------------------------------------------------------

    async def creating(self) -> None:
        """The kubelet has seen it."""
        await self._report("Pending", daemon=_waiting("ContainerCreating"), others=_waiting("PodInitializing"))

    async def waiting(self, reason: str, message: str) -> None:
        """A container cannot be started."""
        await self._report("Pending", daemon=_waiting(reason, message), others=_waiting("PodInitializing"))

    async def run(self) -> None:
        """The daemon runs, answers and, a little later, is ready; so does whatever is beside it."""
        await self.listen()
        await self.running(ready=False)
        await asyncio.sleep(READY_SECONDS)
        await self.running(ready=True)

    async def listen(self) -> None:
        """The daemon's process is started; the pod's status does not tell yet."""
        if self.dockerd is None:
            self.dockerd = FakeDockerd(address(), await self._server_files())
            await self.dockerd.start()
        self._has_run = True
        self._started = now()

    async def running(self, *, ready: bool) -> None:
        """The daemon's process is there."""
        await self._report("Running", daemon=self._running(), others=self._running(), ready=ready)

    async def idle(self) -> None:
        """The idle watch has ended, since nothing has used the daemon."""
        await self._report("Running", daemon=self._running(), others=_ended(0), ready=True)

    async def crash(self, exit_code: int, message: str = "", reason: str = "Error") -> None:
        """The daemon's process has ended, and the kubelet waits before it starts it again."""
        await self.stop_daemon()
        self.restarts += 1
        self._last = _ended(exit_code, reason, message)
        waits = _waiting("CrashLoopBackOff", "back-off 10s restarting failed container")
        await self._report("Running", daemon=waits, others=self._running())

    async def fail(self, reason: str, message: str) -> None:
        """The pod has ended, and will never run again."""
        await self.stop_daemon()
        await self._report("Failed", daemon=_ended(137), others=_ended(137), reason=reason, message=message)

    async def finish(self, exit_code: int) -> None:
        """The workload has ended, and then the daemon."""
        await self.stop_daemon()
        await self._report("Failed" if exit_code else "Succeeded", daemon=_ended(0), others=_ended(exit_code))

    async def succeed(self, message: str) -> None:
        """A pod without a daemon has done its work, and says so."""
        await self._report("Succeeded", daemon=_ended(0), others=_ended(0, message=message))

    async def reads(self, kind: str, name: str) -> Manifest | None:
        """An object of the pod's namespace."""
        return await self._api.get(kind, self.namespace, name)

    async def end(self) -> None:
        """It was deleted, and its containers are stopped: the last that its status says."""
        await self.stop_daemon()
        last = _ended(0) if self._has_run else _waiting("ContainerCreating")
        await self._report("Failed", daemon=last, others=last)

    async def unschedulable(self, message: str) -> None:
        """The scheduler's word; our pods are bound by their template, so nobody else says it."""
        scheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
        await self._patch({"phase": "Pending", "conditions": [scheduled | {"lastTransitionTime": now()}]})

    async def stop_daemon(self) -> None:
        """Nothing listens any more."""
        if self.dockerd is not None:
            await self.dockerd.stop()
            self.dockerd = None

    # --- how it is written ----------------------------------------------------------------------

    async def _report(
        self, phase: str, *, daemon: Manifest, others: Manifest, ready: bool = False, **further: str
    ) -> None:
        holding = {"PodScheduled": True, "Initialized": True, "ContainersReady": ready, "Ready": ready}
        conditions = [
            {"type": type_, "status": "True" if holds else "False", "lastTransitionTime": now()}
            for type_, holds in holding.items()
        ]
        status: Manifest = {"phase": phase, "conditions": conditions, "hostIP": "127.0.0.1", **further}
        if self.dockerd is not None:
            status |= {"podIP": self.dockerd.address, "podIPs": [{"ip": self.dockerd.address}]}
        for key, statuses in (("initContainers", "initContainerStatuses"), ("containers", "containerStatuses")):
            status[statuses] = [
                self._container(item, daemon if item["name"] == "daemon" else others, ready=ready)
                for item in self.manifest["spec"].get(key, [])
            ]
        await self._patch(status)

    def _container(self, item: Manifest, state: Manifest, *, ready: bool) -> Manifest:
        daemon = item["name"] == "daemon"
        return {
            "name": item["name"],
            "image": item["image"],
            "imageID": "",
            "ready": ready,
            "started": "running" in state,
            "restartCount": self.restarts if daemon else 0,
            "state": state,
            "lastState": self._last if daemon else {},
        }

    def _running(self) -> Manifest:
        return {"running": {"startedAt": self._started}}

    async def _patch(self, status: Manifest) -> None:
        self.manifest = await self._api.patch(
            "Pod", self.namespace, self.name, {"status": status}, subresource="status"
        )

    async def _server_files(self) -> dict[str, bytes]:
        """The server's files as the pod mounts them: like the kubelet, wait until the Secret is there."""
        volume = next(v["secret"] for v in self.manifest["spec"]["volumes"] if v["name"] == "server-certificates")
        while (secret := await self._api.get("Secret", self.namespace, volume["secretName"])) is None:
            await asyncio.sleep(0.1)
        return {item["path"]: base64.b64decode(secret["data"][item["key"]]) for item in volume["items"]}


def _waiting(reason: str, message: str = "") -> Manifest:
    return {"waiting": {"reason": reason, "message": message}}


def _ended(exit_code: int, reason: str = "", message: str = "") -> Manifest:
    reason = reason or ("Error" if exit_code else "Completed")
    times = {"startedAt": now(), "finishedAt": now()}
    return {"terminated": {"exitCode": exit_code, "reason": reason, "message": message, **times}}


Script = Callable[[FakePod], Awaitable[None]]


async def runs(pod: FakePod) -> None:
    """The script of a pod with nothing wrong."""
    await pod.creating()
    await pod.run()


async def cleans(pod: FakePod) -> None:
    """The script of a pod that finds nothing left on the node."""
    await pod.creating()
    await pod.succeed("nothing was left")


async def stays_creating(pod: FakePod) -> None:
    """The script of a pod that never gets further; the test goes on by itself."""
    await pod.creating()


class FakeKubelet:
    """A node: registered, alive by its Lease, and busy with its pods.

    Args:
        api: the API server.
        room: for how many pods.
    """

    def __init__(self, api: Api, room: int = 500) -> None:
        self._api, self._room = api, room
        self.node = f"fake-{uuid.uuid4().hex[:6]}"
        self.pods: dict[str, FakePod] = {}
        self._scripts: dict[str, Script] = {}
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._stops_pods = asyncio.Event()
        self._stops_pods.set()

    async def start(self) -> None:
        """Register the node and begin."""
        taint = {"key": FAKE, "effect": "NoSchedule"}
        metadata = {"name": self.node, "labels": {FAKE: "true", HOSTNAME: self.node}}
        await self._api.create({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"taints": [taint]}})
        await self.say_ready(True)
        await self._beat()
        self._tasks = [asyncio.create_task(self._heartbeat()), asyncio.create_task(self._follow())]

    async def stop(self) -> None:
        """End everything, and leave no node behind."""
        await self.die()
        await remove_node(self._api, self.node)

    async def die(self) -> None:
        """End without a word: node and pods stay, and nobody is there for them any more."""
        tasks = [*self._tasks, *self._busy.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for pod in self.pods.values():
            await pod.stop_daemon()

    def script(self, namespace: str, script: Script) -> None:
        """What pods of a namespace do from now on."""
        self._scripts[namespace] = script

    async def hand_over(self, uid: str) -> FakePod:
        """A pod whose script has run to its end, so that the test decides from now on."""
        await asyncio.wait([self._busy[uid]])
        return self.pods[uid]

    async def say_ready(self, ready: bool) -> None:
        """The node's Ready condition."""
        condition = {
            "type": "Ready",
            "status": "True" if ready else "False",
            "reason": "Test",
            "lastHeartbeatTime": now(),
            "lastTransitionTime": now(),
        }
        capacity = {"cpu": "64", "memory": "256Gi", "pods": str(self._room)}
        status = {"conditions": [condition], "capacity": capacity, "allocatable": capacity}
        await self._api.patch("Node", None, self.node, {"status": status}, subresource="status")

    def keep_terminating(self, keep: bool) -> None:
        """Whether deleted pods stay for as long as this lasts, as when a container does not stop."""
        self._stops_pods.clear() if keep else self._stops_pods.set()

    async def _heartbeat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            with suppress(KubeError, aiohttp.ClientError):
                await self._beat()

    async def _beat(self) -> None:
        renewed = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        await self._api.apply(
            {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": self.node, "namespace": "kube-node-lease"},
                "spec": {"holderIdentity": self.node, "leaseDurationSeconds": 40, "renewTime": renewed},
            }
        )

    async def _follow(self) -> None:
        while True:
            with suppress(KubeError, aiohttp.ClientError):
                async for type_, manifest in self._api.watch("Pod", fields=f"spec.nodeName={self.node}"):
                    self._see(type_, manifest)
            await asyncio.sleep(0.2)

    def _see(self, type_: str, manifest: Manifest) -> None:
        uid = manifest["metadata"]["uid"]
        pod = self.pods.get(uid)
        if type_ == "DELETED" and pod is not None:
            self._do(uid, self._gone(uid))
        elif pod is None:
            pod = self.pods[uid] = FakePod(self._api, manifest)
            self._do(uid, self._play(pod))
        if type_ != "DELETED" and "deletionTimestamp" in manifest["metadata"] and pod is not None and not pod.ends:
            pod.ends = True
            self._do(uid, self._terminate(pod))

    def _do(self, uid: str, work: Coroutine[Any, Any, None]) -> None:
        """One thing at a time for each pod: the newer ends the older."""
        self._busy[uid] = asyncio.create_task(self._instead_of(self._busy.get(uid), work))

    @staticmethod
    async def _instead_of(before: asyncio.Task[None] | None, work: Coroutine[Any, Any, None]) -> None:
        try:
            if before is not None:
                before.cancel()
                await asyncio.gather(before, return_exceptions=True)
        except asyncio.CancelledError:
            work.close()
            raise
        await work

    async def _play(self, pod: FakePod) -> None:
        with suppress(KubeError, aiohttp.ClientError):
            await self._scripts.get(pod.namespace, runs)(pod)

    async def _terminate(self, pod: FakePod) -> None:
        await self._stops_pods.wait()
        await pod.stop_daemon()
        with suppress(KubeError, aiohttp.ClientError):
            if pod.manifest["metadata"].get("finalizers"):  # then its last status is seen
                await pod.end()
            await self._api.delete("Pod", pod.namespace, pod.name, uid=pod.uid, now=True)

    async def _gone(self, uid: str) -> None:
        pod = self.pods[uid]
        await pod.stop_daemon()
        del self.pods[uid], self._busy[uid]


async def remove_node(api: Api, name: str) -> None:
    """Remove a fake node, with the pods that nobody would ever end otherwise."""
    for pod in await api.list("Pod"):
        if pod["spec"].get("nodeName") == name:
            where = (pod["metadata"]["namespace"], pod["metadata"]["name"])
            await api.delete("Pod", *where, now=True)
            if pod["metadata"].get("finalizers"):
                await api.patch("Pod", *where, {"metadata": {"finalizers": None}})
    await api.delete("Node", None, name)


async def sweep(api: Api) -> None:
    """Remove what a session that was killed has left behind."""
    for node in await api.list("Node", labels=FAKE):
        name = node["metadata"]["name"]
        for kind in ("NestedDockerPolicy", "NestedDockerClass"):
            await api.delete(kind, None, name)
        for namespace in await api.list("Namespace", labels=f"{SESSION}={name}"):
            await api.delete("Namespace", None, namespace["metadata"]["name"])
            for held in await api.list("NestedDocker", namespace["metadata"]["name"]):
                metadata = held["metadata"]
                free = {"metadata": {"finalizers": None}}
                await api.patch("NestedDocker", metadata["namespace"], metadata["name"], free)
        await remove_node(api, name)
