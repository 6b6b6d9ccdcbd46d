"""Reading by hand takes and refuses what the API server does: the tables of tests/contract, which asks a real one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.contract import test_governing_kinds, test_nested_docker

from nested_docker.api import crd
from nested_docker.api.meta import KubeModel
from nested_docker.api.v1alpha1 import NestedDockerClassSpec, NestedDockerPolicySpec, NestedDockerSpec
from nested_docker.cli.findings import Findings, Position
from nested_docker.cli.strict import parse_model

ACCEPTED = {
    NestedDockerSpec: test_nested_docker.ACCEPTED,
    NestedDockerClassSpec: test_governing_kinds.CLASSES_ACCEPTED,
    NestedDockerPolicySpec: test_governing_kinds.POLICIES_ACCEPTED,
}
REFUSED = {
    NestedDockerSpec: test_nested_docker.REFUSED,
    NestedDockerClassSpec: test_governing_kinds.CLASSES_REFUSED,
    NestedDockerPolicySpec: test_governing_kinds.POLICIES_REFUSED,
}


def problems(model: type[KubeModel], spec: dict[str, Any]) -> list[str]:
    findings = Findings()
    if model is NestedDockerPolicySpec:
        spec = test_governing_kinds.GRANT | spec
    parse_model(model, spec, Position("file"), findings, path="spec")
    return findings.problems


@pytest.mark.parametrize(
    ("model", "name"), [(model, name) for model, specs in ACCEPTED.items() for name in specs], ids=str
)
def test_what_it_takes_is_taken(model: type[KubeModel], name: str) -> None:
    assert problems(model, ACCEPTED[model][name]) == []


@pytest.mark.parametrize(
    ("model", "name"), [(model, name) for model, specs in REFUSED.items() for name in specs], ids=str
)
def test_what_it_refuses_is_refused_but_for_rules_in_cel(model: type[KubeModel], name: str) -> None:
    spec, printed = REFUSED[model][name]
    by_a_rule = any(printed in message or message in printed for message in _messages(crd.structural(model)))
    assert bool(problems(model, spec)) != by_a_rule


def _messages(schema: Any) -> Iterator[str]:
    """What the rules in CEL say, wherever they stand."""
    if isinstance(schema, dict):
        yield from (rule["message"] for rule in schema.get("x-kubernetes-validations", []))
        for member in schema.values():
            yield from _messages(member)
