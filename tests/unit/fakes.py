"""An API server and a clock in memory: as much of both as the unit tests need."""

from __future__ import annotations

import asyncio
import copy
import itertools
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.certificates import certificate_maker
from tests.support.factory import DEFAULTS

from nested_docker.api.v1alpha1 import API_VERSION
from nested_docker.api.v1alpha1.nested_docker import EngineStatus
from nested_docker.controller.cache import Cache
from nested_docker.controller.daemon_prober import DaemonProber
from nested_docker.controller.injections import Injections
from nested_docker.controller.reconciler import Reconciler
from nested_docker.controller.routing import Router
from nested_docker.controller.session import Sessions
from nested_docker.controller.workqueue import WorkQueue
from nested_docker.domain.effective import OperatorDefaults
from nested_docker.domain.objects import CLIENT_POD
from nested_docker.domain.ports import Clock, KubeError, Recorder
from nested_docker.domain.status.conditions import timestamp

Manifest = dict[str, Any]
Location = tuple[str, str, str]
"""Kind, namespace and name."""

START = datetime(2026, 3, 1, tzinfo=UTC)
KEY = ("team-a", "build")
"""The NestedDocker of `WatchedKube`."""


class FakeClock:
    """A clock that moves only when a test sets it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class FakeKube:
    """Objects by kind, namespace and name.

    It has uids, resource versions with optimistic locking, finalizers, and a server-side apply that removes no field.

    Attributes:
        writes: each write, as verb, kind and name.
        failure: what every request fails with.
        stall: what every request waits for.
        webhook: a mutating webhook, called with `CREATE` or `UPDATE` and the object; it returns what is stored.
    """

    def __init__(self, now: Callable[[], datetime] = lambda: START) -> None:
        self.objects: dict[Location, Manifest] = {}
        self.writes: list[str] = []
        self.failure: KubeError | None = None
        self.stall: asyncio.Event | None = None
        self.webhook: Callable[[str, Manifest], Manifest] = lambda _operation, manifest: manifest
        self._now = now
        self._versions = itertools.count(1)
        self._uids: Counter[str] = Counter()

    async def create(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        await self._turn()
        location = self._place(manifest)
        admitted = self.webhook("CREATE", copy.deepcopy(manifest))
        if location in self.objects:  # the API server looks at the name after admission
            raise KubeError(409, "AlreadyExists", f"{location} already exists")
        return admitted if dry_run else self._store("create", location, admitted)

    async def apply(self, manifest: Manifest) -> Manifest:
        await self._turn()
        location = self._place(manifest)
        applied = copy.deepcopy(_applied(self.objects.get(location, {}), manifest))
        return self._store("apply", location, self.webhook("UPDATE", applied))

    async def apply_status(self, manifest: Manifest) -> Manifest:
        await self._turn()
        location = self._place(manifest)
        if location not in self.objects:
            raise KubeError(404, "NotFound", f"{location} not found")
        return self._store("status", location, self.objects[location] | {"status": manifest["status"]})

    def _client_pod(self, pod: Any) -> tuple[tuple[str, str, str], Manifest]:
        """The pod of that name and uid, and its place."""
        location = (CLIENT_POD, pod["namespace"], pod["name"])
        existing = self.objects.get(location)
        if existing is None:
            raise KubeError(404, "NotFound", f"{location} not found")
        if existing["metadata"]["uid"] != pod["uid"]:
            raise KubeError(409, "Conflict", "Precondition failed: UID in precondition")
        return location, existing

    async def remove_scheduling_gate(self, pod: Any, gate: str) -> Manifest:
        await self._turn()
        location, existing = self._client_pod(pod)
        gates = [each for each in existing["spec"].get("schedulingGates", []) if each["name"] != gate]
        return self._store("open", location, existing | {"spec": existing["spec"] | {"schedulingGates": gates}})

    async def annotate_pod(self, pod: Any, key: str, value: str) -> Manifest:
        await self._turn()
        location, existing = self._client_pod(pod)
        annotations = existing["metadata"].get("annotations", {}) | {key: value}
        metadata = existing["metadata"] | {"annotations": annotations}
        return self._store("annotate", location, existing | {"metadata": metadata})

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
        deleted = "deletionTimestamp" in existing["metadata"]
        if deleted and set(metadata["finalizers"]) - set(existing["metadata"].get("finalizers", [])):
            raise KubeError(422, "Invalid", "no new finalizers can be added if the object is being deleted")
        changed = existing | {"metadata": existing["metadata"] | {"finalizers": metadata["finalizers"]}}
        stored = self._store("finalize", location, changed)
        if deleted and not self._stays(stored):
            self._drop(location)
        return stored

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

    async def delete(self, kind: str, namespace: str, name: str, uid: str, *, grace_seconds: int | None = None) -> None:
        await self._turn()
        self.writes.append(f"delete {kind}/{name}")
        existing = self.objects.get((kind, namespace, name))
        if existing is None or uid not in {"", existing["metadata"].get("uid")}:
            return
        if self._stays(existing):
            self._mark_deleted((kind, namespace, name))
        else:
            self._drop((kind, namespace, name))

    # --- what a subclass adds ---------------------------------------------------------------------

    async def _turn(self) -> None:
        """Called at the start of every request."""
        if self.stall is not None:
            await self.stall.wait()
        if self.failure is not None:
            raise self.failure

    def _stays(self, obj: Manifest) -> bool:
        """Whether a deleted object still exists."""
        return bool(obj["metadata"].get("finalizers"))

    def _mark_deleted(self, location: Location) -> None:
        obj = self.objects[location]
        deleted = {"deletionTimestamp": timestamp(self._now())} | obj["metadata"]
        self._store("", location, obj | {"metadata": deleted})

    def _drop(self, location: Location) -> None:
        """Remove an object that nothing keeps any more."""
        del self.objects[location]

    def _store(self, verb: str, location: Location, manifest: Manifest) -> Manifest:
        """Store an object, and record the write unless `verb` is empty."""
        stored = copy.deepcopy(manifest)
        stored["metadata"] = self._given_by_server(location) | stored["metadata"]
        stored["metadata"]["resourceVersion"] = str(next(self._versions))
        self.objects[location] = stored
        if verb:
            self.writes.append(f"{verb} {location[0]}/{location[2]}")
        return copy.deepcopy(stored)

    def _given_by_server(self, location: Location) -> Manifest:
        existing = self.objects.get(location)
        if existing is not None:
            metadata = existing["metadata"]
            return {key: metadata[key] for key in ("uid", "creationTimestamp") if key in metadata}
        uid = f"uid-{location[0]}-{location[2]}"
        self._uids[uid] += 1
        number = f"-{self._uids[uid]}" if self._uids[uid] > 1 else ""
        return {"uid": uid + number, "creationTimestamp": timestamp(self._now())}

    @staticmethod
    def _place(manifest: Manifest) -> Location:
        metadata = manifest["metadata"]
        return manifest["kind"], metadata.get("namespace", ""), metadata["name"]


class WatchedKube(FakeKube):
    """An API server whose watch brings deletions, and what `put` stores, to a cache at once.

    Attributes:
        forbidden: requests without permission, as verb and kind.
        failing: requests that the API server fails to answer, as verb and kind.
        lost_answers: whether the answer to the creation of a Service is lost.
        reads: each read, as verb and kind.
    """

    def __init__(self) -> None:
        super().__init__()
        self.cache = Cache()
        self.forbidden: set[str] = set()
        self.failing: set[str] = set()
        self.lost_answers = False
        self.reads: list[str] = []

    async def create(self, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
        made = await super().create(manifest, dry_run=dry_run)
        if self.lost_answers and made["kind"] == "Service":
            raise KubeError(0, "NoAnswer", "the line was cut")
        return made

    async def set_finalizers(self, manifest: Manifest) -> Manifest:
        self._check("patch", "NestedDocker", read=False)
        return await super().set_finalizers(manifest)

    async def get(self, kind: str, namespace: str | None, name: str) -> Manifest | None:
        self._check("get", kind)
        return await super().get(kind, namespace, name)

    async def list(self, kind: str, namespace: str | None = None, *, labels: str = "", fields: str = "") -> Any:
        self._check("list", kind)
        return await super().list(kind, namespace, labels=labels, fields=fields)

    async def annotate_pod(self, pod: Any, key: str, value: str) -> Manifest:
        self._check("annotate", CLIENT_POD, read=False)
        return await super().annotate_pod(pod, key, value)

    async def delete(self, kind: str, namespace: str, name: str, uid: str, *, grace_seconds: int | None = None) -> None:
        self._check("delete", kind, read=False)
        await super().delete(kind, namespace, name, uid, grace_seconds=grace_seconds)

    def _mark_deleted(self, location: Location) -> None:
        super()._mark_deleted(location)
        self.cache.put(self.objects[location], location[0])

    def _drop(self, location: Location) -> None:
        self.cache.remove(self.objects[location], location[0])
        super()._drop(location)

    def _check(self, verb: str, kind: str, *, read: bool = True) -> None:
        self.reads += [f"{verb} {kind}"] if read else []
        if f"{verb} {kind}" in self.forbidden:
            raise KubeError(403, "Forbidden", f"cannot {verb} {kind}")
        if f"{verb} {kind}" in self.failing:
            raise KubeError(500, "InternalError", f"cannot {verb} {kind} now")

    def put(self, kind: str, namespace: str, name: str, **fields: Any) -> Manifest:
        """Store an object; the watch brings it."""
        metadata = {"name": name, "namespace": namespace} | fields.get("metadata", {})
        given = {"apiVersion": API_VERSION, "kind": kind, "spec": {}} | fields
        obj = self._store("put", (kind, namespace, name), given | {"metadata": metadata})
        self.cache.put(obj, kind)
        return obj

    def again(self, obj: Manifest) -> None:
        """Store a changed object, which counts as nobody's write; the watch brings it."""
        location = self._place(obj)
        self.cache.put(self._store("", location, obj), location[0])

    def mark_deleted(self) -> None:
        """Somebody deletes the NestedDocker, which has a finalizer."""
        obj = self.objects["NestedDocker", *KEY]
        self.again(obj | {"metadata": obj["metadata"] | {"deletionTimestamp": "2026-03-01T00:01:00Z"}})

    def vanish(self) -> None:
        """The NestedDocker is removed, whatever finalizers it has."""
        self._drop(("NestedDocker", *KEY))

    def there(self) -> list[str]:
        """Kinds of the objects in the pod namespace."""
        return sorted(kind for kind, namespace, _ in self.objects if namespace == "daemons")

    def conditions(self) -> dict[str, Manifest]:
        """The NestedDocker's conditions by type."""
        return {each["type"]: each for each in self.objects["NestedDocker", *KEY]["status"]["conditions"]}


