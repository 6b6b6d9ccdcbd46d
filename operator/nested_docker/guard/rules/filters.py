"""Lists, events and prune: the daemon's own filter by label, and the filters that may stand beside it."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any

from nested_docker.guard.errors import MALFORMED, GuardDenied
from nested_docker.guard.model import Answer, ApiRequest, ForwardPlan, Validator
from nested_docker.guard.ownership import UID_LABEL
from nested_docker.guard.wire import strict_json as bodies
from nested_docker.guard.wire.query import one

Filters = dict[str, list[str]]


def filtered(known: AbstractSet[str], *, label: str = UID_LABEL, answer: Answer | None = None) -> Validator:
    """A judge of what the daemon narrows to one label; it takes all labels of a filter together.

    Args:
        known: filters that may be used; others would tell of what is not one's own.
        label: whose value is the owner's UID.
        answer: rewrites what the daemon answers.
    """

    def validate(api_request: ApiRequest) -> ForwardPlan:
        filters = read(one(api_request.query, "filters"), known)
        filters.setdefault("label", []).append(f"{label}={api_request.uid}")
        return ForwardPlan({**api_request.query, "filters": (write(filters),)}, answer=answer)

    return validate


def images(answer: Answer) -> Validator:
    """A judge of the list of images, whose answer is filtered: which may be seen is no matter of one label."""

    def validate(api_request: ApiRequest) -> ForwardPlan:
        filters = read(one(api_request.query, "filters"), {"dangling", "label", "label!", "reference", "until"})
        query = dict(api_request.query)
        if filters:
            query["filters"] = (write(filters),)
        return ForwardPlan(query, answer=answer)

    return validate


def read(text: str, known: AbstractSet[str]) -> Filters:
    """Filters in either of the two forms that the daemon takes.

    Raises:
        Refusal: they are in none, or one of them may not be used.
    """
    document = bodies.parse(text.encode(), maps_only=True) if text else {}
    if not isinstance(document, dict):
        raise _malformed()
    for key in document:
        if key not in known:
            raise GuardDenied(
                "filters", f"the filter {key!r} may not be used here; known are {', '.join(sorted(known))}"
            )
    return {key: _values(values) for key, values in document.items()}


def write(filters: Filters) -> str:
    """Filters in the form of today's clients."""
    return bodies.write({key: dict.fromkeys(values, True) for key, values in filters.items()}).decode()


def _values(values: Any) -> list[str]:
    if isinstance(values, dict):
        if not all(each is True for each in values.values()):
            raise _malformed()
        values = list(values)
    if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        raise _malformed()
    return values


def _malformed() -> GuardDenied:
    return GuardDenied("filters", "filters are not of the form {name: {value: true}}", status=MALFORMED)


CONTAINERS = frozenset(
    {"ancestor", "exited", "expose", "health", "id", "is-task", "label", "name", "network", "publish", "status"}
    | {"volume"}
)
EVENTS = frozenset({"container", "event", "image", "label", "type"})
NETWORKS = frozenset({"dangling", "driver", "id", "label", "name", "scope", "type"})
VOLUMES = frozenset({"dangling", "driver", "label", "name"})
PRUNE = frozenset({"label", "label!", "until"})
PRUNE_VOLUMES = frozenset({"all", "label", "label!"})
PRUNE_IMAGES = frozenset({"dangling", "label", "label!", "until"})
