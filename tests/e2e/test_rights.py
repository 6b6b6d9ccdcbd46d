"""The operator's own rights: what this ring has made it do is what its roles allow, and no more.

It comes last, and reads the API server's audit log of the whole ring; alone it has seen too little.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.environment import NAME, RELEASE, SYSTEM, Environment
from tests.support.cluster import HOME

ACCOUNT = f"system:serviceaccount:{SYSTEM}:{RELEASE}-operator"
AUDIT = HOME / "clusters" / NAME / "logs/audit.log"
Right = tuple[str, str, str]
"""Verb, API group, resource with its subresource."""


UNSEEN: dict[Right, str] = {
    ("update", "nesteddocker.dev", "nesteddockers/finalizers"): "asked for by admission: owner references that block",
    ("patch", "", "persistentvolumeclaims"): "marks on a claim whose creation's answer was lost",
    ("patch", "", "secrets"): "a connection Secret that somebody has changed (tests/integration/test_drift.py)",
    ("get", "", "pods"): "a pod whose creation's answer was lost (tests/integration/test_lost_answers.py)",
    **{
        (verb, "policy", "poddisruptionbudgets"): "a class that denies evictions (tests/integration/test_evictions.py)"
        for verb in ("get", "create", "patch", "delete")
    },
}
"""What is needed and yet makes no request of its own here, each with its reason."""


def granted(cluster: Environment) -> set[Right]:
    """Every right that a role of the chart gives to the operator's account."""
    rights: set[Right] = set()
    for binding in every(cluster, "clusterrolebindings,rolebindings"):
        subjects = binding.get("subjects", [])
        if not any(s.get("namespace") == SYSTEM and s["name"] == f"{RELEASE}-operator" for s in subjects):
            continue
        reference, namespace = binding["roleRef"], binding["metadata"].get("namespace", "default")
        role = Environment(cluster.kubeconfig, namespace).get(reference["kind"].lower(), reference["name"])
        for rule in role["rules"]:
            rights |= {
                (verb, group, resource)
                for verb in rule["verbs"]
                for group in rule["apiGroups"]
                for resource in rule["resources"]
            }
    return rights


def every(cluster: Environment, kinds: str) -> list[dict[str, Any]]:
    return json.loads(cluster.kubectl("get", kinds, "--all-namespaces", "-o", "json"))["items"]


def requests() -> Iterator[dict[str, Any]]:
    """What the operator has asked of the API server."""
    with AUDIT.open(encoding="utf-8") as log:
        for line in log:
            event = json.loads(line)
            if event["user"]["username"] == ACCOUNT and "objectRef" in event:
                yield event


def right(event: dict[str, Any]) -> Right:
    reference = event["objectRef"]
    resource = reference.get("resource", "")
    subresource = f"/{reference['subresource']}" if "subresource" in reference else ""
    return event["verb"], reference.get("apiGroup", ""), resource + subresource


@pytest.fixture(scope="module")
def used(cluster: Environment) -> set[Right]:
    """Every right that was made use of."""
    return {right(event) for event in requests()}


def test_nothing_was_asked_for_that_no_role_grants(cluster: Environment, used: set[Right]) -> None:
    forbidden = {
        right(event)
        for event in requests()
        if event.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid"
    }
    assert forbidden == set()
    assert used - granted(cluster) == set()


def test_no_right_is_granted_that_nothing_needs(cluster: Environment, used: set[Right]) -> None:
    assert granted(cluster) - used - UNSEEN.keys() == set()


def test_no_right_makes_more_rights(cluster: Environment) -> None:
    rights = granted(cluster)
    assert not {verb for verb, _, _ in rights} & {"*", "escalate", "bind", "impersonate", "deletecollection"}
    assert not {group for _, group, _ in rights} & {
        "*",
        "rbac.authorization.k8s.io",
        "admissionregistration.k8s.io",
        "certificates.k8s.io",
    }
    resources = {resource for _, _, resource in rights}
    assert not resources & {"*", "pods/exec", "pods/attach", "pods/portforward", "serviceaccounts/token", "nodes/proxy"}


def test_the_operator_runs_in_a_restricted_namespace(cluster: Environment) -> None:
    system = Environment(cluster.kubeconfig, SYSTEM)
    labels = system.get("namespace", SYSTEM)["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert len(system.list("pods", "app.kubernetes.io/name=nested-docker")) >= 2
