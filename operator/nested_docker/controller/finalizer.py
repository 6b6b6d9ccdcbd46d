"""The finalizer of a NestedDocker, which keeps it until its objects in other namespaces and on nodes are gone."""

from __future__ import annotations

import asyncio
import logging

from nested_docker.api.v1alpha1 import API_VERSION
from nested_docker.controller.cache import Cache
from nested_docker.controller.outcome import Gone, Rejected, Stale, WriteOutcome, Written
from nested_docker.domain import names
from nested_docker.domain.objects import Identity
from nested_docker.domain.observed import ApiRejection, Observed, Ownership
from nested_docker.domain.planning.child_diff import RemoveFinalizer
from nested_docker.domain.ports import Kube, KubeError
from nested_docker.domain.status.reasons import Reason

logger = logging.getLogger(__name__)

REMOTE_KINDS = ("Pod", "Service", "NetworkPolicy", "PodDisruptionBudget", "Secret")
"""Kinds of the objects that a NestedDocker has in its class's pod namespace."""


class FinalizerWriter:
    """Adds the finalizer and removes it."""

    def __init__(self, kube: Kube, cache: Cache) -> None:
        self._kube, self._cache = kube, cache

    async def add(self, observed: Observed, finalizers: tuple[str, ...]) -> Written | Rejected | Gone:
        """Add it; `Rejected` where the operator has no permission.

        Raises:
            KubeError: try again later.
        """
        try:
            return await self._write(observed, finalizers)
        except KubeError as error:
            if error.status != 403:
                raise
            message = (
                "objects in another namespace or on a node must be removed when the NestedDocker ends, and the "
                f"operator has no permission to add the finalizer {names.FINALIZER}: {error.message}. A cluster admin "
                "adds the class's podNamespace to podNamespaces of the operator's chart, or its hostSocket.path "
                "to guardrails.hostSocketPaths"
            )
            owner = observed.owner
            identity = Identity("NestedDocker", owner.namespace, owner.name)
            return Rejected(identity, ApiRejection(Reason.API_REJECTED, message))

    async def remove(self, observed: Observed, action: RemoveFinalizer) -> WriteOutcome:
        """Remove it; `Stale` if an object still exists in one of the namespaces.

        While the NestedDocker lives nothing depends on the removal, so a lost permission is only logged.

        Raises:
            KubeError: try again later.
        """
        try:
            for found in await asyncio.gather(*(self._remaining(observed, each) for each in action.namespaces)):
                if found is not None:
                    return found
            return await self._write(observed, action.finalizers)
        except KubeError as error:
            if error.status != 403 or observed.deleted:
                raise
            logger.warning("the finalizer stays: %s", error, extra={"nested_docker": observed.owner.name})
            return Written()

    async def _write(self, observed: Observed, finalizers: tuple[str, ...]) -> Written | Gone:
        """Write the finalizers with the resourceVersion of the plan, so that nobody's change is overwritten."""
        owner = observed.owner
        known = self._cache.get("NestedDocker", owner.namespace, owner.name)
        if known is None or known["metadata"]["uid"] != owner.uid:
            return Gone("the NestedDocker has just gone")
        metadata = {key: known["metadata"][key] for key in ("name", "namespace", "resourceVersion")}
        head = {"apiVersion": API_VERSION, "kind": "NestedDocker"}
        try:
            written = await self._kube.set_finalizers(head | {"metadata": metadata | {"finalizers": [*finalizers]}})
        except KubeError as error:
            if error.status == 404:
                return Gone("the NestedDocker has just gone")
            raise
        if "deletionTimestamp" in written["metadata"] and not finalizers:
            self._cache.remove(written, "NestedDocker")
        else:
            self._cache.put(written, "NestedDocker")
        return Written()

    async def _remaining(self, observed: Observed, namespace: str) -> Stale | None:
        """An object of the NestedDocker in a namespace where no garbage collector would remove it."""
        selector = f"{names.WATCH_SELECTOR},{names.LABEL_UID}={observed.owner.uid}"
        for kind in REMOTE_KINDS:
            for found in await self._kube.list(kind, namespace, labels=selector):
                if "deletionTimestamp" not in found["metadata"] and observed.ownership(found) == Ownership.OURS:
                    self._cache.put(found, kind)
                    return Stale(f"{kind} {found['metadata']['name']} still exists")
        return None
