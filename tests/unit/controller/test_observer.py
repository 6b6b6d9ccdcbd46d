"""The observer: from the cache to what a plan starts from."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.unit.fakes import KEY, WatchedKube

from nested_docker.api.v1alpha1 import NestedDockerPolicySpec, NestedDockerStatus
from nested_docker.api.v1alpha1.nested_docker_class import DEFAULT_CLASS_ANNOTATION
from nested_docker.controller.observer import Observer
from nested_docker.domain import names
from nested_docker.domain.objects import Identity, NodeFacts, Owner, RuntimeClassFacts
from nested_docker.domain.observed import NamespaceFacts, Observed

GRANT = {"namespaceSelector": {}, "allowedClasses": ["standard"], "allowedModes": ["Dind"]}
READY = {"conditions": [{"type": "Ready", "status": "True"}]}


@pytest.fixture
def kube() -> WatchedKube:
    kube = WatchedKube()
    kube.put("Namespace", "", "team-a", metadata={"labels": {"team": "a"}})
    kube.put("NestedDockerClass", "", "standard", spec={"modes": ["Dind"]})
    kube.put("NestedDockerPolicy", "", "all", spec=GRANT)
    kube.put("Node", "", "node-1", metadata={"labels": {"pool": "ci"}}, status=READY)
    kube.put("RuntimeClass", "", "sysbox-runc")
    kube.put("NestedDocker", *KEY, spec={"mode": "Dind"}, metadata={"generation": 3, "finalizers": ["x"]})
    return kube


def look(kube: WatchedKube) -> Observed:
    found = Observer(kube.cache).observe(KEY)
    assert found is not None
    return found


def test_everything_that_a_plan_depends_on(kube: WatchedKube) -> None:
    kube.put("Service", "team-a", "build", metadata={"labels": {names.LABEL_NAME: "build"}})
    found = look(kube)
    assert found.owner == Owner(name="build", namespace="team-a", uid="uid-NestedDocker-build")
    assert (found.spec, found.generation, found.finalizers, found.deleted) == ({"mode": "Dind"}, 3, ("x",), False)
    assert found.created == datetime(2026, 3, 1, tzinfo=UTC)
    assert found.namespace_labels == {"team": "a"}
    assert ([*found.classes], [*found.policies], found.default_classes) == (["standard"], ["all"], ())
    assert found.cluster.runtime_classes == {"sysbox-runc": RuntimeClassFacts()}
    assert found.cluster.nodes == {"node-1": NodeFacts(ready=True, name="node-1", labels={"pool": "ci"})}
    assert [*found.children] == [Identity("Service", "team-a", "build")]


def test_what_is_not_there(kube: WatchedKube) -> None:
    assert Observer(kube.cache).observe(("team-a", "other")) is None
    kube.cache.remove(kube.objects["Namespace", "", "team-a"], "Namespace")
    assert look(kube).namespace_labels == {}


def test_a_deletion_is_seen(kube: WatchedKube) -> None:
    kube.mark_deleted()
    assert look(kube).deleted


def test_default_classes_are_in_order(kube: WatchedKube) -> None:
    for name, value in (("b", "true"), ("a", "true"), ("c", "false")):
        annotations = {DEFAULT_CLASS_ANNOTATION: value}
        kube.put("NestedDockerClass", "", name, spec={"modes": ["Dind"]}, metadata={"annotations": annotations})
    assert look(kube).default_classes == ("a", "b")


@pytest.mark.parametrize(
    ("kind", "name", "still"),
    [("NestedDockerClass", "standard", ([], ["all"])), ("NestedDockerPolicy", "all", (["standard"], []))],
)
def test_an_invalid_object_is_ignored_with_a_warning(
    kube: WatchedKube, caplog: pytest.LogCaptureFixture, kind: str, name: str, still: Any
) -> None:
    observer = Observer(kube.cache)
    kube.put(kind, "", name, spec={"modes": ["Podman"]})
    found = observer.observe(KEY)
    assert found is not None
    assert ([*found.classes], [*found.policies]) == still
    assert f"{kind} {name}" in caplog.text


def test_an_unreadable_status_counts_as_empty(kube: WatchedKube, caplog: pytest.LogCaptureFixture) -> None:
    kube.put("NestedDocker", *KEY, status={"conditions": "nonsense"})
    assert look(kube).status == NestedDockerStatus()
    assert "the status of build cannot be read" in caplog.text


def test_only_namespaces_with_pods_are_facts(kube: WatchedKube) -> None:
    for name in ("daemons", "before", "unrelated"):
        kube.put("Namespace", "", name, metadata={"labels": {"name": name}})
    kube.put("NestedDockerClass", "", "isolated", spec={"modes": ["Dind"], "podNamespace": "daemons"})
    kube.put("NestedDockerClass", "", "broken", spec={"modes": ["Dind"], "podNamespace": "missing"})
    kube.put("NestedDocker", *KEY, status={"podNamespace": "before"})
    kube.put("Namespace", "", "before", metadata={"deletionTimestamp": "2026-03-01T00:00:00Z"})
    assert look(kube).pod_namespaces == {
        "before": NamespaceFacts({}, terminating=True),
        "daemons": NamespaceFacts({"name": "daemons"}),
    }


def test_a_candidate_has_neither_children_nor_a_past(kube: WatchedKube) -> None:
    kube.put("Service", "team-a", "new", metadata={"labels": {names.LABEL_NAME: "new"}})
    found = Observer(kube.cache).candidate({"metadata": {"name": "new", "namespace": "team-a"}, "spec": {}})
    assert (found.owner.uid, found.children, found.generation) == ("", {}, 0)
    assert found.created == datetime(1970, 1, 1, tzinfo=UTC)
    assert found.namespace_labels == {"team": "a"}


def test_only_what_has_changed_is_parsed_again(kube: WatchedKube, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        kube.put("NestedDockerPolicy", "", f"policy-{number}", spec=GRANT)
    observer, parsed = Observer(kube.cache), []

    def counted(spec: dict[str, Any]) -> NestedDockerPolicySpec:
        parsed.append(spec)
        return NestedDockerPolicySpec(**spec)

    monkeypatch.setattr(NestedDockerPolicySpec, "model_validate", counted)
    kube.put("NestedDockerPolicy", "", "policy-3", spec=GRANT | {"allowedClasses": ["other"]})
    found = observer.observe(KEY)
    assert found is not None
    assert found.policies["policy-3"].allowed_classes == ["other"]
    assert parsed == [GRANT | {"allowedClasses": ["other"]}]
    kube.cache.remove(kube.objects["NestedDockerPolicy", "", "policy-3"], "NestedDockerPolicy")
    again = observer.observe(KEY)
    assert again is not None
    assert len(again.policies) == 20
    assert len(parsed) == 1