class Silent:
    """Daemons that do not answer, and a recorder that records nothing."""

    async def ask(self, *_: Any) -> EngineStatus:
        raise ConnectionError

    def record(self, *_: Any) -> None:
        """Not needed here."""


class Answering:
    """Daemons that answer at once."""

    async def ask(self, *_: Any) -> EngineStatus:
        return EngineStatus(version="28.5.2")


def reconciler_of(
    kube: WatchedKube,
    recorder: Recorder | None = None,
    clock: Clock | None = None,
    *,
    answers: bool = False,
    defaults: OperatorDefaults = DEFAULTS,
    injections: Injections | None = None,
) -> Reconciler:
    """A reconciler; its daemons do not answer, unless `answers`."""
    silent, time = Silent(), clock or FakeClock()
    return Reconciler(
        cache=kube.cache,
        router=Router(kube.cache, WorkQueue()),
        kube=kube,
        certificates=certificate_maker(),
        prober=DaemonProber(Answering() if answers else silent, lambda _key: None, time.now),
        recorder=recorder or silent,
        clock=time,
        defaults=defaults,
        sessions=Sessions(),
        injections=injections,
    )


async def taken(queue: WorkQueue) -> list[str]:
    """The names of the NestedDockers in a queue, which is empty then."""
    names = []
    while len(queue):
        key = await queue.get()
        names.append(key[1])
        queue.done(key)
    return names


