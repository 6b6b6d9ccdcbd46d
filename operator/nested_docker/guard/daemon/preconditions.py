"""What only the daemon's state can tell: whose the objects are that a request speaks of, and whether there is room."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from nested_docker.api.v1alpha1.guard import GuardRules
from nested_docker.guard.daemon.client import ask, escaped
from nested_docker.guard.daemon.reservations import Reservations
from nested_docker.guard.errors import CONFLICT, GuardDenied
from nested_docker.guard.model import ForwardPlan, Reservation, put
from nested_docker.guard.ownership import (
    UID_LABEL,
    Kind,
    Need,
    Reference,
    absent,
    is_own,
    is_plain,
    owns_image,
    sees_image,
)
from nested_docker.guard.rules import resources
from nested_docker.guard.wire.query import Query
from nested_docker.relay.handler import OpenUpstream


@dataclass(frozen=True)
class Resolved:
    """A request with the full ids of what it speaks of.

    Attributes:
        path: the id that stands in its path; empty: what the client wrote.
        query: its parameters.
        body: its JSON; None: it has none.
        objects: the ids, for the audit.
    """

    path: str
    query: Query
    body: Mapping[str, Any] | None
    objects: tuple[str, ...]


class Preconditions:
    """Looks at the daemon afresh for each request: nothing is remembered, so nothing can be out of date.

    Args:
        rules: what requests are judged by.
        uid: the owner's.
        making: what the owner's requests are making.
        open_upstream: connects to the daemon.
    """

    def __init__(self, rules: GuardRules, uid: str, reservations: Reservations, open_upstream: OpenUpstream) -> None:
        self._rules, self._uid, self._reservations, self._open = rules, uid, reservations, open_upstream

    @contextlib.asynccontextmanager
    async def resolve(self, forward_plan: ForwardPlan) -> AsyncIterator[Resolved]:
        """See to it that the conditions of a verdict hold while it is passed on, and fill in the ids.

        Raises:
            Refusal: one of them does not.
            OSError: the daemon cannot be reached, or gave no answer.
        """
        document: dict[str, Any] = {
            "path": "",
            "query": dict(forward_plan.query),
            "body": copy.deepcopy(forward_plan.body),
        }
        ids: list[str] = []
        for reference in forward_plan.references:
            ids.append(await self._meet(reference))
            if reference.place:
                whole: Any = reference.form.format(ids[-1])
                in_query = reference.place[0] == "query"
                put(document, reference.place, (whole,) if in_query else whole, renames=reference.renames)
        async with self._reservation(forward_plan.reservation):
            yield Resolved(document["path"], document["query"], document["body"], tuple(ids))

    async def _meet(self, reference: Reference) -> str:
        match reference.kind:
            case Kind.CONTAINER:
                return str((await self._own_container(reference.name, reference))["Id"])
            case Kind.EXEC:
                return await self._own_exec(reference)
            case Kind.NETWORK:
                found = await self._get(f"/networks/{escaped(reference.name)}", reference)
                return self._own(found, found.get("Labels"), "Id", reference)
            case Kind.VOLUME:
                return await self._volume(reference)
            case Kind.IMAGE:
                return await self._image(reference)

    async def _own_container(self, name: str, reference: Reference) -> Mapping[str, Any]:
        found = await self._get(f"/containers/{escaped(name)}/json", reference)
        if not is_own((found.get("Config") or {}).get("Labels"), self._uid):
            raise absent(reference.kind, reference.name)
        return found

    async def _own_exec(self, reference: Reference) -> str:
        found = await self._get(f"/exec/{escaped(reference.name)}/json", reference)
        await self._own_container(str(found.get("ContainerID")), reference)
        return str(found["ID"])

    async def _volume(self, reference: Reference) -> str:
        path = f"/volumes/{escaped(reference.name)}"
        try:
            found = await self._get(path, reference)
        except GuardDenied:
            if reference.need is Need.OWN:
                raise
            if reference.need is Need.FREE:
                return reference.name
            made = {"Name": reference.name, "Labels": {UID_LABEL: self._uid}}
            async with self._reservation(Reservation(Kind.VOLUME)):
                await ask(self._open, "POST", "/volumes/create", made)
            found = await self._get(path, reference)
        if reference.need is not Need.OWN and not is_own(found.get("Labels"), self._uid):
            raise GuardDenied("owner", f"the name {reference.name} is taken: choose another", status=CONFLICT)
        return self._own(found, found.get("Labels"), "Name", reference)

    async def _image(self, reference: Reference) -> str:
        try:
            found = await self._get(f"/images/{escaped(reference.name)}/json", reference)
        except GuardDenied:
            if reference.need is Need.FREE:
                return reference.name
            raise
        if reference.need is Need.FREE and not owns_image(found, self._uid):
            raise GuardDenied("owner", f"the name {reference.name} is another's image: choose another", status=CONFLICT)
        if reference.need is Need.OWN and not owns_image(found, self._uid):
            if sees_image(found, self._rules, self._uid):
                raise GuardDenied("owner", f"the image {reference.name} is everyone's: it may be used, and not removed")
            raise absent(reference.kind, reference.name)
        if not sees_image(found, self._rules, self._uid):
            raise absent(reference.kind, reference.name)
        return reference.name

    def _own(self, found: Mapping[str, Any], labels: Mapping[str, str] | None, key: str, reference: Reference) -> str:
        if not is_own(labels, self._uid):
            raise absent(reference.kind, reference.name)
        return str(found[key])

    async def _get(self, path: str, reference: Reference) -> Mapping[str, Any]:
        if not is_plain(reference.name):
            raise absent(reference.kind, reference.name)
        status, answer = await ask(self._open, "GET", path)
        if status != 200 or not isinstance(answer, dict):
            raise absent(reference.kind, reference.name)
        return answer

    def _reservation(self, wanted: Reservation | None) -> AbstractAsyncContextManager[None]:
        async def check(others: Sequence[Reservation]) -> None:
            if wanted is not None:
                await self._check_quota(wanted, [each for each in others if each.kind is wanted.kind])

        return self._reservations.reservation(wanted, check)

    async def _check_quota(self, reservation: Reservation, others: list[Reservation]) -> None:
        limits = self._rules.limits
        most = {Kind.CONTAINER: limits.containers, Kind.NETWORK: limits.networks, Kind.VOLUME: limits.volumes}
        there = await self._all_own(reservation.kind)
        count = len(there) + len([each for each in others if not each.instead_of])
        if not reservation.instead_of and count >= most[reservation.kind]:
            raise GuardDenied(
                f"limits.{reservation.kind}s", f"there are {count} {reservation.kind}s, and no more may be made"
            )
        if reservation.kind is Kind.CONTAINER and resources.has_total(limits.total):
            await self._check_total(reservation, [str(each["Id"]) for each in there], others)

    async def _all_own(self, kind: Kind) -> list[Mapping[str, Any]]:
        filters = quote(json.dumps({"label": [f"{UID_LABEL}={self._uid}"]}))
        paths = {
            Kind.CONTAINER: f"/containers/json?all=1&filters={filters}",
            Kind.NETWORK: f"/networks?filters={filters}",
            Kind.VOLUME: f"/volumes?filters={filters}",
        }
        _, answer = await ask(self._open, "GET", paths[kind])
        return list(((answer or {}).get("Volumes") if kind is Kind.VOLUME else answer) or ())

    async def _check_total(self, reservation: Reservation, ids: list[str], others: list[Reservation]) -> None:
        usages = [each.usage for each in others]
        changing = ""
        if reservation.instead_of:
            reference = Reference(Kind.CONTAINER, reservation.instead_of)
            changing = str((await self._own_container(reservation.instead_of, reference))["Id"])
        for each in ids:
            _, found = await ask(self._open, "GET", f"/containers/{each}/json")
            host = (found or {}).get("HostConfig")
            if host is None:  # gone meanwhile
                continue
            now = resources.usage(host)
            usages.append(resources.merged(now, reservation.usage) if each == changing else now)
        if not reservation.instead_of:
            usages.append(reservation.usage)
        resources.check_total(usages, self._rules.limits.total)
