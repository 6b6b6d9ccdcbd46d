"""Events for `kubectl describe`, written in the background."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from typing import Any

from nested_docker.domain.names import OPERATOR, digest
from nested_docker.domain.ports import Clock, Kube, KubeError
from nested_docker.domain.shown import shorten

logger = logging.getLogger(__name__)

NOTE_BYTES = 1024
"""The longest note that the API server accepts."""

EVENT_QUEUE_CAPACITY = 1000
"""Events that may wait; further ones are dropped with a warning, as the conditions have the state anyway."""


class EventRecorder:
    """Queues Events and creates them one by one."""

    def __init__(self, kube: Kube, clock: Clock) -> None:
        self._kube, self._clock = kube, clock
        self._queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(EVENT_QUEUE_CAPACITY)
        self._instance = os.uname().nodename

    def record(self, regarding: Mapping[str, Any], type_: str, reason: str, message: str) -> None:
        """Queue an Event about an object reference (`apiVersion`, `kind`, `namespace`, `name`, `uid`)."""
        now = self._clock.now()
        suffix = digest([regarding["uid"], reason, message, now.timestamp()], 16)
        event = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": f"{regarding['name']}.{suffix}", "namespace": regarding["namespace"]},
            "regarding": dict(regarding),
            "type": type_,
            "reason": reason,
            "note": shorten(message, NOTE_BYTES - 3).encode()[:NOTE_BYTES].decode(errors="ignore"),
            "action": "Reconcile",
            "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": f"nesteddocker.dev/{OPERATOR}",
            "reportingInstance": self._instance,
        }
        try:
            self._queue.put_nowait(event)
        except asyncio.QueueFull:
            logger.warning("an Event was dropped because the queue is full", extra={"reason": reason})

    async def run(self) -> None:
        """Create the queued Events, until cancelled."""
        while True:
            event = await self._queue.get()
            try:
                await self._kube.create(event)
            except KubeError as error:
                logger.warning("an Event could not be created: %s", error, extra={"reason": event["reason"]})
