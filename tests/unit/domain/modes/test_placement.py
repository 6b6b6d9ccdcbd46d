"""To which nodes a pod may be scheduled: labels, taints and affinity, as Kubernetes documents them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.factory import DEFAULTS, class_spec

from nested_docker.api.meta import Mode
from nested_docker.api.v1alpha1 import NestedDockerSpec
from nested_docker.domain.effective import resolve
from nested_docker.domain.modes import MODES
from nested_docker.domain.modes.placement import ANYWHERE, REQUIRED, Placement, placement
from nested_docker.domain.node_facts import node_facts, runtime_class_facts
from nested_docker.domain.objects import NodeFacts, RuntimeClassFacts

POOL = {"key": "pool", "value": "ci", "effect": "NoSchedule"}


def node(*taints: Any, **labels: str) -> NodeFacts:
    return node_facts({"metadata": {"name": "n", "labels": labels}, "spec": {"taints": list(taints)}})


def obstacles(found: NodeFacts, **asked: Any) -> list[str]:
    return list(Placement(**({"labels": {}} | asked)).obstacles(found))


def test_each_label_must_be_there() -> None:
    wanted = {"disk": "ssd", "zone": "a"}
    assert obstacles(node(disk="ssd", zone="a", other="x"), labels=wanted) == []
    assert obstacles(node(zone="b"), labels=wanted) == [
        "it does not have the label disk=ssd",
        "it does not have the label zone=a",
    ]


@pytest.mark.parametrize(
    "toleration",
    [
        {"operator": "Exists"},
        {"key": "pool", "operator": "Exists"},
        {"key": "pool", "value": "ci"},
        {"key": "pool", "operator": "Equal", "value": "ci", "effect": "NoSchedule"},
        {"key": "pool", "operator": "Exists", "effect": ""},
        {"key": "pool", "operator": "Gt", "value": "5"},
    ],
)
def test_a_taint_that_is_tolerated_or_may_be_is_no_obstacle(toleration: dict[str, Any]) -> None:
    assert obstacles(node(POOL), tolerations=[{"key": "other"}, toleration]) == []


@pytest.mark.parametrize(
    "toleration",
    [
        {"key": "pool"},
        {"key": "pool", "value": "other"},
        {"key": "other", "operator": "Exists"},
        {"key": "pool", "operator": "Exists", "effect": "NoExecute"},
        {"value": "ci"},
    ],
)
def test_another_taint_is_one(toleration: dict[str, Any]) -> None:
    assert obstacles(node(POOL), tolerations=[toleration]) == ["the pod does not tolerate its taint pool=ci:NoSchedule"]
    without_value = {"key": "gpu", "effect": "NoExecute"}
    assert obstacles(node(without_value), tolerations=[]) == ["the pod does not tolerate its taint gpu:NoExecute"]


@pytest.mark.parametrize(
    "taint",
    [
        {"key": "pool", "effect": "PreferNoSchedule"},
        {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"},
        {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"},
        {"key": "node.cloudprovider.kubernetes.io/uninitialized", "effect": "NoSchedule"},
        {"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"},
        {"key": "karpenter.sh/disrupted", "effect": "NoSchedule"},
        {"key": "karpenter.sh/unregistered", "effect": "NoExecute"},
        {"key": "node.cilium.io/agent-not-ready", "value": "true", "effect": "NoSchedule"},
        {"key": "ebs.csi.aws.com/agent-not-ready", "effect": "NoExecute"},
        {"key": "node.cluster.x-k8s.io/uninitialized", "effect": "NoSchedule"},
        {"key": "node.gardener.cloud/critical-components-not-ready", "effect": "NoSchedule"},
        {"key": "aws-node-termination-handler/spot-itn", "effect": "NoSchedule"},
        {"key": "cloud.google.com/impending-node-termination", "effect": "NoSchedule"},
        {},
        "no taint",
        None,
    ],
)
def test_what_passes_or_only_advises_keeps_no_node_out(taint: Any) -> None:
    assert obstacles(node(taint)) == []


@pytest.mark.parametrize(
    "key",
    [
        "node-role.kubernetes.io/control-plane",
        "CriticalAddonsOnly",
        "sandbox.gke.io/runtime",
        "virtual-kubelet.io/provider",
        "eks.amazonaws.com/compute-type",
        "kubernetes.azure.com/scalesetpriority",
        "node.example.com/reserved",
        "example.com/agent-not-ready-yet",
    ],
)
def test_what_stays_keeps_a_node_out(key: str) -> None:
    assert obstacles(node({"key": key, "effect": "NoSchedule"})) != []


def test_a_node_without_taints_of_the_api_s_form_has_none() -> None:
    assert node_facts({"metadata": {"name": "n"}, "spec": {"taints": {"a": 1}}}).taints == ()


IN = {"key": "zone", "operator": "In", "values": ["a", "b"]}


@pytest.mark.parametrize(
    ("expressions", "matches"),
    [
        ([IN], True),
        ([{**IN, "values": ["c"]}], False),
        ([IN, {**IN, "values": ["c"]}], False),
        ([{**IN, "operator": "NotIn"}], False),
        ([{"key": "none", "operator": "NotIn", "values": ["a"]}], True),
        ([{"key": "zone", "operator": "Exists"}], True),
        ([{"key": "none", "operator": "Exists"}], False),
        ([{"key": "none", "operator": "DoesNotExist"}], True),
        ([{"key": "zone", "operator": "DoesNotExist"}], False),
        ([{"key": "zone", "operator": "Gt", "values": ["7"]}], True),
        ([{"key": ["zone"], "operator": "Exists"}], True),
        (["nonsense"], True),
        ("nonsense", True),
    ],
)
def test_one_term_of_the_affinity_must_match(expressions: Any, matches: bool) -> None:
    term = {"matchExpressions": expressions}
    expected = [] if matches else ["it does not match the pod's node affinity"]
    assert obstacles(node(zone="a"), terms=[term]) == expected
    impossible = {"matchExpressions": [{"key": "none", "operator": "Exists"}]}
    assert obstacles(node(zone="a"), terms=[impossible, term]) == expected


@pytest.mark.parametrize(
    ("operator", "name", "matches"),
    [("In", "n", True), ("In", "x", False), ("NotIn", "n", False), ("NotIn", "x", True), ("Like", "x", True)],
)
def test_a_term_selects_a_node_by_its_name(operator: str, name: str, matches: bool) -> None:
    term = {"matchFields": [{"key": "metadata.name", "operator": operator, "values": [name]}]}
    assert obstacles(node(), terms=[term]) == ([] if matches else ["it does not match the pod's node affinity"])
    assert obstacles(NodeFacts(ready=True), terms=[term]) == [], "its name is not known"


def test_the_scheduler_has_no_say_about_a_pod_with_a_node_name() -> None:
    assert obstacles(node(POOL), node="n") == []
    assert obstacles(node(POOL), node="other") == ["the pod's nodeName is other"]
    assert obstacles(node(zone="b"), node="n", labels={"zone": "a"}) == ["it does not have the label zone=a"]


def test_anywhere_is_anywhere() -> None:
    assert list(ANYWHERE.obstacles(node(POOL, zone="a"))) == []


def test_it_comes_from_class_nested_docker_and_runtime_class() -> None:
    affinity = {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [IN]}]}}}
    template = {"spec": {"nodeSelector": {"a": "1"}, "tolerations": [{"key": "a"}], "affinity": affinity}}
    scheduling = {"nodeSelector": {"b": "2"}, "tolerations": [{"key": "b", "operator": "Exists"}]}
    runtime = {"nodeSelector": {"c": "3"}, "tolerations": [{"key": "c"}]}

    def made(scheduling: dict[str, Any]) -> Placement:
        spec = NestedDockerSpec.model_validate({"scheduling": scheduling})
        effective = resolve(spec, class_spec(podTemplate=template), MODES[Mode.SYSBOX], DEFAULTS)
        facts = runtime_class_facts({"metadata": {"name": "r"}, "handler": "r", "scheduling": runtime})
        return placement(effective, facts)

    whole = made(scheduling)
    assert whole.labels == {"a": "1", "b": "2", "c": "3"}
    assert [each["key"] for each in whole.tolerations] == ["a", "b", "c"]
    assert list(whole.terms) == [{"matchExpressions": [IN]}]
    other = {"nodeSelectorTerms": [{"matchExpressions": []}]}
    assert list(made({"affinity": {"nodeAffinity": {REQUIRED: other}}}).terms) == [{"matchExpressions": []}]
    template["spec"]["nodeName"] = "worker-1"
    assert (whole.node, made(scheduling).node) == ("", "worker-1")


def test_nothing_asked_is_nothing_asked() -> None:
    effective = resolve(NestedDockerSpec(), class_spec(), MODES[Mode.SYSBOX], DEFAULTS)
    assert placement(effective, RuntimeClassFacts()) == Placement({}, [], [])
