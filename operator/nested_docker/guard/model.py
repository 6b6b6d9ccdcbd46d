"""A request as the rules see it, and the plan for forwarding it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
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
        updated_container: full ID of the container that is updated, so that its present limits do not count; empty:
            the object is a new one. In a plan it may also be a name, since the container is the plan's first reference.
        anonymous_volumes: number of volumes that a new container gets without naming them.
    """

    kind: ObjectKind
    limits: ContainerLimits = ContainerLimits()
    updated_container: str = ""
    anonymous_volumes: int = 0


class ContainersIn(StrEnum):
    """Where a response shows containers, of which the client gets only the owner's."""

    LIST = "list"
    """The response is a list of them."""
    FIELD = "field"
    """The response's field `Containers` is a list of them."""
    EVENTS = "events"
    """The response is a stream of events of containers."""
    COUNTS = "counts"
    """The response counts containers and images; for the response filter, lists of them replace the numbers."""


@dataclass(frozen=True)
class ContainerPrune:
    """A prune of containers, which the guard does itself: the daemon would select them by their labels.

    Attributes:
        filters: the filters of the list of the owner's containers that do not run.
        without_labels: labels, each with or without `=VALUE`, that no removed container has.
        created_before: the removed containers are older; None: of any age.
    """

    filters: str
    without_labels: tuple[str, ...] = ()
    created_before: datetime | None = None


@dataclass(frozen=True)
class ForwardPlan:
    """What the daemon gets, provided that the references and the quota check out.

    Attributes:
        query: query parameters for the daemon.
        body: JSON body for the daemon; None: there is none, or it is a stream.
        references: the objects that the request names.
        reservation: the quota that it needs; None: none.
        response_filter: filters the daemon's response; None: it passes unchanged.
        containers_in: where the response shows containers; None: nowhere.
        complete: completes the body of a new container by its image, which is the first reference; None: nothing does.
        prune: the guard prunes containers, and the daemon does not get the request; None: it does.
        tags: names for the image that the request creates, which the guard gives it at the end.
    """

    query: Query = field(default_factory=dict)
    body: JsonObject | None = None
    references: tuple[Reference, ...] = ()
    reservation: Reservation | None = None
    response_filter: ResponseFilter | None = None
    containers_in: ContainersIn | None = None
    complete: Completion | None = None
    prune: ContainerPrune | None = None
    tags: tuple[str, ...] = ()

    @property
    def filters_response(self) -> bool:
        """Whether the client gets another response than the daemon's."""
        return self.containers_in is not None or self.response_filter is not None


Completion = Callable[[JsonObject, Mapping[str, Any], AbstractSet[str]], int]
"""Completes the body of a new container; called with (body, its image as inspected, targets of mounts from other
containers). Returns how many volumes it gets without naming them, and raises GuardDenied."""

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
