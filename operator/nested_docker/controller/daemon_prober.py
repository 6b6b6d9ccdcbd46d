"""Probes: the operator asks a new daemon for its version, in the background, until it answers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from nested_docker.controller.probe_error import kind_of
from nested_docker.controller.workqueue import Key
from nested_docker.domain.observed import ProbeFailure, ProbeResult
from nested_docker.domain.planning.planned import ProbeTarget
from nested_docker.domain.ports import Daemons
from nested_docker.domain.shown import shorten
from nested_docker.domain.status.conditions import timestamp

logger = logging.getLogger(__name__)

FIRST_DELAY, LAST_DELAY = 0.1, 1.0
"""Seconds between attempts. A daemon starts within one to two seconds, so the first attempts come quickly."""

REPORT_AFTER = 15.0
"""Seconds without an answer until the failure is reported, and least seconds until another one is."""

ERROR_LENGTH = 500
"""Characters of an error in a message."""


@dataclass
class Probe:
    """One daemon that is being probed.

    Attributes:
        target: the daemon.
        result: its answer; None: it has not answered yet.
        failure: why it has not answered for a while; None: it has, or it is too early to say.
        reported: when the probe began or its latest failure was reported, in seconds of the prober's clock.
    """

    target: ProbeTarget
    result: ProbeResult | None = None
    failure: ProbeFailure | None = None
    reported: float = 0.0
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
        changed: called with the key of a NestedDocker when its daemon has answered, and when it has not for a while.
        now: the current time, with its time zone.
        failed: called with the kind of each failure.
        monotonic: seconds of a clock that never goes back.
    """

    def __init__(
        self,
        daemons: Daemons,
        changed: Callable[[Key], None],
        now: Callable[[], datetime],
        failed: Callable[[str], None] = lambda _kind: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._daemons, self._changed, self._now = daemons, changed, now
        self._failed, self._monotonic = failed, monotonic

    def start(self, key: Key, target: ProbeTarget, keys: Mapping[str, bytes]) -> Probe:
        """Ask a daemon until it answers or the probe is cancelled."""
        probe = Probe(target, reported=self._monotonic())
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
                self._report(key, probe, error)
                logger.debug("no answer yet: %s", error, extra={"namespace": key[0], "nested_docker": key[1]})
            except Exception as error:
                self._failed(type(error).__name__)
                self._report(key, probe, error)
                delay = LAST_DELAY
                context = {"namespace": key[0], "nested_docker": key[1]}
                logger.exception("a defect in the operator: a daemon's answer could not be read", extra=context)
            await asyncio.sleep(delay)
            delay = min(LAST_DELAY, delay * 1.3)
        time = max(timestamp(self._now()), target.ready_since)
        probe.result, probe.failure = ProbeResult(target.pod_uid, target.restarts, engine, time), None
        self._changed(key)

    def _report(self, key: Key, probe: Probe, error: Exception) -> None:
        """Keep a failure that lasts, so that the NestedDocker's condition has it."""
        now, target = self._monotonic(), probe.target
        if now - probe.reported < REPORT_AFTER:
            return
        text = shorten(str(error) or type(error).__name__, ERROR_LENGTH)
        failure = ProbeFailure(target.pod_uid, target.restarts, kind_of(error), text, REPORT_AFTER)
        if failure != probe.failure:
            probe.failure, probe.reported = failure, now
            self._changed(key)
