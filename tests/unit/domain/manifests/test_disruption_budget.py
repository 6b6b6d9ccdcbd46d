"""A class that denies evictions: a PodDisruptionBudget keeps the pod, and goes when the pod has no more to do."""

from __future__ import annotations

import pytest
from tests.support.factory import AWAY, HOME, OWNER, class_spec
from tests.unit.snapshot import matches_snapshot
from tests.unit.world import World, change, message, ready

from nested_docker.api.v1alpha1 import NestedDockerClassSpec
from nested_docker.domain import names
from nested_docker.domain.manifests.disruption_budget import disruption_budget
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.observed import NamespaceFacts

PLACES = [(HOME, None), (AWAY, "daemons")]


def offered(pod_namespace: str | None = None, evictions: str = "Denied") -> dict[str, NestedDockerClassSpec]:
    return {"standard": class_spec(evictions=evictions, podNamespace=pod_namespace)}


def settled(pod_namespace: str | None = None, evictions: str = "Denied") -> World:
    facts = {"daemons": NamespaceFacts()}
    made = World(pod_namespaces=facts, classes=offered(pod_namespace, evictions))
    made.settle()
    return made


def budgets(made: World) -> list[tuple[str, str]]:
    return [(each.namespace, each.name) for each in made.children if each.kind == "PodDisruptionBudget"]


def test_whole_manifests() -> None:
    matches_snapshot("disruption-budgets", disruption_budget(HOME), disruption_budget(AWAY))


@pytest.mark.parametrize(("where", "pod_namespace"), PLACES)
def test_it_is_beside_the_pod_and_selects_it(where: ObjectNames, pod_namespace: str | None) -> None:
    made = settled(pod_namespace)
    assert ready(made) == ("True", "Ready")
    assert budgets(made) == [(where.disruption_budget.namespace, where.disruption_budget.name)]
    wanted = made.children[where.disruption_budget]["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= made.pod()["metadata"]["labels"].items()
    assert wanted[names.LABEL_UID] == OWNER.uid


@pytest.mark.parametrize("pod_namespace", [None, "daemons"])
def test_a_class_has_none_by_default(pod_namespace: str | None) -> None:
    assert budgets(settled(pod_namespace, "Allowed")) == []
    assert class_spec().evictions == "Allowed"


@pytest.mark.parametrize("pod_namespace", [None, "daemons"])
def test_a_changed_class_adds_and_removes_it_and_the_pod_stays(pod_namespace: str | None) -> None:
    made = settled(pod_namespace, "Allowed")
    before = made.pod()["metadata"]["uid"]
    for evictions, count in (("Denied", 1), ("Allowed", 0), ("Denied", 1)):
        change(made, classes=offered(pod_namespace, evictions))
        made.settle()
        assert len(budgets(made)) == count
        assert made.pod()["metadata"]["uid"] == before
        assert ready(made) == ("True", "Ready")


@pytest.mark.parametrize("pod_namespace", [None, "daemons"])
@pytest.mark.parametrize(
    ("changed", "reason"),
    [({"spec": {"mode": "Dind", "suspend": True}}, "Suspended"), ({"policies": {}}, "NotGranted")],
    ids=["suspended", "denied"],
)
def test_it_goes_with_the_daemon(pod_namespace: str | None, changed: dict[str, object], reason: str) -> None:
    made = settled(pod_namespace)
    change(made, **changed)
    made.advance(hours=1)
    made.settle()
    assert ready(made)[1] == reason
    assert budgets(made) == []


@pytest.mark.parametrize("pod_namespace", [None, "daemons"])
def test_a_deletion_leaves_none(pod_namespace: str | None) -> None:
    made = settled(pod_namespace)
    made.delete()
    made.settle()
    assert made.gone
    assert [*made.children] == []


def test_it_moves_with_the_pod() -> None:
    made = settled()
    change(made, classes=offered("daemons"), annotations={names.ANNOTATION_RESTART: "1"})
    made.settle()
    assert [namespace for namespace, _ in budgets(made)] == ["daemons"]


def test_a_new_pod_does_not_change_it() -> None:
    made = settled()
    before = made.children[HOME.disruption_budget]
    change(made, annotations={names.ANNOTATION_RESTART: "1"})
    made.settle()
    assert made.children[HOME.disruption_budget] == before


def test_somebodys_own_budget_of_that_name_is_a_conflict() -> None:
    where = HOME.disruption_budget
    made = World(classes=offered())
    theirs = {"kind": where.kind, "metadata": {"name": where.name, "namespace": where.namespace}}
    made.children[where] = theirs
    made.settle()
    assert ready(made) == ("False", "NameConflict")
    assert "PodDisruptionBudget build exists" in message(made)
    change(made, classes=offered(None, "Allowed"))
    made.settle()
    assert ready(made) == ("True", "Ready")
    assert made.children[where] == theirs


def test_drift_is_put_back() -> None:
    made = settled()
    made.children[HOME.disruption_budget]["spec"]["minAvailable"] = 0
    made.settle()
    assert made.children[HOME.disruption_budget]["spec"] == disruption_budget(HOME)["spec"]
