"""Probes nodes: carries out the steps of `domain/planning/node_probe.py`, while this replica leads."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any

from nested_docker.api.v1alpha1 import API_VERSION
from nested_docker.api.v1alpha1.node import NestedDockerNodeStatus
from nested_docker.controller.cache import Cache
from nested_docker.controller.failure import MOMENTARY
from nested_docker.controller.leader import NotLeader
from nested_docker.controller.routing import Router
from nested_docker.domain.effective import OperatorDefaults
from nested_docker.domain.planning.node_probe import (
    KnownNode,
    ProbeReason,
    ProbeStep,
    RecordProbe,
    RemoveProbe,
    StartProbe,
    failed,
    is_probe,
    probe_steps,
)
from nested_docker.domain.ports import Clock, Kube, KubeError

logger = logging.getLogger(__name__)

INTERVAL = 5.0
"""Seconds between two looks at nodes and probes: nothing waits for a probe."""

_KIND = "NestedDockerNode"


class NodeProber:
    """Probes each node once per boot, a few at a time."""

    def __init__(self, kube: Kube, cache: Cache, router: Router, clock: Clock, defaults: OperatorDefaults) -> None:
        self._kube, self._cache, self._router, self._clock, self._defaults = kube, cache, router, clock, defaults
        self._refused: Counter[str] = Counter()

    async def run(self, interval: float = INTERVAL) -> None:
        """Look every `interval` seconds, until cancelled."""
        while True:
            try:
                await self.once()
            except NotLeader:
                raise
            except Exception:  # a defect here must not end the reconciliation of NestedDockers
                logger.exception("a defect in the probes of nodes; they go on in %.0f s", interval)
            await asyncio.sleep(interval)

    async def once(self) -> None:
        """Take the steps that are due; one that fails is due again."""
        for step in probe_steps(self._nodes(), self._probes(), self._clock.now(), self._defaults):
            try:
                await self._take(step)
            except KubeError as error:
                logger.warning("a step of a node's probe failed, and is repeated: %s", error)

    def _nodes(self) -> Mapping[str, KnownNode]:
        found = {}
        for node in self._cache.all("Node"):
            name = node["metadata"]["name"]
            known = self._cache.get(_KIND, "", name)
            status = known["status"] if known is not None else None
            found[name] = KnownNode(name, node["metadata"]["uid"], node["facts"], status, self._refused[name])
        self._refused = Counter({name: count for name, count in self._refused.items() if name in found})
        return found

    def _probes(self) -> list[dict[str, object]]:
        return [pod for pod in self._cache.all("Pod") if is_probe(pod, self._defaults)]

    async def _take(self, step: ProbeStep) -> None:
        match step:
            case StartProbe(node, manifest):
                await self._start(node, manifest)
            case RecordProbe(node, status):
                await self._record(node, status)
            case RemoveProbe(identity, uid):
                await self._kube.delete(identity.kind, identity.namespace, identity.name, uid)

    async def _start(self, node: KnownNode, manifest: dict[str, Any]) -> None:
        try:
            self._cache.put(await self._kube.create(manifest), "Pod")
        except KubeError as error:
            if error.reason == "AlreadyExists":
                await self._adopt(node, manifest)
            elif 400 <= error.status < 500 and error.status not in MOMENTARY:
                await self._reject(node, f"the API server does not create the pod: {error.message.rstrip('.')}")
            else:  # it is tried again after those of other nodes
                self._refused[node.name] += 1
                raise
        else:
            self._refused.pop(node.name, None)

    async def _adopt(self, node: KnownNode, manifest: dict[str, Any]) -> None:
        """Take the pod that has the probe's name: it is the probe, if the answer to its creation was lost."""
        metadata = manifest["metadata"]
        found = await self._kube.get("Pod", metadata["namespace"], metadata["name"])
        if found is None:
            return
        if is_probe(found, self._defaults):
            self._cache.put(found, "Pod")
        else:
            where = f"{metadata['namespace']}/{metadata['name']}"
            await self._reject(node, f"pod {where} has the probe's name and is none of ours: delete it")

    async def _reject(self, node: KnownNode, message: str) -> None:
        await self._record(node, failed(node, ProbeReason.REJECTED, message, self._clock.now()))

    async def _record(self, node: KnownNode, status: NestedDockerNodeStatus) -> None:
        head = {"apiVersion": API_VERSION, "kind": _KIND}
        if node.known is None:
            await self._make(head, node)
        written = await self._kube.apply_status(head | {"metadata": {"name": node.name}, "status": status.dump()})
        self._router.seen(_KIND, written)
        condition = status.conditions[0]
        logger.info("node %s: probe %s %s", node.name, condition.reason, condition.message)

    async def _make(self, head: dict[str, str], node: KnownNode) -> None:
        """Create the object, which the garbage collector deletes with its Node."""
        owner = {"apiVersion": "v1", "kind": "Node", "name": node.name, "uid": node.uid}
        try:
            await self._kube.create(head | {"metadata": {"name": node.name, "ownerReferences": [owner]}})
        except KubeError as error:
            if error.reason != "AlreadyExists":
                raise
