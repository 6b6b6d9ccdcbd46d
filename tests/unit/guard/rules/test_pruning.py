"""Prune of containers."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from tests.unit.guard.decisions import UID, denial, forwarded

from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.ownership import UID_LABEL
from nested_docker.guard.rules.pruning import parse_until

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def test_the_guard_selects_what_a_prune_removes() -> None:
    filters = '{"label":{"a=b":true},"label!":["c","d=e"],"until":["1h"]}'
    plan = forwarded("POST", "/containers/prune", filters=filters)
    assert plan.prune is not None
    assert plan.prune.without_labels == ("c", "d=e")
    assert plan.prune.created_before is not None
    assert json.loads(plan.prune.filters) == {
        "label": {"a=b": True, f"{UID_LABEL}={UID}": True},
        "status": {"created": True, "exited": True, "dead": True},
    }
    everything = forwarded("POST", "/containers/prune").prune
    assert everything is not None
    assert everything.created_before is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("24h", NOW - timedelta(days=1)),
        ("1h30m", NOW - timedelta(minutes=90)),
        ("1.5s", NOW - timedelta(seconds=1.5)),
        ("500ms", NOW - timedelta(milliseconds=500)),
        ("1767225600", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01", datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026-01-01T12:00:00", datetime(2026, 1, 1, 12, tzinfo=UTC)),
        ("2026-01-01T12:00:00+01:00", datetime(2026, 1, 1, 11, tzinfo=UTC)),
    ],
)
def test_times(text: str, expected: datetime) -> None:
    assert parse_until(text, now=NOW) == expected


@pytest.mark.parametrize("text", ["", "h", "1d", "-1h", "yesterday", "9" * 40, "999999999999h", "999999999999", "1e9"])
def test_other_times_are_denied(text: str) -> None:
    with pytest.raises(GuardDenied) as denied:
        parse_until(text, now=NOW)
    assert denied.value.message == (
        f"until may not be {text!r}: use a duration such as 24h, or a time such as 2026-01-31T12:00:00"
    )
    assert denied.value.status == 400


def test_a_prune_has_one_time() -> None:
    assert denial("POST", "/containers/prune", filters='{"until":["1h","2h"]}').message == "more than one until filter"
