"""Node cleanup: starts cleanup pods after guarded pods have ended, and removes the finalizers of those pods."""

from __future__ import annotations

import logging
from datetime import datetime
from functools import partial

from nested_docker.api.v1alpha1 import API_VERSION
from nested_docker.controller.cache import Cache
from nested_docker.controller.failure import requesting
from nested_docker.controller.workqueue import Key
from nested_docker.domain import names
from nested_docker.domain.effective import OperatorDefaults
from nested_docker.domain.objects import Identity, Manifest
from nested_docker.domain.planning import node_cleanup as cleanup
from nested_docker.domain.planning.node_cleanup import CleanupOutcome, ReleasePod, Retry, Start, Step, Wait
from nested_docker.domain.planning.pod_state import PodState
from nested_docker.domain.ports import Clock, Kube, KubeError, Recorder
from nested_docker.domain.status.reasons import Reason

logger = logging.getLogger(__name__)

EVENT_BY_OUTCOME = {
    CleanupOutcome.NODE_GONE: (
        "Warning",
        Reason.NODE_GONE,
        "node {node} is gone: the operator cannot remove what clients made there. It has the owner UID {owner}",
    ),
    CleanupOutcome.CLEAN: ("Normal", Reason.CLEANED_UP, "node {node} is clean: {result}"),
}
"""Type, reason and message of the Event for an outcome; the others have none."""


class CleanupRejectedError(KubeError):
    """The API server does not create a cleanup pod.

    Attributes:
        description: the message of the condition.
    """

    def __init__(self, namespace: str, error: KubeError) -> None:
        super().__init__(error.status, error.reason, error.message, error.retry_after)
        self.description = (
            f"the operator cannot create a cleanup pod in namespace {namespace}, to remove what clients made: "
            f"{error.message.rstrip('.')}. It retries from time to time"
        )


