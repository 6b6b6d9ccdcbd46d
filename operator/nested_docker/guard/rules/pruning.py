"""Prune of containers: the guard selects them, since their labels may be those of their image."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus

from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.model import ApiRequest, ContainerPrune, ForwardPlan
from nested_docker.guard.ownership import UID_LABEL
from nested_docker.guard.rules.filters import PRUNE_FILTERS, encode_filters, parse_filters
from nested_docker.guard.rules.values import moment
from nested_docker.guard.wire.query import first_value

NOT_RUNNING = ("created", "exited", "dead")
"""States of the containers that a prune removes."""


def validate_container_prune(api_request: ApiRequest) -> ForwardPlan:
    """`POST /containers/prune`."""
    filters = parse_filters(first_value(api_request.query, "filters"), PRUNE_FILTERS)
    selected = {
        "label": [*filters.get("label", ()), f"{UID_LABEL}={api_request.uid}"],
        "status": list(NOT_RUNNING),
    }
    until = filters.get("until", ())
    if len(until) > 1 or "" in until:
        raise GuardDenied("filters", "filter until must have one value", status=HTTPStatus.BAD_REQUEST)
    created_before = moment(until[0], now=datetime.now(UTC)) if until else None
    return ForwardPlan(prune=ContainerPrune(encode_filters(selected), tuple(filters.get("label!", ())), created_before))
