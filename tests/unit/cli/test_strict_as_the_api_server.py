"""Reading by hand takes and refuses what the API server does: the tables of tests/contract, which asks a real one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.contract import governing_kinds, nested_dockers

from nested_docker.api import crd
from nested_docker.api.addresses import NOT_A_REGISTRY, NOT_AN_ADDRESS
from nested_docker.api.amounts import MINIMUM_LIMITS, SIZE_TOO_SMALL, too_small
from nested_docker.api.meta import KubeModel
from nested_docker.api.metadata import IMAGE_ID_MESSAGE
from nested_docker.api.v1alpha1 import NestedDockerClassSpec, NestedDockerPolicySpec, NestedDockerSpec
from nested_docker.api.v1alpha1.engine import FIRST_IPV4, NO_ROOM, POOL_TOO_SMALL, REGISTRY_NAME_MESSAGE, TOO_MANY
from nested_docker.api.v1alpha1.workload import KEYS_MESSAGE, RESERVED_MESSAGE, SOCKET_MESSAGE
from nested_docker.cli.findings import Findings, Position
from nested_docker.cli.strict import parse_model

ACCEPTED = {
    NestedDockerSpec: nested_dockers.ACCEPTED,
    NestedDockerClassSpec: governing_kinds.CLASSES_ACCEPTED,
    NestedDockerPolicySpec: governing_kinds.POLICIES_ACCEPTED,
}
REFUSED = {
    NestedDockerSpec: nested_dockers.REFUSED,
    NestedDockerClassSpec: governing_kinds.CLASSES_REFUSED,
    NestedDockerPolicySpec: governing_kinds.POLICIES_REFUSED,
}


def problems(model: type[KubeModel], spec: dict[str, Any]) -> list[str]:
    findings = Findings()
    if model is NestedDockerPolicySpec:
        spec = governing_kinds.GRANT | spec
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
    assert bool(problems(model, spec)) != (by_a_rule and not any(printed in message for message in RULES_OF_MODELS))


RULES_OF_POOLS = (POOL_TOO_SMALL, NO_ROOM, TOO_MANY, FIRST_IPV4)
RULES_OF_WORKLOADS = (KEYS_MESSAGE, RESERVED_MESSAGE, SOCKET_MESSAGE)
RULES_OF_MODELS = (
    *map(too_small, MINIMUM_LIMITS),
    SIZE_TOO_SMALL,
    IMAGE_ID_MESSAGE,
    NOT_AN_ADDRESS,
    NOT_A_REGISTRY,
    *RULES_OF_POOLS,
    *RULES_OF_WORKLOADS,
    REGISTRY_NAME_MESSAGE,
)
"""What the models check too, since what was stored before must count as nothing, or would end dockerd."""


def _messages(schema: Any) -> Iterator[str]:
    """What the rules in CEL say, wherever they stand."""
    if isinstance(schema, dict):
        yield from (rule["message"] for rule in schema.get("x-kubernetes-validations", []))
        for member in schema.values():
            yield from _messages(member)
