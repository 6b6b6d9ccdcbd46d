"""Creates, finds, awaits and deletes NestedDockers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from nested_docker.client.cluster import Cluster
from nested_docker.client.errors import NotFoundError, NotReadyError, user_error
from nested_docker.client.patience import PatientCluster
from nested_docker.client.progress import DaemonStage, Progress, progress_of
from nested_docker.client.request import check_name
from nested_docker.domain.objects import Manifest
from nested_docker.domain.ports import KubeError

KIND = "NestedDocker"
POLL_SECONDS = 0.4
STALLED_SECONDS = 10.0
"""How long a NestedDocker may be stalled before waiting ends: some causes pass, such as a failed pull."""
SILENT_SECONDS = 20.0
"""After so long without any status the message says that the operator may not run."""

OnProgress = Callable[[Progress], None]


async def find(kube: Cluster, namespace: str, name: str) -> Manifest:
    """The NestedDocker of that name.

    Raises:
        InvalidRequestError: no NestedDocker can have the name.
        NotFoundError: it does not exist; the remedy names those that do.
        NestedDockerError: the cluster cannot be asked.
    """
    check_name(name)
    found = await look_up(kube, namespace, name)
    if found is not None:
        return found
    try:
        others = sorted(each["metadata"]["name"] for each in await kube.list(KIND, namespace))
    except KubeError as error:
        raise user_error(error, f"find NestedDocker {name}") from error
    remedy = f"there are {', '.join(others[:10])}" if others else f"create it: nested-docker create {name}"
    raise NotFoundError(f"NestedDocker {name} does not exist in namespace {namespace}", remedy)


async def look_up(kube: Cluster, namespace: str, name: str) -> Manifest | None:
    """The NestedDocker of that name, or None.

    Raises:
        NestedDockerError: the cluster cannot be asked.
    """
    try:
        return await kube.get(KIND, namespace, name)
    except KubeError as error:
        raise user_error(error, f"read NestedDocker {name}") from error


async def list_all(kube: Cluster, namespace: str | None) -> list[Manifest]:
    """The NestedDockers of a namespace, or of all, by namespace and name.

    Raises:
        NestedDockerError: the cluster cannot be asked.
    """
    try:
        found = await kube.list(KIND, namespace)
    except KubeError as error:
        raise user_error(error, "list NestedDockers") from error
    return sorted(found, key=lambda each: (each["metadata"].get("namespace", ""), each["metadata"]["name"]))


async def create(kube: Cluster, manifest: Manifest, *, dry_run: bool = False) -> Manifest:
    """Create a NestedDocker.

    Raises:
        NestedDockerError: the cluster rejects it.
    """
    try:
        return await kube.create(manifest, dry_run=dry_run)
    except KubeError as error:
        raise user_error(error, f"create NestedDocker {manifest['metadata']['name']}") from error


async def dry_run_create(kube: Cluster, manifest: Manifest) -> tuple[Manifest, list[str]]:
    """What `create` would create now, and the cluster's warnings; nothing is created.

    Raises:
        NestedDockerError: the cluster rejects it.
    """
    try:
        return await kube.dry_run_create(manifest)
    except KubeError as error:
        raise user_error(error, f"create NestedDocker {manifest['metadata']['name']}") from error


async def wait_until_ready(
    kube: Cluster, namespace: str, name: str, *, seconds: float, on_progress: OnProgress = lambda _: None
) -> Manifest:
    """Wait until clients can connect.

    Args:
        kube: the API server.
        namespace: the NestedDocker's namespace.
        name: the NestedDocker's name.
        seconds: until when.
        on_progress: gets each step once.

    Raises:
        NotReadyError: it never becomes ready, is stalled, or the time is over; it has the condition's message.
        NestedDockerError: the NestedDocker is gone, or the API server refuses, or fails until the time is over.
    """
    watcher = _Watcher(name, seconds, on_progress)
    patient = PatientCluster(kube, time.monotonic() + seconds)
    while True:
        nested_docker = await find(patient, namespace, name)
        if watcher.is_ready(progress_of(nested_docker)):
            return nested_docker
        await asyncio.sleep(POLL_SECONDS)


async def delete(kube: Cluster, nested_docker: Manifest, *, seconds: float = 0) -> None:
    """Delete a NestedDocker.

    Args:
        kube: the API server.
        nested_docker: the object.
        seconds: how long to wait until it is gone, and to ask an API server again that fails; 0: not at all.

    Raises:
        NestedDockerError: the cluster refuses.
        NotReadyError: it is still there after that time.
    """
    metadata = nested_docker["metadata"]
    name, namespace, uid = metadata["name"], metadata["namespace"], metadata.get("uid", "")
    deadline = time.monotonic() + seconds
    patient = PatientCluster(kube, deadline)
    try:
        await patient.delete(KIND, namespace, name, uid)
    except KubeError as error:
        raise user_error(error, f"delete NestedDocker {name}") from error
    while seconds and (left := await look_up(patient, namespace, name)) and left["metadata"].get("uid", "") == uid:
        if time.monotonic() > deadline:
            held = ", ".join(left["metadata"].get("finalizers") or []) or "none"
            raise NotReadyError("", f"NestedDocker {name} is still being deleted (finalizers: {held})", "wait")
        await asyncio.sleep(POLL_SECONDS)


class _Watcher:
    """Judges each step of a wait."""

    def __init__(self, name: str, seconds: float, on_progress: OnProgress) -> None:
        self._name, self._seconds, self._on_progress = name, seconds, on_progress
        self._started = time.monotonic()
        self._stalled: tuple[str, float] | None = None
        self._last: Progress | None = None

    def is_ready(self, progress: Progress) -> bool:
        """Whether clients can connect; raises NotReadyError when waiting has no point any more."""
        now = time.monotonic()
        if progress != self._last:
            self._last = progress
            self._on_progress(progress)
        if progress.stage is DaemonStage.READY:
            return True
        if progress.stage is DaemonStage.ENDED or self._stalled_for(progress, now) > STALLED_SECONDS:
            raise NotReadyError(progress.reason, self._problem(progress), f"nested-docker why {self._name}")
        if now - self._started > self._seconds:
            raise NotReadyError(
                progress.reason,
                f"{self._problem(progress)} (waited {self._seconds:g} s)",
                f"wait longer by --timeout, or: nested-docker why {self._name}",
            )
        return False

    def _stalled_for(self, progress: Progress, now: float) -> float:
        if progress.stage is not DaemonStage.STALLED:
            self._stalled = None
            return 0
        if self._stalled is None or self._stalled[0] != progress.reason:
            self._stalled = progress.reason, now
        return now - self._stalled[1]

    def _problem(self, progress: Progress) -> str:
        silent = not progress.reason and time.monotonic() - self._started > min(SILENT_SECONDS, self._seconds)
        hint = "; is it running?" if silent else ""
        reason = f" ({progress.reason})" if progress.reason else ""
        return f"NestedDocker {self._name} is not ready{reason}: {progress.message}{hint}"
