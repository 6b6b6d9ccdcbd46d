"""Who owns containers: the evidence is in what the daemon stores of each, and an image cannot carry it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from nested_docker.guard.daemon.client import escape_name, list_objects, query_daemon
from nested_docker.guard.ownership import CREATION_ANNOTATION, UID_LABEL, annotations_of, is_owned_container
from nested_docker.relay.handler import OpenUpstream

MAX_KNOWN = 20_000
"""Containers whose owner is remembered: about 3 MiB."""


class Creation:
    """The creation of one container, which does not exist for clients before the guard has verified it.

    Attributes:
        annotation: a random text by which the container is recognized.
        container: its full ID; empty: not yet known.
        verified: the container is as requested.
        absent: there is no container, or not any more.
        ended: is set at the end.
    """

    def __init__(self) -> None:
        self.annotation = secrets.token_hex(16)
        self.container = ""
        self.verified = self.absent = False
        self.ended = asyncio.Event()


class ContainerOwners:
    """The containers of one owner.

    Annotations of a container never change, so the answer for a full ID is remembered.

    Args:
        uid: the owner's UID.
    """

    def __init__(self, uid: str) -> None:
        self._uid = uid
        self._known: OrderedDict[str, bool] = OrderedDict()
        self._creations: dict[str, Creation] = {}

    @contextlib.contextmanager
    def creation(self) -> Iterator[Creation]:
        """The creation of a container, whose end `accepts` awaits. A container that is not verified is nobody's."""
        creation = Creation()
        self._creations[creation.annotation] = creation
        try:
            yield creation
        finally:
            if creation.verified:
                self._remember(creation.container, owned=True)
            creation.ended.set()
            if creation.verified or creation.absent:
                del self._creations[creation.annotation]

    async def accepts(self, container: Mapping[str, Any]) -> bool:
        """Whether a container, as inspected, is the owner's."""
        if not is_owned_container(container, self._uid):
            return False
        creation = self._creations.get(annotations_of(container).get(CREATION_ANNOTATION, ""))
        if creation is None:
            return True
        await creation.ended.wait()
        return creation.verified

    async def owns(self, open_upstream: OpenUpstream, container: str) -> bool:
        """Whether a container is the owner's; false if it does not exist.

        Args:
            open_upstream: connects to the daemon.
            container: its full ID.
        """
        if container not in self._known:
            status, inspected = await query_daemon(open_upstream, "GET", f"/containers/{escape_name(container)}/json")
            if status != HTTPStatus.OK or not isinstance(inspected, dict):
                return False
            self._remember(container, owned=await self.accepts(inspected))
        return self._known[container]

    async def list_all(self, open_upstream: OpenUpstream) -> list[Mapping[str, Any]]:
        """All containers of the owner, as listed.

        Raises:
            GuardDenied: the daemon does not list containers.
        """
        filters = quote(json.dumps({"label": [f"{UID_LABEL}={self._uid}"]}))
        listed = await list_objects(open_upstream, f"/containers/json?all=1&filters={filters}")
        return await self.only_owned(open_upstream, listed)

    async def only_owned(self, open_upstream: OpenUpstream, containers: Any) -> list[Mapping[str, Any]]:
        """The owner's containers in a list of the daemon."""
        return [each for each in containers or () if await self.owns(open_upstream, str(each["Id"]))]

    def _remember(self, container: str, *, owned: bool) -> None:
        self._known[container] = owned
        while len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)
