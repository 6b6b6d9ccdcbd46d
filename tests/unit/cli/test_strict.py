"""Reading by hand: what the models would pass over, and what pydantic would make fit, is refused."""

from __future__ import annotations

from typing import Any

import pytest

from nested_docker.api import crd
from nested_docker.api.meta import KubeModel
from nested_docker.api.v1alpha1 import NestedDockerClassSpec, NestedDockerPolicySpec, NestedDockerSpec
from nested_docker.cli.findings import Findings, Position
from nested_docker.cli.strict import parse_model

FILE = Position("file", 1)


def problems(model: type[KubeModel], raw: Any) -> list[str]:
    findings = Findings()
    parsed = parse_model(model, raw, FILE, findings, path="spec")
    assert (parsed is None) == bool(findings.problems)
    return [problem.removeprefix("file: document 1: ") for problem in findings.problems]


FREE_FORM: dict[str, tuple[type[KubeModel], dict[str, Any]]] = {
    "podTemplate": (
        NestedDockerClassSpec,
        {"modes": ["Dind"], "podTemplate": {"spec": {"anything": {"at": [{"all": None}]}}}},
    ),
    "affinity": (NestedDockerSpec, {"scheduling": {"affinity": {"podAffinity": {"x": [{"y": None}]}}}}),
    "tolerations": (NestedDockerSpec, {"scheduling": {"tolerations": [{"key": "a", "value": None}]}}),
    "config": (NestedDockerSpec, {"engine": {"config": {"features": {"a": None}, "log-opts": {"x": "y"}}}}),
    "labels": (NestedDockerSpec, {"scheduling": {"nodeSelector": {"any.key/at-all": "x"}}}),
    "resources": (NestedDockerSpec, {"resources": {"limits": {"example.com/gpu": 1, "cpu": "500m"}}}),
}


@pytest.mark.parametrize("field", FREE_FORM)
def test_what_is_free_form_is_left_alone(field: str) -> None:
    model, raw = FREE_FORM[field]
    assert problems(model, raw) == []


