"""Writes the status of a NestedDocker, and reports its transitions as Events and log lines."""

from __future__ import annotations

import logging

from nested_docker.api.v1alpha1 import API_VERSION, NestedDockerStatus
from nested_docker.controller.cache import Cache
from nested_docker.controller.outcome import Gone, Written
from nested_docker.domain.observed import Observed
from nested_docker.domain.ports import Kube, KubeError, Recorder
from nested_docker.domain.status.events import transitions

logger = logging.getLogger(__name__)


class StatusWriter:
    """One write per change."""

    def __init__(self, kube: Kube, cache: Cache, recorder: Recorder) -> None:
        self._kube, self._cache, self._recorder = kube, cache, recorder

    async def write(self, observed: Observed, status: NestedDockerStatus | None) -> Written | Gone:
        """Write a status; None: it stays as it is.

        Raises:
            KubeError: the write failed; try again later.
        """
        if status is None:
            return Written()
        owner = observed.owner
        identity = {"name": owner.name, "namespace": owner.namespace, "uid": owner.uid}
        head = {"apiVersion": API_VERSION, "kind": "NestedDocker", "metadata": identity}
        try:
            written = await self._kube.apply_status(head | {"status": status.dump()})
        except KubeError as error:
            if error.status == 404:
                return Gone("the NestedDocker has just been deleted")
            raise
        self._cache.put(written, "NestedDocker")
        self._report({"apiVersion": API_VERSION, "kind": "NestedDocker", **identity}, observed.status, status)
        return Written()

    def _report(self, regarding: dict[str, str], before: NestedDockerStatus, after: NestedDockerStatus) -> None:
        context = {"namespace": regarding["namespace"], "nested_docker": regarding["name"]}
        for step in transitions(before, after):
            self._recorder.record(regarding, step.type, step.reason, step.message)
            logger.info("%s: %s", step.reason, step.message, extra=context)
