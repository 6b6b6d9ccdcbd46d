"""What the Python API uses of the API server."""

from __future__ import annotations

from typing import Protocol

from nested_docker.domain.objects import Manifest


class Cluster(Protocol):
    """What this package uses of the API server; `KubeClient` has it. Every method may raise `KubeError`."""

    async def create(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Create an object."""

    async def dry_run_create(self, manifest: Manifest) -> tuple[Manifest, list[str]]:
        """What `create` would create now, and the API server's warnings; nothing is created."""

    async def get(self, kind: str, namespace: str | None, name: str) -> Manifest | None:
        """An object, or None."""

    async def list(self, kind: str, namespace: str | None = None) -> list[Manifest]:
        """Objects of a kind."""

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        """Delete an object."""
