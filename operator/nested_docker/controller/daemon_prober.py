"""First contact: daemons are dialled in the background until they answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nested_docker.controller.workqueue import Key
from nested_docker.domain.observed import ProbeResult
from nested_docker.domain.planning.planned import ProbeTarget
from nested_docker.domain.ports import Daemons

logger = logging.getLogger(__name__)

FIRST_DELAY, LAST_DELAY = 0.1, 1.0
"""Seconds between attempts: a daemon starts within one to two, so the first ones come quickly."""


@dataclass
class _Attempt:
    probe: ProbeTarget
    task: asyncio.Task[None]
    probe_result: ProbeResult | None = None


class DaemonProber:
    """The daemons that are being dialled, and those that have answered."""

    def __init__(self, daemons: Daemons, answered: Callable[[Key], None]) -> None:
        self._daemons, self._answered = daemons, answered
        self._attempts: dict[Key, _Attempt] = {}

    def probe(self, key: Key, probe: ProbeTarget, keys: Mapping[str, bytes]) -> None:
        """Dial a daemon until it answers, unless that is being done already."""
        if self.probing(key, probe):
            return
        self.forget(key)
        task = asyncio.create_task(self._persist(key, probe, keys), name=f"contact {key[0]}/{key[1]}")
        self._attempts[key] = _Attempt(probe, task)

    def probe_result(self, key: Key) -> ProbeResult | None:
        """The daemon's answer, if it has come."""
        attempt = self._attempts.get(key)
        return attempt.probe_result if attempt else None

    def probing(self, key: Key, probe: ProbeTarget) -> bool:
        """Whether exactly this daemon is being dialled or has answered."""
        attempt = self._attempts.get(key)
        return attempt is not None and attempt.probe == probe

    def forget(self, key: Key) -> None:
        """Stop dialling, and forget the answer."""
        attempt = self._attempts.pop(key, None)
        if attempt is not None:
            attempt.task.cancel()

    def close(self) -> None:
        """Stop dialling altogether."""
        for key in list(self._attempts):
            self.forget(key)

    async def _persist(self, key: Key, probe: ProbeTarget, keys: Mapping[str, bytes]) -> None:
        delay = FIRST_DELAY
        while True:
            try:
                engine = await self._daemons.ask(probe.address, probe.server_name, keys)
                break
            except OSError as error:
                logger.debug("no answer yet: %s", error, extra={"namespace": key[0], "nested_docker": key[1]})
            await asyncio.sleep(delay)
            delay = min(LAST_DELAY, delay * 1.3)
        self._attempts[key].probe_result = ProbeResult(probe.pod_uid, probe.restarts, engine)
        self._answered(key)
