"""Probes: the operator asks a new daemon for its version, in the background, until it answers."""

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
"""Seconds between attempts. A daemon starts within one to two seconds, so the first attempts come quickly."""


@dataclass
class Probe:
    """One daemon that is being probed.

    Attributes:
        target: the daemon.
        result: its answer; None: it has not answered yet.
    """

    target: ProbeTarget
    result: ProbeResult | None = None
    _task: asyncio.Task[None] | None = None

    def cancel(self) -> None:
        """Stop asking."""
        if self._task is not None:
            self._task.cancel()

    def run(self, task: asyncio.Task[None]) -> None:
        """Keep the task that asks, so that it can be cancelled."""
        self._task = task


class DaemonProber:
    """Starts probes.

    Args:
        daemons: how a daemon is asked.
        answered: called with the key of a NestedDocker when its daemon has answered.
        failed: called with the kind of each failure.
    """

    def __init__(
        self, daemons: Daemons, answered: Callable[[Key], None], failed: Callable[[str], None] = lambda _kind: None
    ) -> None:
        self._daemons, self._answered, self._failed = daemons, answered, failed

    def start(self, key: Key, target: ProbeTarget, keys: Mapping[str, bytes]) -> Probe:
        """Ask a daemon until it answers or the probe is cancelled."""
        probe = Probe(target)
        probe.run(asyncio.create_task(self._persist(key, probe, keys), name=f"probe {key[0]}/{key[1]}"))
        return probe

    async def _persist(self, key: Key, probe: Probe, keys: Mapping[str, bytes]) -> None:
        target, delay = probe.target, FIRST_DELAY
        while True:
            try:
                engine = await self._daemons.ask(target.address, target.server_name, keys)
                break
            except OSError as error:
                self._failed(type(error).__name__)
                logger.debug("no answer yet: %s", error, extra={"namespace": key[0], "nested_docker": key[1]})
            except Exception as error:
                self._failed(type(error).__name__)
                delay = LAST_DELAY
                context = {"namespace": key[0], "nested_docker": key[1]}
                logger.exception("a defect in the operator: a daemon's answer could not be read", extra=context)
            await asyncio.sleep(delay)
            delay = min(LAST_DELAY, delay * 1.3)
        probe.result = ProbeResult(target.pod_uid, target.restarts, engine)
        self._answered(key)
