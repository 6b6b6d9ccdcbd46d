"""Fencing: writes reach the API server only while this replica holds the lease."""

from __future__ import annotations

from collections.abc import Callable

from nested_docker.domain.kube_types import ObjectMeta
from nested_docker.domain.objects import Manifest
from nested_docker.domain.ports import Kube


class Fenced:
    """The API server, with a check of the lease before every write."""

    def __init__(self, kube: Kube, check: Callable[[], None]) -> None:
        self._kube, self._check = kube, check

    async def create(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """As `Kube.create`."""
        self._check()
        return await self._kube.create(manifest, dry_run=dry_run)

    async def apply(self, manifest: Manifest) -> Manifest:
        """As `Kube.apply`."""
        self._check()
        return await self._kube.apply(manifest)

    async def apply_status(self, manifest: Manifest) -> Manifest:
        """As `Kube.apply_status`."""
        self._check()
        return await self._kube.apply_status(manifest)

    async def replace(self, manifest: Manifest) -> Manifest:
        """As `Kube.replace`."""
        self._check()
        return await self._kube.replace(manifest)

    async def set_finalizers(self, manifest: Manifest) -> Manifest:
        """As `Kube.set_finalizers`."""
        self._check()
        return await self._kube.set_finalizers(manifest)

    async def remove_scheduling_gate(self, pod: ObjectMeta, gate: str) -> Manifest:
        """As `Kube.remove_scheduling_gate`."""
        self._check()
        return await self._kube.remove_scheduling_gate(pod, gate)

    async def annotate_pod(self, pod: ObjectMeta, key: str, value: str) -> Manifest:
        """As `Kube.annotate_pod`."""
        self._check()
        return await self._kube.annotate_pod(pod, key, value)

    async def delete(self, kind: str, namespace: str, name: str, uid: str, *, grace_seconds: int | None = None) -> None:
        """As `Kube.delete`."""
        self._check()
        await self._kube.delete(kind, namespace, name, uid, grace_seconds=grace_seconds)

    async def get(self, kind: str, namespace: str | None, name: str) -> Manifest | None:
        """As `Kube.get`."""
        return await self._kube.get(kind, namespace, name)

    async def list(
        self, kind: str, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> list[Manifest]:
        """As `Kube.list`."""
        return await self._kube.list(kind, namespace, labels=labels, fields=fields)
