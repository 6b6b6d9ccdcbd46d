"""Prune of containers: the guard selects them, since their labels may be those of their image."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.model import ApiRequest, ContainerPrune, ForwardPlan
from nested_docker.guard.ownership import UID_LABEL
from nested_docker.guard.rules.filters import PRUNE_FILTERS, encode_filters, parse_filters
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
    if len(until) > 1:
        raise GuardDenied("filters", "more than one until filter", status=HTTPStatus.BAD_REQUEST)
    created_before = parse_until(until[0], now=datetime.now(UTC)) if until else None
    return ForwardPlan(prune=ContainerPrune(encode_filters(selected), tuple(filters.get("label!", ())), created_before))


def parse_until(text: str, *, now: datetime) -> datetime:
    """The time of an `until` filter: a duration before now, seconds since 1970, or a time of ISO 8601.

    Args:
        text: the filter's value.
        now: the current time.

    Raises:
        GuardDenied: it has another form.
    """
    try:
        if _SECONDS.fullmatch(text):
            return datetime.fromtimestamp(float(text), UTC)
        if _DURATION.fullmatch(text):
            seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
            return now - timedelta(seconds=seconds)
        parsed = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        raise GuardDenied(
            "filters",
            f"until may not be {text!r}: use a duration such as 24h, or a time such as 2026-01-31T12:00:00",
            status=HTTPStatus.BAD_REQUEST,
        ) from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{1,9})?")
_PART = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(h|ms|m|us|ns|s)")
_DURATION = re.compile(f"(?:{_PART.pattern})+")
