"""What is judged, and the judgement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nested_docker.api.v1alpha1.guard import GuardRules
from nested_docker.guard.ownership import Kind, Reference
from nested_docker.guard.wire.query import Query

Body = dict[str, Any]
Answer = Callable[[Any, GuardRules, str], Any]
"""Rewrites the daemon's answer, from (JSON, rules, uid): what is somebody else's is left out."""


@dataclass(frozen=True)
class ApiRequest:
    """A request that has a route.

    Attributes:
        rules: what it is judged by.
        uid: the owner's.
        name: the variable part of its path; empty: it has none.
        query: its parameters.
        body: its JSON; empty where it has none.
    """

    rules: GuardRules
    uid: str
    name: str = ""
    query: Query = field(default_factory=dict)
    body: Body = field(default_factory=dict)


@dataclass(frozen=True)
class Usage:
    """What a container may use at most; None: there is no limit.

    Attributes:
        cpu: processors.
        memory: bytes.
        pids: processes and threads.
    """

    cpu: float | None = None
    memory: int | None = None
    pids: int | None = None


@dataclass(frozen=True)
class Reservation:
    """That there must be room for one object more, or for one that changes.

    Attributes:
        kind: the object's.
        usage: of a container.
        instead_of: a container whose own usage does not count; empty: the object is a new one.
    """

    kind: Kind
    usage: Usage = Usage()
    instead_of: str = ""


@dataclass(frozen=True)
class ForwardPlan:
    """What is passed on, on conditions that only the daemon's state can tell of.

    Attributes:
        query: parameters for the daemon.
        body: JSON for the daemon; None: there is none, or it is a stream.
        references: objects that the request speaks of.
        room: maxima to look at.
        answer: rewrites the daemon's answer; None: it passes as it is.
    """

    query: Query = field(default_factory=dict)
    body: Body | None = None
    references: tuple[Reference, ...] = ()
    reservation: Reservation | None = None
    answer: Answer | None = None


Validator = Callable[[ApiRequest], ForwardPlan]


def put(document: Mapping[str, Any], place: tuple[str | int, ...], value: Any, *, renames: bool) -> None:
    """Put a full id, or a list with it, where a document has a name, which must be there."""
    inner: Any = document
    for key in place[:-1]:
        inner = inner[key]
    if renames:
        inner[value] = inner.pop(place[-1])
    else:
        inner[place[-1]] = value
