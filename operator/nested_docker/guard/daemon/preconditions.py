"""The conditions that depend on the daemon's state: who owns the objects that a request names, and the quotas."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from nested_docker.api.v1alpha1.guard import GuardRules
from nested_docker.guard.daemon.client import list_objects, query_daemon
from nested_docker.guard.daemon.owners import ContainerOwners
from nested_docker.guard.daemon.references import Found, References
from nested_docker.guard.daemon.reservations import Reservations
from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.model import ForwardPlan, JsonObject, Reservation, set_at
from nested_docker.guard.ownership import UID_LABEL, ObjectKind, Reference, Requirement, not_found
from nested_docker.guard.rules import resources
from nested_docker.guard.wire.query import Query
from nested_docker.relay.handler import OpenUpstream

MAX_REFERENCES = 64
"""Objects that one request may name. Each is looked up, and in the meantime others may change."""


@dataclass(frozen=True)
class ResolvedRequest:
    """A request in which full IDs have replaced the names of objects.

    Attributes:
        path: the ID in its path; empty: the path keeps what the client wrote.
        query: its query parameters.
        body: its JSON body; None: it has none.
        found: the objects that it names.
    """

    path: str
    query: Query
    body: JsonObject | None
    found: Mapping[Reference, Found]

    @property
    def objects(self) -> tuple[str, ...]:
        """The IDs of the objects, for the audit log."""
        return tuple(dict.fromkeys(each.id for each in self.found.values()))


class Preconditions:
    """Checks the conditions of a request.

    Args:
        rules: the rules that apply.
        uid: the owner's UID.
        owners: the owner's containers.
        reservations: the quota that the owner's other requests need.
        open_upstream: connects to the daemon.
    """

    def __init__(
        self,
        rules: GuardRules,
        uid: str,
        owners: ContainerOwners,
        reservations: Reservations,
        open_upstream: OpenUpstream,
    ) -> None:
        self._rules, self._uid, self._owners = rules, uid, owners
        self._reservations, self._open = reservations, open_upstream
        self.references = References(rules, uid, owners, open_upstream)

    @contextlib.asynccontextmanager
    async def resolve(self, forward_plan: ForwardPlan) -> AsyncIterator[ResolvedRequest]:
        """Check the conditions, replace names by full IDs, and hold the quota during the `async with`.

        Raises:
            GuardDenied: a condition is not met.
            OSError: the daemon cannot be reached, or did not respond.
        """
        found = await self._find_all(forward_plan)
        request = _with_ids(forward_plan, found)
        reservation = _exact(forward_plan, found)
        if forward_plan.complete is not None and request.body is not None:
            image, mounted = found[forward_plan.references[0]].inspected, _mounted(found)
            volumes = forward_plan.complete(request.body, image, mounted)
            reservation = reservation and replace(reservation, anonymous_volumes=volumes)
        async with self._reserve(reservation):
            yield request

    async def _find_all(self, forward_plan: ForwardPlan) -> dict[Reference, Found]:
        """Look up each object once, although the request may name it in many places."""
        distinct = {(each.kind, each.name, each.requirement): each for each in forward_plan.references}
        if len(distinct) > MAX_REFERENCES:
            raise GuardDenied(
                "fields",
                f"the request names {len(distinct)} containers, networks, volumes and images: name at most "
                f"{MAX_REFERENCES}",
                status=HTTPStatus.BAD_REQUEST,
            )
        once: dict[tuple[ObjectKind, str, Requirement], Found] = {}
        for reference in forward_plan.references:
            key = (reference.kind, reference.name, reference.requirement)
            if key not in once:
                once[key] = await self._find(reference)
        return {each: once[each.kind, each.name, each.requirement] for each in forward_plan.references}

    async def _find(self, reference: Reference) -> Found:
        found = await self.references.find(reference)
        if found.inspected or reference.requirement is not Requirement.CREATED_IF_ABSENT:
            return found
        volume = {"Name": reference.name, "Labels": {UID_LABEL: self._uid}}
        async with self._reserve(Reservation(ObjectKind.VOLUME)):
            await query_daemon(self._open, "POST", "/volumes/create", volume)
        found = await self.references.find(replace(reference, requirement=Requirement.OWNED_OR_ABSENT))
        if not found.inspected:
            raise not_found(reference.kind, reference.name)
        return found

    def _reserve(self, reservation: Reservation | None) -> AbstractAsyncContextManager[None]:
        async def check(others: Sequence[Reservation]) -> None:
            if reservation is not None:
                await self._check_quota(reservation, others)

        return self._reservations.reserve(reservation, check)

    async def _check_quota(self, reservation: Reservation, others: Sequence[Reservation]) -> None:
        limits = self._rules.limits
        same = [each for each in others if each.kind is reservation.kind]
        if reservation.kind is ObjectKind.VOLUME:
            await self._check_volumes(1, others)
            return
        quota = limits.containers if reservation.kind is ObjectKind.CONTAINER else limits.networks
        owned = await self._list_owned(reservation.kind)
        if not reservation.updated_container:
            count = len(owned) + len([each for each in same if not each.updated_container])
            _check_count(reservation.kind, count, 1, quota)
        if reservation.anonymous_volumes:
            await self._check_volumes(reservation.anonymous_volumes, others)
        if reservation.kind is ObjectKind.CONTAINER and resources.has_total_limits(limits.total):
            await self._check_total(reservation, [str(each["Id"]) for each in owned], same)

    async def _check_volumes(self, new: int, others: Sequence[Reservation]) -> None:
        reserved = sum(each.anonymous_volumes + (each.kind is ObjectKind.VOLUME) for each in others)
        count = len(await self._list_owned(ObjectKind.VOLUME)) + reserved
        _check_count(ObjectKind.VOLUME, count, new, self._rules.limits.volumes)

    async def _list_owned(self, kind: ObjectKind) -> list[Mapping[str, Any]]:
        if kind is ObjectKind.CONTAINER:
            return await self._owners.list_all(self._open)
        filters = quote(json.dumps({"label": [f"{UID_LABEL}={self._uid}"]}))
        response = await list_objects(self._open, f"/{kind}s?filters={filters}")
        return list(((response or {}).get("Volumes") if kind is ObjectKind.VOLUME else response) or ())

    async def _check_total(self, reservation: Reservation, ids: list[str], others: list[Reservation]) -> None:
        limits = [each.limits for each in others]
        for each in ids:
            _, inspected = await query_daemon(self._open, "GET", f"/containers/{each}/json")
            host_config = (inspected or {}).get("HostConfig")
            if host_config is None:  # removed in the meantime
                continue
            present = resources.limits_of(host_config)
            updated = each == reservation.updated_container
            limits.append(resources.after_update(present, reservation.limits) if updated else present)
        if not reservation.updated_container:
            limits.append(reservation.limits)
        resources.check_total(limits, self._rules.limits.total)


@dataclass(frozen=True)
class Forwarding:
    """A request on its way to the daemon.

    Attributes:
        plan: its plan.
        resolved: what the daemon gets.
        references: looks up objects.
    """

    plan: ForwardPlan
    resolved: ResolvedRequest
    references: References

    async def verify(self) -> None:
        """Check the names again after the daemon has used them.

        Raises:
            GuardDenied: one of them is somebody else's by now.
        """
        for reference, found in self.resolved.found.items():
            if reference.name not in self.plan.tags:
                await self.references.verify(reference, found)


def _check_count(kind: ObjectKind, count: int, new: int, quota: int) -> None:
    if count + new <= quota:
        return
    more = "" if new == 1 else f", and the container needs {new} more"
    raise GuardDenied(
        f"limits.{kind}s", f"{count} of {quota} allowed {kind}s exist{more}: remove one that you no longer need"
    )


def _with_ids(forward_plan: ForwardPlan, found: Mapping[Reference, Found]) -> ResolvedRequest:
    document: dict[str, Any] = {
        "path": "",
        "query": {key: list(values) for key, values in forward_plan.query.items()},
        "body": copy.deepcopy(forward_plan.body),
    }
    for reference, each in found.items():
        if reference.location:
            set_at(document, reference.location, reference.id_format.format(each.id), is_key=reference.is_key)
    query = {key: tuple(values) for key, values in document["query"].items()}
    return ResolvedRequest(document["path"], query, document["body"], found)


def _exact(forward_plan: ForwardPlan, found: Mapping[Reference, Found]) -> Reservation | None:
    """The reservation with the full ID of the container that is updated."""
    reservation = forward_plan.reservation
    if reservation is None or not reservation.updated_container:
        return reservation
    return replace(reservation, updated_container=found[forward_plan.references[0]].id)


def _mounted(found: Mapping[Reference, Found]) -> set[str]:
    """Targets of the mounts that a new container takes over from others."""
    containers = [each.inspected for reference, each in found.items() if "VolumesFrom" in reference.location]
    return {str(mount.get("Destination")) for each in containers for mount in each.get("Mounts") or ()}
