"""The clock of denials of what runs (ADR 18): a grant stops it, and only a grant that lasts sets it back."""

from __future__ import annotations

from datetime import datetime, timedelta

from nested_docker.api.v1alpha1.nested_docker import Denial
from nested_docker.domain.status.conditions import parse_timestamp, timestamp

CALM = timedelta(minutes=10)
"""How long a grant must have lasted, so that the next denial has the whole grace time."""

_TRUNCATED = timedelta(seconds=1)
"""What a timestamp of whole seconds may lack; so a short denial counts as a second, however often it comes."""


def denied(before: Denial | None, now: datetime) -> Denial:
    """The clock of a denial that begins now, or goes on."""
    if before is None:
        return Denial(since=timestamp(now))
    if before.until is None:
        return before
    ended = parse_timestamp(before.until)
    if now - ended >= CALM:
        return Denial(since=timestamp(now))
    return Denial(since=timestamp(now - (ended - parse_timestamp(before.since)) - _TRUNCATED))


def granted(before: Denial | None, now: datetime) -> Denial | None:
    """The clock of a denial that has passed; None: it is forgotten."""
    if before is None:
        return None
    if before.until is None:
        return before.model_copy(update={"until": timestamp(now)})
    return None if now - parse_timestamp(before.until) >= CALM else before
