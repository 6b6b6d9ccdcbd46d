"""A fresh look: reads what governs NestedDockers from the API server, because a watch may lag behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from nested_docker.controller.cache import Cache
from nested_docker.controller.failure import requesting
from nested_docker.controller.routing import Router
from nested_docker.domain.objects import Identity
from nested_docker.domain.observed import Observed
from nested_docker.domain.ports import Kube

LISTED = ("NestedDockerClass", "NestedDockerPolicy", "RuntimeClass")
"""Governing kinds that each look lists."""

NODES_SECONDS = 10.0
"""Age up to which a list of Nodes counts for the next look too: a list of thousands has tens of MB."""


class FreshLook:
    """Reads into the cache.

    Args:
        kube: the API server.
        cache: what is known.
        router: receives what is read, so that everybody whom it concerns is reconciled.
        monotonic: seconds of a clock that never goes back.
    """

    def __init__(
        self, kube: Kube, cache: Cache, router: Router, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._kube, self._cache, self._router, self._monotonic = kube, cache, router, monotonic
        self._lock, self._begun = asyncio.Lock(), 0
        self._nodes_lock, self._nodes_read = asyncio.Lock(), float("-inf")

    async def look(self, observed: Observed, *, nodes: bool = False) -> None:
        """Read everything that accepting this NestedDocker depends on; the Nodes only if `nodes` is true.

        Raises:
            RequestFailed: a request failed.
        """
        await self._read_governing()
        await asyncio.gather(*(self._read_namespace(name) for name in self._namespaces(observed)))
        if nodes:
            await self._read_nodes()

    async def _read_governing(self) -> None:
        """Read the objects that concern everybody. A read that has begun after this call counts."""
        begun = self._begun
        async with self._lock:
            if self._begun > begun:
                return
            self._begun += 1
            for kind in LISTED:
                await self._list(kind)

    async def _read_nodes(self) -> None:
        """List the Nodes, unless that was begun less than `NODES_SECONDS` ago."""
        async with self._nodes_lock:
            begun = self._monotonic()
            if begun - self._nodes_read < NODES_SECONDS:
                return
            await self._list("Node")
            self._nodes_read = begun

    async def _list(self, kind: str) -> None:
        with requesting("list", Identity(kind, "", "")):
            found = await self._kube.list(kind)
        for obj in found:
            self._router.seen(kind, obj)

    async def _read_namespace(self, name: str) -> None:
        with requesting("read", Identity("Namespace", "", name)):
            found = await self._kube.get("Namespace", None, name)
        if found is not None:
            self._router.seen("Namespace", found)

    def _namespaces(self, observed: Observed) -> set[str]:
        """Its own, and those in which its pod is or would be."""
        classes = [self._cache.get("NestedDockerClass", "", observed.class_name)]
        wanted = [found.get("spec", {}).get("podNamespace") for found in classes if found is not None]
        names = {observed.owner.namespace, observed.status.pod_namespace, *wanted}
        return {name for name in names if isinstance(name, str) and name}