POLICY: dict[str, Any] = {"namespaceSelector": {}, "allowedClasses": ["a"], "allowedModes": ["Dind"]}
CONTAINER = {"name": "a", "image": "b"}
REFUSED: dict[str, tuple[type[KubeModel], Any, list[str]]] = {
    "unknown, with a likely one": (
        NestedDockerSpec,
        {"clasName": "a"},
        ['spec.clasName: unknown field (value: "a"); did you mean className?'],
    ),
    "the models' own name": (
        NestedDockerSpec,
        {"class_name": "a"},
        ['spec.class_name: unknown field (value: "a"); did you mean className?'],
    ),
    "another case": (
        NestedDockerSpec,
        {"MODE": "Dind"},
        ['spec.MODE: unknown field (value: "Dind"); did you mean mode?'],
    ),
    "unknown, with none near": (
        NestedDockerPolicySpec,
        POLICY | {"max": {"gpus": 1}},
        ["spec.max.gpus: unknown field (value: 1); known: cpu, lifetimeSeconds, memory, storage"],
    ),
    "in a list": (
        NestedDockerSpec,
        {"workload": {"containers": [CONTAINER, CONTAINER | {"name": "c", "arg": ["x"]}]}},
        ['spec.workload.containers[1].arg: unknown field (value: ["x"]); did you mean args?'],
    ),
    "in a list in a list": (
        NestedDockerSpec,
        {"workload": {"containers": [CONTAINER | {"env": [{"name": "A", "valueForm": {}}]}]}},
        ["spec.workload.containers[0].env[0].valueForm: unknown field (value: {}); did you mean valueFrom?"],
    ),
    "in a selector": (
        NestedDockerPolicySpec,
        POLICY | {"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "Exist"}], "matchLabel": {}}},
        [
            "spec.namespaceSelector.matchExpressions[0].operator: Input should be 'In', 'NotIn', 'Exists' or "
            "'DoesNotExist' (value: \"Exist\"); did you mean Exists?",
            "spec.namespaceSelector.matchLabel: unknown field (value: {}); did you mean matchLabels?",
        ],
    ),
    "null": (
        NestedDockerSpec,
        {"engine": None},
        ["spec.engine: null is not allowed: set a value, or remove the field"],
    ),
    "null where the model has None": (
        NestedDockerSpec,
        {"mode": None},
        ["spec.mode: null is not allowed: set a value, or remove the field"],
    ),
    "text for a number": (
        NestedDockerSpec,
        {"engine": {"mtu": "1400"}},
        ['spec.engine.mtu: Input should be a valid integer (value: "1400"); write it without quotes: 1400'],
    ),
    "text for a boolean": (
        NestedDockerSpec,
        {"suspend": "true"},
        ['spec.suspend: Input should be a valid boolean (value: "true"); write it without quotes: true'],
    ),
    "another word for a boolean": (
        NestedDockerSpec,
        {"suspend": "maybe"},
        ['spec.suspend: Input should be a valid boolean (value: "maybe")'],
    ),
    "a number for text": (
        NestedDockerSpec,
        {"scheduling": {"podLabels": {"a": 1}}},
        ['spec.scheduling.podLabels.a: Input should be a valid string (value: 1); write it in quotes: "1"'],
    ),
    "a quantity": (
        NestedDockerPolicySpec,
        POLICY | {"max": {"memory": "8 GB"}},
        ['spec.max.memory: String should be a quantity (value: "8 GB"); for example 500m, 4 or 8Gi'],
    ),
    "not there": (
        NestedDockerPolicySpec,
        {"allowedModes": ["Dind"]},
        [
            "spec.allowedClasses: required field is missing",
            "spec.namespaceSelector: required field is missing",
        ],
    ),
    "twice in a set": (
        NestedDockerPolicySpec,
        POLICY | {"allowedModes": ["Dind", "Dind"]},
        ['spec.allowedModes[1]: duplicate item (value: "Dind"); remove one'],
    ),
    "twice by name": (
        NestedDockerSpec,
        {"workload": {"containers": [CONTAINER, CONTAINER | {"image": "c"}]}},
        ['spec.workload.containers[1]: duplicate name (value: ["a"]); remove one'],
    ),
    "too many entries": (
        NestedDockerSpec,
        {"resources": {"limits": {f"example.com/r{number}": 1 for number in range(17)}}},
        ["spec.resources.limits: has 17 entries, and the maximum is 16"],
    ),
    "no object": (NestedDockerSpec, ["Dind"], ['spec: Input should be an object (value: ["Dind"])']),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    model, raw, printed = REFUSED[name]
    assert problems(model, raw) == printed


def test_a_long_value_is_cut() -> None:
    [printed] = problems(NestedDockerSpec, {"engin": "x" * 5000})
    assert len(printed) < 400
    assert "…" in printed


@pytest.mark.parametrize("kind", [kind.name for kind in crd.KINDS if "spec" in kind.model.model_fields])
def test_an_unknown_field_is_refused_at_every_level_of_every_kind(kind: str) -> None:
    """Wherever the schema closes an object, a foreign key is found; nowhere else."""
    model = next(each.model for each in crd.KINDS if each.name == kind)
    closed = 0
    for raw, path in _with_a_foreign_key(crd.structural(model), ""):
        findings = Findings()
        parse_model(model, raw, FILE, findings)
        closed += 1
        assert any(f"{path}: unknown field" in problem for problem in findings.problems), path
    assert closed >= 8


def _with_a_foreign_key(schema: dict[str, Any], path: str) -> list[tuple[Any, str]]:
    """Skeletons of documents, each with one foreign key, for every closed object of a schema."""
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return []
    if "items" in schema:
        return [([inner], where) for inner, where in _with_a_foreign_key(schema["items"], f"{path}[0]")]
    found: list[tuple[Any, str]] = []
    if "properties" in schema:
        found.append(({"foreign": 1}, f"{path}.foreign".lstrip(".")))
        for name, member in schema["properties"].items():
            deeper = _with_a_foreign_key(member, f"{path}.{name}".lstrip("."))
            found += [({name: inner}, where) for inner, where in deeper]
    return found
