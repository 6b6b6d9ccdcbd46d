"""Labels and annotations of all children: the operator's defaults, the chart's and the class's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError
from tests.support.factory import DEFAULTS, class_spec, policy_spec
from tests.unit.world import World, ready

from nested_docker.api.meta import Mode
from nested_docker.domain.manifests.metadata import DAEMON_DEFAULTS, NOT_BACKED_UP
from nested_docker.domain.objects import Identity
from nested_docker.domain.observed import NamespaceFacts
from nested_docker.domain.status.reasons import Type
from nested_docker.settings import Settings

TEMPLATE = {"metadata": {"labels": {"team": "ci", "cost-center": "42"}, "annotations": {"example.com/note": "x"}}}
CLAIM = {"storage": {"type": "Claim", "claim": {"size": "1Gi"}}}
ALL_KINDS = ["NetworkPolicy", "PersistentVolumeClaim", "Pod", "Secret", "Service"]


def settled(spec: dict[str, Any] | None = None, *, common: dict[str, str] | None = None, **fields: Any) -> World:
    world = World({"mode": "Dind"} | (spec or {}), **fields)
    world.defaults = replace(DEFAULTS, common_labels=common or {})
    world.settle()
    return world


def classes(**fields: Any) -> dict[str, Any]:
    return {"standard": class_spec(**fields)}


def metadata(world: World, part: str) -> dict[Identity, dict[str, str]]:
    return {identity: child["metadata"].get(part, {}) for identity, child in world.children.items()}


def the_claim(world: World) -> dict[str, Any]:
    return next(child for identity, child in world.children.items() if identity.kind == "PersistentVolumeClaim")


@pytest.mark.parametrize("mode", ["Dind", "Sysbox"])
def test_a_class_labels_every_object(mode: str) -> None:
    world = settled({"mode": mode} | CLAIM, classes=classes(childTemplate=TEMPLATE))
    assert sorted({identity.kind for identity in world.children}) == ALL_KINDS
    assert len(world.children) == 7
    for part, values in TEMPLATE["metadata"].items():
        for identity, found in metadata(world, part).items():
            assert found.items() >= values.items(), identity


def test_a_class_labels_every_object_in_a_pod_namespace() -> None:
    away = {"pod_namespaces": {"daemons": NamespaceFacts()}}
    world = settled(classes=classes(childTemplate=TEMPLATE, podNamespace="daemons"), **away)
    assert {identity.namespace for identity in world.children} == {"daemons", "team-a"}
    assert all(found["team"] == "ci" for found in metadata(world, "labels").values())


def test_the_chart_labels_every_object_and_a_class_overrides_it() -> None:
    world = settled(CLAIM, common={"team": "platform", "tier": "infra"}, classes=classes(childTemplate=TEMPLATE))
    for identity, labels in metadata(world, "labels").items():
        assert (labels["team"], labels["tier"]) == ("ci", "infra"), identity


def test_a_change_reaches_all_but_the_pod_at_once_and_the_pod_waits() -> None:
    world = settled(CLAIM)
    pod = world.pod()
    world.base = replace(world.base, classes=classes(childTemplate=TEMPLATE))
    world.settle()
    assert ready(world)[0] == "True"
    assert world.pod()["metadata"]["uid"] == pod["metadata"]["uid"]
    without = {identity.kind for identity, labels in metadata(world, "labels").items() if "team" not in labels}
    assert without == {"Pod"}
    pending = world.status.condition(Type.UPDATE_PENDING)
    assert pending is not None
    assert pending.message.startswith("the class changed childTemplate; the running pod has the previous value until")
    assert not world.step(), "and nothing is written again"


def test_a_change_of_the_chart_s_labels_waits_in_the_same_way() -> None:
    world = settled(CLAIM)
    world.defaults = replace(world.defaults, common_labels={"tier": "infra"})
    world.settle()
    without = {identity.kind for identity, labels in metadata(world, "labels").items() if "tier" not in labels}
    assert without == {"Pod"}
    pending = world.status.condition(Type.UPDATE_PENDING)
    assert pending is not None
    assert pending.message.startswith("the operator's defaults changed commonLabels")
    assert not world.step()


def test_a_label_that_somebody_removes_comes_back() -> None:
    world = settled(CLAIM, classes=classes(childTemplate=TEMPLATE))
    for child in world.children.values():
        child["metadata"]["labels"].pop("team")
    world.settle()
    without = {identity.kind for identity, labels in metadata(world, "labels").items() if "team" not in labels}
    assert without == {"Pod"}, "a pod is never edited"


def test_a_claim_keeps_its_owner_s_labels_and_its_spec() -> None:
    """Others resize it, and a successor inherits it."""
    world = settled(CLAIM)
    claim = the_claim(world)
    claim["metadata"]["labels"]["nesteddocker.dev/uid"] = "former"
    claim["metadata"].pop("ownerReferences", None)
    claim["spec"]["resources"]["requests"]["storage"] = "2Gi"
    world.base = replace(world.base, classes=classes(childTemplate=TEMPLATE))
    world.settle()
    claim = the_claim(world)
    assert claim["metadata"]["labels"].items() >= {"team": "ci", "nesteddocker.dev/uid": "former"}.items()
    assert claim["spec"]["resources"]["requests"]["storage"] == "2Gi"


# --- defaults -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", list(Mode))
def test_injectors_autoscalers_and_backups_leave_a_daemon_alone(mode: Mode) -> None:
    found = settled({"mode": mode}).pod()["metadata"]
    assert (
        found["labels"].items()
        >= {
            "sidecar.istio.io/inject": "false",
            "kuma.io/sidecar-injection": "disabled",
            "admission.datadoghq.com/enabled": "false",
            "velero.io/exclude-from-backup": "true",
        }.items()
    )
    assert (
        found["annotations"].items()
        >= {
            "linkerd.io/inject": "disabled",
            "consul.hashicorp.com/connect-inject": "false",
            "dynatrace.com/inject": "false",
            "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
            "karpenter.sh/do-not-disrupt": "true",
        }.items()
    )


DEFAULT_KEYS = [
    *(("labels", key) for key in DAEMON_DEFAULTS.labels),
    *(("annotations", key) for key in DAEMON_DEFAULTS.annotations),
]


@pytest.mark.parametrize("where", ["podTemplate", "childTemplate"])
@pytest.mark.parametrize(("part", "key"), DEFAULT_KEYS)
def test_a_class_overrides_each_default(part: str, key: str, where: str) -> None:
    found = settled(classes=classes(**{where: {"metadata": {part: {key: "chosen"}}}})).pod()["metadata"]
    assert found[part][key] == "chosen"
    others = {other for _, other in DEFAULT_KEYS if other != key}
    assert others <= {*found["labels"], *found["annotations"]}


def test_a_default_label_does_not_stand_against_a_class_s_annotation_of_the_same_key() -> None:
    """Istio reads both, and its label wins."""
    template = {"metadata": {"annotations": {"sidecar.istio.io/inject": "true"}}}
    found = settled(classes=classes(podTemplate=template)).pod()["metadata"]
    assert found["annotations"]["sidecar.istio.io/inject"] == "true"
    assert "sidecar.istio.io/inject" not in found["labels"]


def test_a_tenant_changes_a_default_only_if_a_policy_names_its_key() -> None:
    asked = {"scheduling": {"podLabels": {"sidecar.istio.io/inject": "true"}}}
    named = policy_spec(scheduling={"podLabels": ["sidecar.istio.io/inject"]})
    assert settled(asked, policies={"p": named}).pod()["metadata"]["labels"]["sidecar.istio.io/inject"] == "true"
    unnamed = settled(asked, policies={"p": policy_spec(scheduling={"podLabels": ["team"]})})
    assert not unnamed.children
    (accepted,) = [each for each in unnamed.status.conditions if each.type == Type.ACCEPTED]
    assert "sidecar.istio.io/inject" in accepted.message


@pytest.mark.parametrize("where", ["podTemplate", "childTemplate"])
def test_a_tenant_does_not_change_what_the_class_sets(where: str) -> None:
    asked = {"scheduling": {"podLabels": {"team": "mine"}}}
    world = settled(asked, classes=classes(**{where: {"metadata": {"labels": {"team": "ci"}}}}))
    assert not world.children
    (accepted,) = [each for each in world.status.conditions if each.type == Type.ACCEPTED]
    assert "metadata.labels.team" in accepted.message


@pytest.mark.parametrize(
    ("claim", "excluded"),
    [
        ({"size": "1Gi"}, False),
        ({"size": "1Gi", "whenDeleted": "Retain"}, False),
        ({"size": "1Gi", "whenDeleted": "Delete"}, True),
    ],
    ids=["default", "kept", "deleted"],
)
def test_everything_but_a_kept_claim_is_left_out_of_backups(claim: dict[str, str], excluded: bool) -> None:
    world = settled({"storage": {"type": "Claim", "claim": claim}})
    for identity, labels in metadata(world, "labels").items():
        wanted = excluded or identity.kind != "PersistentVolumeClaim"
        assert (labels.items() >= NOT_BACKED_UP.items()) == wanted, identity


def test_a_class_can_leave_a_kept_claim_out_of_backups() -> None:
    world = settled(CLAIM, classes=classes(childTemplate={"metadata": {"labels": NOT_BACKED_UP}}))
    assert all(labels.items() >= NOT_BACKED_UP.items() for labels in metadata(world, "labels").values())


# --- the chart's value --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "complaint"),
    [
        ('{"app.kubernetes.io/managed-by": "me"}', "the prefix of label app.kubernetes.io/managed-by is reserved"),
        ('{"nesteddocker.dev/uid": "1"}', "the prefix of label nesteddocker.dev/uid is reserved for the operator"),
        ('{"helm.sh/chart": "x"}', "the prefix of label helm.sh/chart is reserved for the operator: choose another"),
        ('{"a b": "x"}', "the key 'a b' is not a qualified name"),
        ('{"team": "a b"}', "the value 'a b' of label team has other characters"),
    ],
)
def test_bad_common_labels_are_named(monkeypatch: pytest.MonkeyPatch, labels: str, complaint: str) -> None:
    monkeypatch.setenv("NESTED_DOCKER_COMMON_LABELS", labels)
    with pytest.raises(ValidationError, match=complaint):
        Settings()