class Cleaner:
    """Works on pods that have ended and whose nodes may need cleanup; their NestedDocker may be gone.

    Nothing is remembered between two calls: the pods' finalizers say what remains.
    """

    def __init__(self, kube: Kube, cache: Cache, recorder: Recorder, clock: Clock, defaults: OperatorDefaults) -> None:
        self._kube, self._cache, self._recorder, self._clock = kube, cache, recorder, clock
        self._defaults = defaults

    async def clean(self, key: Key) -> datetime | None:
        """Take the next step for each of a NestedDocker's pods.

        Returns:
            When to call again at the latest; None: when something happens.

        Raises:
            CleanupRejectedError: the API server does not create a cleanup pod; try again later.
            RequestFailed: another request failed; try again later.
        """
        pods_needing_cleanup = cleanup.pods_needing_cleanup(self._cache.children(key).items())
        pods = {cleanup.identity(pod, self._defaults): pod for _, pod in pods_needing_cleanup}
        looks: list[datetime | None] = []
        failures: list[KubeError] = []
        for mine, pod in pods.items():
            try:
                looks.append(await self._advance(key, mine, pod, [*pods.values()]))
            except KubeError as error:  # the other nodes are cleaned up nevertheless
                failures.append(error)
        for mine, found in self._cache.cleanups(key).items():
            if not any(mine == wanted and cleanup.needs_cleanup(self._now(pod)) for wanted, pod in pods.items()):
                await self._remove(mine, found)
        if failures:
            raise failures[0]
        return min((look for look in looks if look is not None), default=None)

    async def _advance(
        self, key: Key, mine: Identity, pod: Manifest, pods_needing_cleanup: list[Manifest]
    ) -> datetime | None:
        found = self._cache.cleanups(key).get(mine)
        match await self._step(key, pod, found, [other for other in pods_needing_cleanup if other is not pod]):
            case Wait(until):
                return until
            case Start(manifest):
                await self._start(key, pod, manifest)
            case Retry():
                assert found is not None  # noqa: S101 - narrows the type: there is one to try again
                await self._remove(mine, found)
            case ReleasePod(outcome):
                await self._release_pod(key, pod, outcome, found)
        return None

    async def _step(self, key: Key, pod: Manifest, found: Manifest | None, others: list[Manifest]) -> Step:
        """The next step. The API server, not the cache, says that a node is gone."""
        node = PodState(pod).node
        exists = self._cache.get("Node", "", node) is not None
        decide = partial(
            cleanup.step,
            pod,
            found,
            owner=key,
            others=others,
            now=self._clock.now(),
            defaults=self._defaults,
        )
        next_ = decide(node_exists=exists)
        if next_ != ReleasePod(CleanupOutcome.NODE_GONE):
            return next_
        with requesting("read", Identity("Node", "", node)):
            exists = bool(await self._kube.list("Node", fields=f"metadata.name={node}"))
        return decide(node_exists=True) if exists else next_

    async def _start(self, key: Key, pod: Manifest, manifest: Manifest) -> None:
        try:
            self._cache.put(await self._kube.create(manifest), "Pod")
        except KubeError as error:
            if error.reason == "AlreadyExists" and await self._finds(key, Identity.of(manifest)):
                return
            message = (
                f"the operator cannot create a cleanup pod for node {PodState(pod).node}: {error.message.rstrip('.')}. "
                "It retries from time to time"
            )
            self._report(key, pod, "Warning", Reason.CLEANUP_FAILED, message)
            raise CleanupRejectedError(manifest["metadata"]["namespace"], error) from error

    async def _finds(self, key: Key, mine: Identity) -> bool:
        """Whether an unknown cleanup pod is ours, after a lost answer, or gone again."""
        return not await self._look_up(mine) or mine in self._cache.cleanups(key)

    async def _release_pod(self, key: Key, pod: Manifest, outcome: CleanupOutcome, found: Manifest | None) -> None:
        metadata = pod["metadata"]
        kept = [finalizer for finalizer in metadata["finalizers"] if finalizer != names.FINALIZER]
        head = {name: metadata[name] for name in ("name", "namespace", "resourceVersion")}
        released = {"apiVersion": "v1", "kind": "Pod", "metadata": head | {"finalizers": kept}}
        try:
            with requesting("update", Identity.of(pod)):
                written = await self._kube.set_finalizers(released)
        except KubeError as error:
            if error.status == 404:
                self._cache.remove(pod, "Pod")
                return
            if error.status == 409:  # somebody has changed it, and the watch has not brought that yet
                await self._look_up(Identity.of(pod))
            raise
        self._cache.put(written, "Pod")
        if outcome in EVENT_BY_OUTCOME:
            type_, reason, message = EVENT_BY_OUTCOME[outcome]
            result = _termination_message(found) if found is not None else ""
            owner = cleanup.owner_uid(pod)
            self._report(key, pod, type_, reason, message.format(node=PodState(pod).node, result=result, owner=owner))

    async def _look_up(self, identity: Identity) -> bool:
        """Read an object into the cache; whether it exists."""
        with requesting("read", identity):
            found = await self._kube.get(identity.kind, identity.namespace, identity.name)
        if found is not None:
            self._cache.put(found, identity.kind)
        return found is not None

    async def _remove(self, identity: Identity, found: Manifest) -> None:
        if "deletionTimestamp" not in found["metadata"]:
            with requesting("delete", identity):
                await self._kube.delete(identity.kind, identity.namespace, identity.name, found["metadata"]["uid"])

    def _now(self, pod: Manifest) -> Manifest:
        """The pod as the cache has it now; empty metadata if it is gone."""
        metadata = pod["metadata"]
        return self._cache.get("Pod", metadata["namespace"], metadata["name"]) or {"metadata": {}}

    def _report(self, key: Key, pod: Manifest, type_: str, reason: Reason, message: str) -> None:
        """Record an Event on the NestedDocker, or on the pod if that is gone."""
        owner = self._cache.get("NestedDocker", *key)
        if owner is not None and owner["metadata"]["uid"] == cleanup.owner_uid(pod):
            regarding = {"apiVersion": API_VERSION, "kind": "NestedDocker", **_reference(owner)}
        else:
            regarding = {"apiVersion": "v1", "kind": "Pod", **_reference(pod)}
        self._recorder.record(regarding, type_, reason, message)
        logger.info("%s: %s", reason, message, extra={"namespace": key[0], "nested_docker": key[1]})


def _reference(obj: Manifest) -> dict[str, str]:
    return {key: obj["metadata"][key] for key in ("name", "namespace", "uid")}


def _termination_message(cleanup_pod: Manifest) -> str:
    statuses = cleanup_pod.get("status", {}).get("containerStatuses", [])
    words = (status.get("state", {}).get("terminated", {}).get("message", "") for status in statuses)
    return next((word.strip() for word in words if word), "nothing was left")
