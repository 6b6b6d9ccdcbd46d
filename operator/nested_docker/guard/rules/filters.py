"""Filters of lists, events and prune: the client's, and one by owner label that the daemon applies."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from http import HTTPStatus
from typing import Any

from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.model import ApiRequest, ContainersIn, ForwardPlan, ResponseFilter, Validator
from nested_docker.guard.ownership import UID_LABEL, ObjectKind, Reference, Requirement
from nested_docker.guard.rules import values
from nested_docker.guard.rules.marks import MARKS
from nested_docker.guard.rules.schema import FieldCheck, any_string
from nested_docker.guard.wire import strict_json
from nested_docker.guard.wire.query import first_value

Filters = dict[str, list[str]]


def filter_by_owner(
    known: AbstractSet[str], *, label: str = UID_LABEL, containers_in: ContainersIn | None = None
) -> Validator:
    """A validator that adds a filter by owner; the daemon requires an object to match all labels of a filter.

    Args:
        known: filters that the client may use; others would reveal other owners' objects.
        label: the label with the owner's UID.
        containers_in: where the response shows containers; None: nowhere.
    """

    def validate(api_request: ApiRequest) -> ForwardPlan:
        filters = parse_filters(first_value(api_request.query, "filters"), known)
        neighbours = _neighbours(filters, ObjectKind.CONTAINER, Requirement.OWNED)
        filters.setdefault("label", []).append(f"{label}={api_request.uid}")
        query = {**api_request.query, "filters": (encode_filters(filters),)}
        return ForwardPlan(query, references=neighbours, containers_in=containers_in)

    return validate


def filter_images(response_filter: ResponseFilter) -> Validator:
    """A validator of the list of images. No label says which are visible, so the response is filtered."""

    def validate(api_request: ApiRequest) -> ForwardPlan:
        filters = parse_filters(
            first_value(api_request.query, "filters"),
            {"before", "dangling", "label", "label!", "reference", "since", "until"},
        )
        query = dict(api_request.query)
        if filters:
            query["filters"] = (encode_filters(filters),)
        neighbours = _neighbours(filters, ObjectKind.IMAGE, Requirement.VISIBLE)
        return ForwardPlan(query, references=neighbours, response_filter=response_filter)

    return validate


def _neighbours(filters: Filters, kind: ObjectKind, requirement: Requirement) -> tuple[Reference, ...]:
    """The objects of which a list has those that were created before or since."""
    names = [*filters.get("before", ()), *filters.get("since", ())]
    return tuple(Reference(kind, name, requirement) for name in names)


def parse_filters(text: str, known: AbstractSet[str]) -> Filters:
    """Parse filters, in either of the two forms that the daemon accepts.

    Args:
        text: the query parameter.
        known: the filters that the client may use.

    Raises:
        GuardDenied: they are malformed, or one of them is not known.
    """
    document = strict_json.parse_json(text.encode(), free_keys=True) if text else {}
    document = {} if document is None else document
    if not isinstance(document, dict):
        raise _malformed()
    for key in document:
        if key not in known and document[key]:
            raise GuardDenied("filters", f"filter {key!r} is not supported here; supported: {', '.join(sorted(known))}")
    return {key: [_value(key, each) for each in _values(texts)] for key, texts in document.items() if texts}


def _value(key: str, text: str) -> str:
    return str(VALUES[key](text, f"filter {key}"))


def encode_filters(filters: Filters) -> str:
    """Filters in the form that current clients use."""
    return strict_json.encode_json({key: dict.fromkeys(values, True) for key, values in filters.items()}).decode()


def _values(texts: Any) -> list[str]:
    if isinstance(texts, dict):
        if not all(each is True for each in texts.values()):
            raise _malformed()
        texts = list(texts)
    if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
        raise _malformed()
    return texts


def _malformed() -> GuardDenied:
    return GuardDenied("filters", "filters must have the form {name: {value: true}}", status=HTTPStatus.BAD_REQUEST)


def _label(value: Any, where: str) -> str:
    """A label that clients see."""
    key = any_string(value, where).partition("=")[0]
    if key in MARKS:
        raise GuardDenied("owner", f"{where} has {key}: it is the guard's, and clients have no object with it")
    return str(value)


VALUES: Mapping[str, FieldCheck] = {
    **dict.fromkeys(
        ("ancestor", "before", "container", "driver", "event", "id", "image", "name", "network", "reference", "since"),
        any_string,
    ),
    **dict.fromkeys(("label", "label!"), _label),
    "volume": any_string,
    "all": values.BOOLEAN_WORD,
    "dangling": values.BOOLEAN_WORD,
    "is-task": values.BOOLEAN_WORD,
    "exited": values.whole_number(0, 255),
    "expose": values.PORTS,
    "publish": values.PORTS,
    "health": values.one_word("starting", "healthy", "unhealthy", "none"),
    "scope": values.one_word("local", "global", "swarm"),
    "status": values.one_word("created", "restarting", "running", "removing", "paused", "exited", "dead"),
    "type": values.one_word(
        *(
            "container",
            "image",
            "volume",
            "network",
            "daemon",
            "plugin",
            "builder",
            "node",
            "service",
            "secret",
            "config",
        ),
        *("custom", "builtin"),
    ),
    "until": values.MOMENT,
}
"""Checks of values. The daemon compares the texts that pass as they are with its objects, `name` as a regular
expression of Go and `reference` as a pattern of paths, each in linear time and among the owner's objects only."""

CONTAINER_FILTERS = frozenset(
    {"ancestor", "before", "exited", "expose", "health", "id", "is-task", "label", "name", "network", "publish"}
    | {"since", "status", "volume"}
)
EVENT_FILTERS = frozenset({"container", "event", "image", "label", "type"})
NETWORK_FILTERS = frozenset({"dangling", "driver", "id", "label", "name", "scope", "type"})
VOLUME_FILTERS = frozenset({"dangling", "driver", "label", "name"})
PRUNE_FILTERS = frozenset({"label", "label!", "until"})
PRUNE_VOLUME_FILTERS = frozenset({"all", "label", "label!"})
PRUNE_IMAGE_FILTERS = frozenset({"dangling", "label", "label!", "until"})
