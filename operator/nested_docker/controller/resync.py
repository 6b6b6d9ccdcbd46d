"""Resync: compares the cache with the API server's lists from time to time, because watch events can be lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from nested_docker.controller.cache import CHILD_KINDS, GOVERNING_KINDS, Cache, version_of
from nested_docker.controller.routing import Router
from nested_docker.domain.names import INJECTION_SELECTOR, WATCH_SELECTOR
from nested_docker.domain.objects import CLIENT_POD
from nested_docker.domain.ports import Kube, KubeError

logger = logging.getLogger(__name__)


class Resync:
    """Finds what the watches have missed, above all deletions, which no later event repeats.

    Args:
        kube: has the lists.
        cache: is compared.
        router: gets the differences.
        namespaces: to list; empty: all.
        injection: whether pods may ask for daemons.
    """

    def __init__(
        self, kube: Kube, cache: Cache, router: Router, namespaces: Sequence[str], *, injection: bool = False
    ) -> None:
        self._kube, self._cache, self._router = kube, cache, router
        self._namespaces: Sequence[str | None] = namespaces or [None]
        self._injection = injection

    async def run(self, interval: float) -> None:
        """Compare every `interval` seconds, until cancelled."""
        while True:
            await asyncio.sleep(interval)
            try:
                await self.once()
            except KubeError as error:
                logger.warning("the resync stopped before its end: %s", error)

    async def once(self) -> None:
        """Compare once."""
        for kind in ("Namespace", *GOVERNING_KINDS):
            await self._compare(kind, None, "")
        for namespace in self._namespaces:
            await self._compare("NestedDocker", namespace, "")
            if self._injection:
                await self.client_pods(namespace)
            for kind in CHILD_KINDS:
                await self._compare(kind, namespace, WATCH_SELECTOR)

    async def client_pods(self, namespace: str | None) -> None:
        """Compare the pods that ask for daemons; None: of all namespaces."""
        await self._compare(CLIENT_POD, namespace, INJECTION_SELECTOR)

    async def _compare(self, kind: str, namespace: str | None, labels: str) -> None:
        versions = self._cache.versions(kind)
        before = [obj for obj in self._cache.all(kind) if namespace in {None, obj["metadata"].get("namespace")}]
        listed = await self._kube.list(kind, namespace, labels=labels)
        present = {obj["metadata"]["uid"] for obj in listed}
        older = [obj for obj in listed if version_of(obj["metadata"]) < versions.get(obj["metadata"]["uid"], 0)]
        if older:
            logger.warning("%d of kind %s are older than before: etcd was probably restored", len(older), kind)
        for obj in older:
            self._cache.forget_version(obj, kind)
        for obj in listed:
            self._router.seen(kind, obj)
        for obj in before:
            if obj["metadata"]["uid"] not in present:
                logger.info("the watch missed the deletion of %s %s", kind, obj["metadata"]["name"])
                self._router.gone(kind, obj)
