"""Responses that show containers: only the owner's pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nested_docker.guard.daemon.client import TooLargeError, json_or_none, list_objects
from nested_docker.guard.daemon.owners import ContainerOwners
from nested_docker.guard.model import ContainersIn, JsonObject
from nested_docker.guard.wire import strict_json
from nested_docker.relay.handler import OpenUpstream

MAX_EVENT = 2**20
"""Bytes of one event."""


async def filter_containers(
    open_upstream: OpenUpstream, owners: ContainerOwners, document: Any, containers_in: ContainersIn | None
) -> Any:
    """A response without others' containers.

    Args:
        open_upstream: connects to the daemon.
        owners: the owner's containers.
        document: the response's JSON.
        containers_in: where it shows containers; None: nowhere.
    """
    if containers_in is ContainersIn.LIST:
        return await owners.only_owned(open_upstream, document)
    if containers_in is ContainersIn.FIELD and isinstance(document, dict):
        return {**document, "Containers": await owners.only_owned(open_upstream, document.get("Containers"))}
    if containers_in is ContainersIn.COUNTS and isinstance(document, dict):
        images = await list_objects(open_upstream, "/images/json?all=1")
        return {**document, "Containers": await owners.list_all(open_upstream), "Images": images}
    return document


class EventFilter:
    """Keeps the events of the owner's containers. The daemon selects events by labels, which images carry.

    An event of a container that is gone passes only if the guard has looked the container up before.

    Args:
        open_upstream: connects to the daemon.
        owners: the owner's containers.
        translate: maps an event of the daemon's API version to the client's.
    """

    def __init__(
        self, open_upstream: OpenUpstream, owners: ContainerOwners, translate: Callable[[JsonObject], JsonObject]
    ) -> None:
        self._open, self._owners, self._translate = open_upstream, owners, translate
        self._line = b""

    async def feed(self, data: bytes) -> bytes:
        """The part of the stream that passes: whole lines.

        Raises:
            TooLargeError: an event is too large.
        """
        *lines, self._line = (self._line + data).split(b"\n")
        if len(self._line) > MAX_EVENT:
            raise TooLargeError
        return b"".join([await self._event(each) for each in lines])

    async def _event(self, line: bytes) -> bytes:
        event = json_or_none(line)
        if not isinstance(event, dict) or event.get("Type") != "container":
            return b""
        actor = event.get("Actor")
        if not isinstance(actor, dict) or not await self._owners.owns(self._open, str(actor.get("ID"))):
            return b""
        return strict_json.encode_json(self._translate(event)) + b"\n"
