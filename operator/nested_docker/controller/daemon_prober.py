"""First contact: daemons are dialled in the background until they answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nested_docker.controller.workqueue import Key
from nested_docker.domain.observed import Contact
from nested_docker.domain.planning.plan import Dial
from nested_docker.domain.ports import Daemons

logger = logging.getLogger(__name__)

FIRST_DELAY, LAST_DELAY = 0.1, 1.0
"""Seconds between attempts: a daemon starts within one to two, so the first ones come quickly."""


@dataclass
class _Attempt:
    dial: Dial
    task: asyncio.Task[None]
    contact: Contact | None = None


class Contacts:
    """The daemons that are being dialled, and those that have answered."""

    def __init__(self, daemons: Daemons, answered: Callable[[Key], None]) -> None:
        self._daemons, self._answered = daemons, answered
        self._attempts: dict[Key, _Attempt] = {}

    def dial(self, key: Key, dial: Dial, keys: Mapping[str, bytes]) -> None:
        """Dial a daemon until it answers, unless that is being done already."""
        if self.dialling(key, dial):
            return
        self.forget(key)
        task = asyncio.create_task(self._persist(key, dial, keys), name=f"contact {key[0]}/{key[1]}")
        self._attempts[key] = _Attempt(dial, task)

    def contact(self, key: Key) -> Contact | None:
        """The daemon's answer, if it has come."""
        attempt = self._attempts.get(key)
        return attempt.contact if attempt else None

    def dialling(self, key: Key, dial: Dial) -> bool:
        """Whether exactly this daemon is being dialled or has answered."""
        attempt = self._attempts.get(key)
        return attempt is not None and attempt.dial == dial

    def forget(self, key: Key) -> None:
        """Stop dialling, and forget the answer."""
        attempt = self._attempts.pop(key, None)
        if attempt is not None:
            attempt.task.cancel()

    def close(self) -> None:
        """Stop dialling altogether."""
        for key in list(self._attempts):
            self.forget(key)

    async def _persist(self, key: Key, dial: Dial, keys: Mapping[str, bytes]) -> None:
        delay = FIRST_DELAY
        while True:
            try:
                engine = await self._daemons.ask(dial.address, dial.server_name, keys)
                break
            except OSError as error:
                logger.debug("no answer yet: %s", error, extra={"namespace": key[0], "nested_docker": key[1]})
            await asyncio.sleep(delay)
            delay = min(LAST_DELAY, delay * 1.3)
        self._attempts[key].contact = Contact(dial.pod_uid, dial.restarts, engine)
        self._answered(key)
