"""The conditions that depend on the daemon's state: who owns the objects that a request names, and the quotas."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from nested_docker.api.v1alpha1.guard import GuardRules
from nested_docker.guard.daemon.client import escape_name, query_daemon
from nested_docker.guard.daemon.reservations import Reservations
from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.model import ForwardPlan, Reservation, set_at
from nested_docker.guard.ownership import (
    UID_LABEL,
    ObjectKind,
    Reference,
    Requirement,
    is_owned,
    is_owned_image,
    is_valid_name,
    is_visible_image,
    not_found,
)
from nested_docker.guard.rules import resources
from nested_docker.guard.wire.query import Query
from nested_docker.relay.handler import OpenUpstream


@dataclass(frozen=True)
class ResolvedRequest:
    """A request in which full IDs have replaced the names of objects.

    Attributes:
        path: the ID in its path; empty: the path keeps what the client wrote.
        query: its query parameters.
        body: its JSON body; None: it has none.
        objects: the IDs, for the audit log.
    """

    path: str
    query: Query
    body: Mapping[str, Any] | None
    objects: tuple[str, ...]


class Preconditions:
    """Checks the conditions of a request. It queries the daemon each time and caches nothing.

    Args:
        rules: the rules that apply.
        uid: the owner's UID.
        reservations: the quota that the owner's other requests need.
        open_upstream: connects to the daemon.
    """

    def __init__(self, rules: GuardRules, uid: str, reservations: Reservations, open_upstream: OpenUpstream) -> None:
        self._rules, self._uid, self._reservations, self._open = rules, uid, reservations, open_upstream

    @contextlib.asynccontextmanager
    async def resolve(self, forward_plan: ForwardPlan) -> AsyncIterator[ResolvedRequest]:
        """Check the conditions, replace names by full IDs, and hold the quota during the `async with`.

        Raises:
            GuardDenied: a condition is not met.
            OSError: the daemon cannot be reached, or did not respond.
        """
        document: dict[str, Any] = {
            "path": "",
            "query": dict(forward_plan.query),
            "body": copy.deepcopy(forward_plan.body),
        }
        ids: list[str] = []
        for reference in forward_plan.references:
            ids.append(await self._resolve_reference(reference))
            if reference.location:
                replacement: Any = reference.id_format.format(ids[-1])
                in_query = reference.location[0] == "query"
                value = (replacement,) if in_query else replacement
                set_at(document, reference.location, value, is_key=reference.is_key)
        async with self._reserve(forward_plan.reservation):
            yield ResolvedRequest(document["path"], document["query"], document["body"], tuple(ids))

    async def _resolve_reference(self, reference: Reference) -> str:
        match reference.kind:
            case ObjectKind.CONTAINER:
                return str((await self._owned_container(reference.name, reference))["Id"])
            case ObjectKind.EXEC:
                return await self._owned_exec(reference)
            case ObjectKind.NETWORK:
                inspected = await self._inspect(f"/networks/{escape_name(reference.name)}", reference)
                return self._owned_id(inspected, "Id", reference)
            case ObjectKind.VOLUME:
                return await self._volume(reference)
            case ObjectKind.IMAGE:
                return await self._image(reference)

    async def _owned_container(self, name: str, reference: Reference) -> Mapping[str, Any]:
        inspected = await self._inspect(f"/containers/{escape_name(name)}/json", reference)
        if not is_owned((inspected.get("Config") or {}).get("Labels"), self._uid):
            raise not_found(reference.kind, reference.name)
        return inspected

    async def _owned_exec(self, reference: Reference) -> str:
        inspected = await self._inspect(f"/exec/{escape_name(reference.name)}/json", reference)
        await self._owned_container(str(inspected.get("ContainerID")), reference)
        return str(inspected["ID"])

    async def _volume(self, reference: Reference) -> str:
        path = f"/volumes/{escape_name(reference.name)}"
        try:
            inspected = await self._inspect(path, reference)
        except GuardDenied:
            if reference.requirement is Requirement.OWNED:
                raise
            if reference.requirement is Requirement.OWNED_OR_ABSENT:
                return reference.name
            volume = {"Name": reference.name, "Labels": {UID_LABEL: self._uid}}
            async with self._reserve(Reservation(ObjectKind.VOLUME)):
                await query_daemon(self._open, "POST", "/volumes/create", volume)
            inspected = await self._inspect(path, reference)
        if reference.requirement is not Requirement.OWNED and not is_owned(inspected.get("Labels"), self._uid):
            raise GuardDenied(
                "owner", f"the name {reference.name} is taken: choose another", status=HTTPStatus.CONFLICT
            )
        return self._owned_id(inspected, "Name", reference)

    async def _image(self, reference: Reference) -> str:
        try:
            inspected = await self._inspect(f"/images/{escape_name(reference.name)}/json", reference)
        except GuardDenied:
            if reference.requirement is Requirement.OWNED_OR_ABSENT:
                return reference.name
            raise
        if reference.requirement is Requirement.OWNED_OR_ABSENT and not is_owned_image(inspected, self._uid):
            raise GuardDenied(
                "owner", f"another owner's image has the name {reference.name}: choose another",
                status=HTTPStatus.CONFLICT,
            )  # fmt: skip
        if reference.requirement is Requirement.OWNED and not is_owned_image(inspected, self._uid):
            if is_visible_image(inspected, self._rules, self._uid):
                raise GuardDenied("owner", f"image {reference.name} is shared: you may use it, but not remove it")
            raise not_found(reference.kind, reference.name)
        if not is_visible_image(inspected, self._rules, self._uid):
            raise not_found(reference.kind, reference.name)
        return reference.name

    def _owned_id(self, inspected: Mapping[str, Any], key: str, reference: Reference) -> str:
        if not is_owned(inspected.get("Labels"), self._uid):
            raise not_found(reference.kind, reference.name)
        return str(inspected[key])

    async def _inspect(self, path: str, reference: Reference) -> Mapping[str, Any]:
        if not is_valid_name(reference.name):
            raise not_found(reference.kind, reference.name)
        status, response = await query_daemon(self._open, "GET", path)
        if status != HTTPStatus.OK or not isinstance(response, dict):
            raise not_found(reference.kind, reference.name)
        return response

    def _reserve(self, reservation: Reservation | None) -> AbstractAsyncContextManager[None]:
        async def check(others: Sequence[Reservation]) -> None:
            if reservation is not None:
                await self._check_quota(reservation, [each for each in others if each.kind is reservation.kind])

        return self._reservations.reserve(reservation, check)

    async def _check_quota(self, reservation: Reservation, others: list[Reservation]) -> None:
        limits = self._rules.limits
        quotas = {
            ObjectKind.CONTAINER: limits.containers,
            ObjectKind.NETWORK: limits.networks,
            ObjectKind.VOLUME: limits.volumes,
        }
        owned = await self._list_owned(reservation.kind)
        count = len(owned) + len([each for each in others if not each.updated_container])
        quota = quotas[reservation.kind]
        if not reservation.updated_container and count >= quota:
            raise GuardDenied(
                f"limits.{reservation.kind}s",
                f"{count} of {quota} allowed {reservation.kind}s exist: remove one that you no longer need",
            )
        if reservation.kind is ObjectKind.CONTAINER and resources.has_total_limits(limits.total):
            await self._check_total(reservation, [str(each["Id"]) for each in owned], others)

    async def _list_owned(self, kind: ObjectKind) -> list[Mapping[str, Any]]:
        filters = quote(json.dumps({"label": [f"{UID_LABEL}={self._uid}"]}))
        paths = {
            ObjectKind.CONTAINER: f"/containers/json?all=1&filters={filters}",
            ObjectKind.NETWORK: f"/networks?filters={filters}",
            ObjectKind.VOLUME: f"/volumes?filters={filters}",
        }
        _, response = await query_daemon(self._open, "GET", paths[kind])
        return list(((response or {}).get("Volumes") if kind is ObjectKind.VOLUME else response) or ())

    async def _check_total(self, reservation: Reservation, ids: list[str], others: list[Reservation]) -> None:
        limits = [each.limits for each in others]
        updated_id = ""
        if reservation.updated_container:
            reference = Reference(ObjectKind.CONTAINER, reservation.updated_container)
            updated_id = str((await self._owned_container(reservation.updated_container, reference))["Id"])
        for each in ids:
            _, inspected = await query_daemon(self._open, "GET", f"/containers/{each}/json")
            host_config = (inspected or {}).get("HostConfig")
            if host_config is None:  # removed in the meantime
                continue
            present = resources.limits_of(host_config)
            limits.append(resources.after_update(present, reservation.limits) if each == updated_id else present)
        if not reservation.updated_container:
            limits.append(reservation.limits)
        resources.check_total(limits, self._rules.limits.total)
