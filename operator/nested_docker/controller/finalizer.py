"""The finalizer, by which a NestedDocker outlives what it has in another namespace."""

from __future__ import annotations

import asyncio
import logging

from nested_docker.api.v1alpha1 import API_VERSION
from nested_docker.controller.cache import Cache
from nested_docker.controller.errors import NamespaceEnds, Outdated, WriteRejected
from nested_docker.domain import names
from nested_docker.domain.objects import Identity
from nested_docker.domain.observed import ApiRejection, Observed, Ownership
from nested_docker.domain.planning.child_diff import RemoveFinalizer
from nested_docker.domain.ports import Kube, KubeError
from nested_docker.domain.status.reasons import Reason

logger = logging.getLogger(__name__)

OUTLIVING = ("Pod", "Service", "NetworkPolicy", "Secret")
"""Kinds of which a NestedDocker has something in another namespace, if its class has its pods there."""


class Finalizer:
    """Puts it on and takes it off."""

    def __init__(self, kube: Kube, cache: Cache) -> None:
        self._kube, self._cache = kube, cache

    async def add_finalizer(self, observed: Observed, finalizers: tuple[str, ...]) -> None:
        """Put it on.

        Raises:
            Refused: the operator may not.
            NamespaceEnds: there is nothing to put it on any more.
            KubeError: try again later.
        """
        owner = observed.owner
        try:
            await self._write(observed, finalizers)
        except KubeError as error:
            if error.status != 403:
                raise
            message = (
                "what it would have in another namespace or on a node must be removed at its end, and the operator "
                f"may not put the finalizer {names.FINALIZER} on NestedDockers: {error.message}. A cluster admin adds "
                "the class's podNamespace to podNamespaces of the operator's chart, or its hostSocket.path to "
                "guardrails.hostSocketPaths"
            )
            identity = Identity("NestedDocker", owner.namespace, owner.name)
            raise WriteRejected(identity, ApiRejection(Reason.API_REJECTED, message)) from error

    async def remove_finalizer(self, observed: Observed, action: RemoveFinalizer) -> None:
        """Take it off. Where nothing depends on that yet, a lost right to do so is no reason to stop.

        Raises:
            Outdated: something is still there, and is known now.
            NamespaceEnds: the NestedDocker is gone already.
            KubeError: try again later.
        """
        try:
            await asyncio.gather(*(self._see_nothing(observed, namespace) for namespace in action.namespaces))
            await self._write(observed, action.finalizers)
        except KubeError as error:
            if error.status != 403 or observed.deleted:
                raise
            logger.warning("the finalizer stays: %s", error, extra={"nested_docker": observed.owner.name})

    async def _write(self, observed: Observed, finalizers: tuple[str, ...]) -> None:
        """Write the NestedDocker's finalizers, on what was planned with: whoever was quicker is not overwritten."""
        owner = observed.owner
        known = self._cache.get("NestedDocker", owner.namespace, owner.name)
        if known is None or known["metadata"]["uid"] != owner.uid:
            raise NamespaceEnds("the NestedDocker has just gone")
        metadata = {key: known["metadata"][key] for key in ("name", "namespace", "resourceVersion")}
        head = {"apiVersion": API_VERSION, "kind": "NestedDocker"}
        try:
            written = await self._kube.set_finalizers(head | {"metadata": metadata | {"finalizers": [*finalizers]}})
        except KubeError as error:
            if error.status == 404:
                raise NamespaceEnds("the NestedDocker has just gone") from error
            raise
        if "deletionTimestamp" in written["metadata"] and not finalizers:
            self._cache.remove(written, "NestedDocker")
        else:
            self._cache.put(written, "NestedDocker")

    async def _see_nothing(self, observed: Observed, namespace: str) -> None:
        """Make sure that a namespace has nothing of a NestedDocker that would stay there for ever.

        Raises:
            Outdated: it has.
        """
        selector = f"{names.WATCH_SELECTOR},{names.LABEL_UID}={observed.owner.uid}"
        for kind in OUTLIVING:
            for found in await self._kube.list(kind, namespace, labels=selector):
                if "deletionTimestamp" not in found["metadata"] and observed.ownership(found) == Ownership.OURS:
                    self._cache.put(found, kind)
                    raise Outdated(f"{kind} {found['metadata']['name']} is still there")
