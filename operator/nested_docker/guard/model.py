"""A request as the rules see it, and the plan for forwarding it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nested_docker.api.v1alpha1.guard import GuardRules
from nested_docker.guard.ownership import ObjectKind, Reference
from nested_docker.guard.wire.query import Query

JsonObject = dict[str, Any]
ResponseFilter = Callable[[Any, GuardRules, str], Any]
"""Removes other owners' objects from the JSON of a response; called with (JSON, rules, owner's UID)."""


@dataclass(frozen=True)
class ApiRequest:
    """A request for a known route.

    Attributes:
        rules: the rules that apply to it.
        uid: UID of the NestedDocker that sends it.
        name: the variable part of its path; empty if the route has none.
        query: its query parameters.
        body: its JSON body; empty if it has none.
    """

    rules: GuardRules
    uid: str
    name: str = ""
    query: Query = field(default_factory=dict)
    body: JsonObject = field(default_factory=dict)


@dataclass(frozen=True)
class ContainerLimits:
    """Resource limits of one container, or of all together; None means unlimited.

    Attributes:
        cpu: CPUs.
        memory: bytes.
        pids: processes and threads.
    """

    cpu: float | None = None
    memory: int | None = None
    pids: int | None = None


@dataclass(frozen=True)
class Reservation:
    """Quota that a request needs to create an object, or to update a container.

    Attributes:
        kind: the kind of object.
        limits: the container's limits.
        updated_container: the container that is updated, so that its present limits do not count; empty: the object
            is a new one.
    """

    kind: ObjectKind
    limits: ContainerLimits = ContainerLimits()
    updated_container: str = ""


@dataclass(frozen=True)
class ForwardPlan:
    """What the daemon gets, provided that the references and the quota check out.

    Attributes:
        query: query parameters for the daemon.
        body: JSON body for the daemon; None: there is none, or it is a stream.
        references: the objects that the request names.
        reservation: the quota that it needs; None: none.
        response_filter: filters the daemon's response; None: it passes unchanged.
    """

    query: Query = field(default_factory=dict)
    body: JsonObject | None = None
    references: tuple[Reference, ...] = ()
    reservation: Reservation | None = None
    response_filter: ResponseFilter | None = None


Validator = Callable[[ApiRequest], ForwardPlan]
"""Applies a route's rules to a request; raises GuardDenied."""


def set_at(document: Mapping[str, Any], location: tuple[str | int, ...], value: Any, *, is_key: bool) -> None:
    """Replace the name of an object in a document with its full ID.

    Args:
        document: the document, which has something at `location`.
        location: the keys that lead to the name.
        value: the full ID, or a list with it.
        is_key: the name is the last key itself and not the value there.
    """
    inner: Any = document
    for key in location[:-1]:
        inner = inner[key]
    if is_key:
        inner[value] = inner.pop(location[-1])
    else:
        inner[location[-1]] = value
