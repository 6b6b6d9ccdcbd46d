"""An API server in memory: as much of one as the engine's own tests need."""

from __future__ import annotations

import asyncio
import copy
import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from nested_docker.domain.ports import KubeError

Manifest = dict[str, Any]


class FakeClock:
    """A clock that only moves when told to; `sleep` gives others their turn."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class FakeKube:
    """Objects by kind, namespace and name, with resource versions and optimistic locking."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Manifest] = {}
        self.writes: list[str] = []
        self.failure: KubeError | None = None
        self.stall: asyncio.Event | None = None
        self._versions = itertools.count(1)

    async def create(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        await self._turn()
        location = self._place(manifest)
        if location in self.objects:
            raise KubeError(409, "AlreadyExists", f"{location} already exists")
        return manifest if dry_run else self._store("create", location, manifest)

    async def apply(self, manifest: Manifest) -> Manifest:
        await self._turn()
        location = self._place(manifest)
        return self._store("apply", location, self.objects.get(location, {}) | manifest)

    async def apply_status(self, manifest: Manifest) -> Manifest:
        return await self.apply(manifest)

    async def replace(self, manifest: Manifest) -> Manifest:
        await self._turn()
        location = self._place(manifest)
        existing = self.objects.get(location)
        wanted = manifest["metadata"].get("resourceVersion")
        if existing is None or existing["metadata"]["resourceVersion"] != wanted:
            raise KubeError(409, "Conflict", "the object has been modified")
        return self._store("replace", location, manifest)

    async def set_finalizers(self, manifest: Manifest) -> Manifest:
        await self._turn()
        location, metadata = self._place(manifest), manifest["metadata"]
        existing = self.objects.get(location)
        if existing is None:
            raise KubeError(404, "NotFound", f"{location} not found")
        if existing["metadata"]["resourceVersion"] != metadata["resourceVersion"]:
            raise KubeError(409, "Conflict", "the object has been modified")
        changed = existing | {"metadata": existing["metadata"] | {"finalizers": metadata["finalizers"]}}
        return self._store("finalize", location, changed)

    async def get(self, kind: str, namespace: str | None, name: str) -> Manifest | None:
        await self._turn()
        return copy.deepcopy(self.objects.get((kind, namespace or "", name)))

    async def list(
        self, kind: str, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> list[Manifest]:
        await self._turn()
        return [
            copy.deepcopy(obj)
            for (each, location, _), obj in self.objects.items()
            if each == kind and namespace in {None, location} and _has(obj, labels) and _is(obj, fields)
        ]

    async def delete(self, kind: str, namespace: str, name: str, uid: str) -> None:
        await self._turn()
        self.writes.append(f"delete {kind}/{name}")
        if uid in {"", self.objects.get((kind, namespace, name), {"metadata": {}})["metadata"].get("uid")}:
            self.objects.pop((kind, namespace, name), None)

    async def _turn(self) -> None:
        if self.stall is not None:
            await self.stall.wait()
        if self.failure is not None:
            raise self.failure

    def _store(self, verb: str, location: tuple[str, str, str], manifest: Manifest) -> Manifest:
        stored = copy.deepcopy(manifest)
        stored["metadata"] = {"uid": f"uid-{location[0]}-{location[2]}"} | stored["metadata"]
        stored["metadata"]["resourceVersion"] = str(next(self._versions))
        self.objects[location] = stored
        self.writes.append(f"{verb} {location[0]}/{location[2]}")
        return copy.deepcopy(stored)

    @staticmethod
    def _place(manifest: Manifest) -> tuple[str, str, str]:
        metadata = manifest["metadata"]
        return manifest["kind"], metadata.get("namespace", ""), metadata["name"]


def _has(obj: Manifest, selector: str) -> bool:
    """Whether an object has all labels of a selector of the form `a=b,c=d`."""
    wanted = dict(each.split("=", 1) for each in selector.split(",") if each)
    return wanted.items() <= obj["metadata"].get("labels", {}).items()


def _is(obj: Manifest, selector: str) -> bool:
    """Whether an object has the name that a field selector asks for, the only field that is known here."""
    wanted = dict(each.split("=", 1) for each in selector.split(",") if each)
    return wanted.get("metadata.name", obj["metadata"]["name"]) == obj["metadata"]["name"]
