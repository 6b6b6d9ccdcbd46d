"""Whose pods an affinity is about, whatever form it has."""

from __future__ import annotations

from typing import Any

import pytest

from nested_docker.api.v1alpha1.nested_docker import AffinitySpec
from nested_docker.domain.admission.affinity import selects_other_namespaces

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
TERM: dict[str, Any] = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {}}

OWN: dict[str, dict[str, Any]] = {
    "nothing": {},
    "no terms": {REQUIRED: [], PREFERRED: None},
    "a required term": {REQUIRED: [TERM]},
    "a preferred term": {PREFERRED: [{"weight": 1, "podAffinityTerm": TERM}]},
    "its own namespace by name": {REQUIRED: [TERM | {"namespaces": ["team-a"]}]},
    "empty namespaces": {REQUIRED: [TERM | {"namespaces": [], "namespaceSelector": None}]},
    "null namespaces": {REQUIRED: [TERM | {"namespaces": None}]},
    "a label of that name": {REQUIRED: [TERM | {"labelSelector": {"matchLabels": {"namespaces": "all"}}}]},
}
OTHERS: dict[str, dict[str, Any]] = {
    "every namespace": {REQUIRED: [TERM | {"namespaceSelector": {}}]},
    "namespaces by label": {REQUIRED: [TERM | {"namespaceSelector": {"matchLabels": {"team": "b"}}}]},
    "another namespace": {REQUIRED: [TERM | {"namespaces": ["team-b"]}]},
    "another one next to its own": {REQUIRED: [TERM | {"namespaces": ["team-a", "team-b"]}]},
    "the second term": {REQUIRED: [TERM, TERM | {"namespaceSelector": {}}]},
    "a preferred term": {PREFERRED: [{"weight": 100, "podAffinityTerm": TERM | {"namespaceSelector": {}}}]},
    "a preferred term with another namespace": {PREFERRED: [{"podAffinityTerm": {"namespaces": ["kube-system"]}}]},
    "a preferred term that is not an object": {PREFERRED: [{"weight": 1, "podAffinityTerm": "all"}]},
    "a kind of terms that nobody knows": {"requiredDuringExecution": [{"namespaceSelector": {}}]},
    "terms that are not a list": {REQUIRED: TERM | {"namespaceSelector": {}}},
    "terms that are text": {REQUIRED: "all"},
    "a term that is a list": {REQUIRED: [[TERM]]},
    "namespaces that are text": {REQUIRED: [TERM | {"namespaces": "team-a"}]},
    "a selector that is a list": {REQUIRED: [TERM | {"namespaceSelector": []}]},
}


@pytest.mark.parametrize("kind", ["podAffinity", "podAntiAffinity"])
@pytest.mark.parametrize("terms", OWN.values(), ids=OWN)
def test_pods_of_the_own_namespace(kind: str, terms: dict[str, Any]) -> None:
    assert not selects_other_namespaces(AffinitySpec.model_validate({kind: terms}), "team-a")


@pytest.mark.parametrize("kind", ["podAffinity", "podAntiAffinity"])
@pytest.mark.parametrize("terms", OTHERS.values(), ids=OTHERS)
def test_pods_of_other_namespaces(kind: str, terms: dict[str, Any]) -> None:
    assert selects_other_namespaces(AffinitySpec.model_validate({kind: terms}), "team-a")


def test_an_affinity_for_nodes_is_about_no_pods() -> None:
    affinity = AffinitySpec.model_validate({"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"namespaces": ["b"]}]}}})
    assert not selects_other_namespaces(affinity, "team-a")
