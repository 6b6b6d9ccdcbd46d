"""Asks an API server again that is overloaded, restarts or does not answer."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from nested_docker.client.cluster import Cluster
from nested_docker.domain.objects import Manifest
from nested_docker.domain.ports import KubeError

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0

_T = TypeVar("_T")


class PatientCluster:
    """An API server whose passing errors are errors only at the deadline.

    Args:
        kube: the API server.
        deadline: until when it is asked again, as `time.monotonic` counts.
    """

    def __init__(self, kube: Cluster, deadline: float) -> None:
        self._kube, self._deadline = kube, deadline

    async def create(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        """Create an object, once: if the answer is lost, the object may exist."""
        return await self._kube.create(manifest, dry_run=dry_run)

    async def dry_run_create(self, manifest: Manifest) -> tuple[Manifest, list[str]]:
        """What `create` would create now, and the API server's warnings."""
        return await self._patiently(lambda: self._kube.dry_run_create(manifest))

    async def get(self, kind: str, namespace: str | None, name: str) -> Manifest | None:
        """An object, or None."""
        return await self._patiently(lambda: self._kube.get(kind, namespace, name))

    async def list(self, kind: str, namespace: str | None = None) -> list[Manifest]:
        """Objects of a kind."""
        return await self._patiently(lambda: self._kube.list(kind, namespace))

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        """Delete an object; it is no error if an answer was lost and it is gone already."""
        await self._patiently(lambda: self._kube.delete(kind, namespace, name, uid))

    async def _patiently(self, ask: Callable[[], Awaitable[_T]]) -> _T:
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return await ask()
            except KubeError as error:
                wait = max(pause * random.uniform(0.5, 1), error.retry_after)  # noqa: S311 - spreads clients
                if not is_passing(error) or time.monotonic() + wait > self._deadline:
                    raise
            await asyncio.sleep(wait)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def is_passing(error: KubeError) -> bool:
    """Whether the same request may succeed later, without anybody's doing."""
    no_answer = error.status == 0 and error.reason == "NoAnswer"
    return no_answer or error.status == 429 or error.status >= 500
