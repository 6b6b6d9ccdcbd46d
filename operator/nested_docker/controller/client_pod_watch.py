"""The watch of the pods that ask for daemons.

kopf watches one selection of a kind, which is the operator's own pods. So the leader watches these pods itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from nested_docker.controller.resync import Resync
from nested_docker.controller.routing import Router
from nested_docker.domain.names import INJECTION_SELECTOR
from nested_docker.domain.objects import CLIENT_POD
from nested_docker.domain.ports import KubeError, Watches

logger = logging.getLogger(__name__)

FIRST_WAIT, MOST_WAIT = 1.0, 30.0
"""Seconds before a failed watch is repeated; the delay doubles each time."""


class ClientPodWatch:
    """Passes the pods to the router.

    Args:
        kube: has the watches.
        router: gets the pods.
        resync: finds deletions between two watches.
        namespaces: to watch; empty: all.
    """

    def __init__(self, kube: Watches, router: Router, resync: Resync, namespaces: Sequence[str]) -> None:
        self._kube, self._router, self._resync = kube, router, resync
        self._namespaces: Sequence[str | None] = namespaces or [None]

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            for namespace in self._namespaces:
                group.create_task(self._watch_again_and_again(namespace), name=f"watch of client pods in {namespace}")

    async def _watch_again_and_again(self, namespace: str | None) -> None:
        delay = FIRST_WAIT
        while True:
            try:
                await self._resync.client_pods(namespace)  # what was deleted between two watches
                await self._watch(namespace)
                delay = FIRST_WAIT
            except KubeError as error:
                logger.warning("the watch of pods that ask for daemons is repeated in %.0f s: %s", delay, error)
                await asyncio.sleep(max(delay, error.retry_after))
                delay = min(2 * delay, MOST_WAIT)

    async def _watch(self, namespace: str | None) -> None:
        async for event in self._kube.watch(CLIENT_POD, namespace, labels=INJECTION_SELECTOR):
            pass_on = self._router.gone if event.gone else self._router.seen
            pass_on(CLIENT_POD, event.obj)
