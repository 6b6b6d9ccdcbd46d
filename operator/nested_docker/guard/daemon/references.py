"""Look-ups of the objects that a request names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from nested_docker.api.v1alpha1.guard import GuardRules
from nested_docker.guard.daemon.client import escape_name, query_daemon
from nested_docker.guard.daemon.owners import ContainerOwners
from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.ownership import (
    ObjectKind,
    Reference,
    Requirement,
    is_owned,
    is_owned_image,
    is_valid_name,
    is_visible_image,
    not_found,
)
from nested_docker.relay.handler import OpenUpstream

Inspected = Mapping[str, Any]

NO_IMAGE = f"sha256:{'0' * 64}"
"""An ID that no image has."""


@dataclass(frozen=True)
class Found:
    """An object that a request names.

    Attributes:
        id: what replaces the name: the full ID, or the name if the kind has no IDs.
        inspected: the object, as inspected; empty: it does not exist.
    """

    id: str
    inspected: Inspected


class References:
    """Looks up objects, and checks what the request requires of them.

    Args:
        rules: the rules that apply.
        uid: the owner's UID.
        owners: the owner's containers.
        open_upstream: connects to the daemon.
    """

    def __init__(self, rules: GuardRules, uid: str, owners: ContainerOwners, open_upstream: OpenUpstream) -> None:
        self._rules, self._uid, self._owners, self._open = rules, uid, owners, open_upstream

    async def find(self, reference: Reference) -> Found:
        """Look up an object.

        Raises:
            GuardDenied: it is not what the request requires.
        """
        match reference.kind:
            case ObjectKind.CONTAINER:
                return await self._container(reference.name, reference)
            case ObjectKind.EXEC:
                return await self._exec(reference)
            case ObjectKind.NETWORK:
                return self._owned(
                    await self._inspect(f"/networks/{escape_name(reference.name)}", reference), reference
                )
            case ObjectKind.VOLUME:
                return await self._volume(reference)
            case ObjectKind.IMAGE:
                return await self._image(reference)

    async def verify(self, reference: Reference, found: Found) -> None:
        """Check a name again after the daemon has used it: it may be somebody else's by now.

        Raises:
            GuardDenied: it is.
        """
        if reference.kind is ObjectKind.VOLUME:
            inspected = await self._inspect_if_present(f"/volumes/{escape_name(reference.name)}", reference)
            if inspected and not is_owned(inspected.get("Labels"), self._uid):
                raise changed(reference)
        elif reference.kind is ObjectKind.IMAGE and reference.requirement is Requirement.OWNED_OR_ABSENT:
            await self._image(reference)
        elif _is_used_by_name(reference) and (await self._image(reference)).id != found.id:
            raise changed(reference)

    async def _container(self, name: str, reference: Reference) -> Found:
        inspected = await self._inspect(f"/containers/{escape_name(name)}/json", reference)
        if not await self._owners.accepts(inspected):
            raise not_found(reference.kind, reference.name)
        return Found(str(inspected["Id"]), inspected)

    async def _exec(self, reference: Reference) -> Found:
        inspected = await self._inspect(f"/exec/{escape_name(reference.name)}/json", reference)
        await self._container(str(inspected.get("ContainerID")), reference)
        return Found(str(inspected["ID"]), inspected)

    def _owned(self, inspected: Inspected, reference: Reference) -> Found:
        if not is_owned(inspected.get("Labels"), self._uid):
            raise not_found(reference.kind, reference.name)
        return Found(str(inspected["Name" if reference.kind is ObjectKind.VOLUME else "Id"]), inspected)

    async def _volume(self, reference: Reference) -> Found:
        inspected = await self._inspect_if_present(f"/volumes/{escape_name(reference.name)}", reference)
        if not inspected:
            if reference.requirement is Requirement.OWNED:
                raise not_found(reference.kind, reference.name)
            return Found(reference.name, {})
        if reference.requirement is not Requirement.OWNED and not is_owned(inspected.get("Labels"), self._uid):
            raise GuardDenied(
                "owner", f"the name {reference.name} is taken: choose another", status=HTTPStatus.CONFLICT
            )
        return self._owned(inspected, reference)

    async def _image(self, reference: Reference) -> Found:
        path = f"/images/{escape_name(reference.name)}/json"
        if reference.requirement is Requirement.OWNED_OR_ABSENT:
            inspected = await self._inspect_if_present(path, reference)
            if inspected and not is_owned_image(inspected, self._uid):
                raise GuardDenied(
                    "owner", f"another owner's image has the name {reference.name}: choose another",
                    status=HTTPStatus.CONFLICT,
                )  # fmt: skip
            return Found(str(inspected.get("Id", reference.name)), inspected)
        if reference.requirement is Requirement.VISIBLE_OR_ABSENT:
            inspected = await self._inspect_if_present(path, reference)
            visible = bool(inspected) and is_visible_image(inspected, self._rules, self._uid)
            return Found(str(inspected["Id"]), inspected) if visible else Found(NO_IMAGE, {})
        inspected = await self._inspect(path, reference)
        if not is_visible_image(inspected, self._rules, self._uid):
            raise not_found(reference.kind, reference.name)
        if reference.requirement is Requirement.OWNED and not is_owned_image(inspected, self._uid):
            raise GuardDenied(
                "owner",
                f"image {reference.name} is shared: you may use it, but neither tag nor remove it; build one FROM it",
            )
        return Found(str(inspected["Id"]), inspected)

    async def _inspect(self, path: str, reference: Reference) -> Inspected:
        inspected = await self._inspect_if_present(path, reference)
        if not inspected:
            raise not_found(reference.kind, reference.name)
        return inspected

    async def _inspect_if_present(self, path: str, reference: Reference) -> Inspected:
        """The object, as inspected; empty: it does not exist."""
        if not is_valid_name(reference.name, reference.kind):
            if reference.requirement is Requirement.VISIBLE_OR_ABSENT:
                return {}
            raise not_found(reference.kind, reference.name)
        status, response = await query_daemon(self._open, "GET", path)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR and reference.requirement in _MAY_BE_ABSENT:
            raise GuardDenied(
                "daemon",
                f"the node's Docker daemon cannot look up the {reference.kind} {reference.name} (status {status})",
                status=HTTPStatus.BAD_GATEWAY,
            )
        return response if status == HTTPStatus.OK and isinstance(response, dict) else {}


def changed(reference: Reference) -> GuardDenied:
    """The denial for a name that has changed its meaning during the request."""
    return GuardDenied(
        "owner",
        f"the {reference.kind} that has the name {reference.name} has changed during the request: try again",
        status=HTTPStatus.CONFLICT,
    )


def _is_used_by_name(reference: Reference) -> bool:
    """Whether the daemon gets the name of an image that is read, and not its ID."""
    is_read = reference.kind is ObjectKind.IMAGE and reference.requirement is Requirement.VISIBLE
    return is_read and not reference.location


_MAY_BE_ABSENT = frozenset({Requirement.OWNED_OR_ABSENT, Requirement.CREATED_IF_ABSENT})
"""With these, a look-up that fails must not pass as an object that does not exist."""
