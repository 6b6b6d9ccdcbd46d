"""Prune of containers."""

from __future__ import annotations

import json

import pytest
from tests.unit.guard.decisions import UID, denial, forwarded

from nested_docker.guard.ownership import UID_LABEL


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


@pytest.mark.parametrize("until", ['["1h","2h"]', '[""]'])
def test_a_prune_has_one_time(until: str) -> None:
    denied = denial("POST", "/containers/prune", filters=f'{{"until":{until}}}')
    assert denied.message == "filter until must have one value"