_ATOMIC = frozenset({"selector", "podSelector"})
"""Mappings that server-side apply replaces as a whole."""


def _applied(existing: Manifest, applied: Manifest) -> Manifest:
    """What server-side apply makes of both: it merges mappings key by key, and replaces lists other than sets."""
    merged = dict(existing)
    for key, value in applied.items():
        before = existing.get(key)
        if isinstance(value, dict) and isinstance(before, dict) and key not in _ATOMIC:
            merged[key] = _applied(before, value)
        elif key == "finalizers" and before:
            merged[key] = [*before, *(each for each in value if each not in before)]
        elif key == "ownerReferences" and before:
            uids = {each["uid"] for each in value}
            merged[key] = [*(each for each in before if each.get("uid") not in uids), *value]
        else:
            merged[key] = value
    return merged


def _has(obj: Manifest, selector: str) -> bool:
    """Whether an object has all labels of a selector of the form `a=b,c`."""
    labels = obj["metadata"].get("labels", {})
    wanted = (each.partition("=") for each in selector.split(",") if each)
    return all(key in labels and (not equals or labels[key] == value) for key, equals, value in wanted)


def _is(obj: Manifest, selector: str) -> bool:
    """Whether an object has the name in a field selector; the other fields are not known here."""
    wanted = dict(each.split("=", 1) for each in selector.split(",") if each)
    return wanted.get("metadata.name", obj["metadata"]["name"]) == obj["metadata"]["name"]
