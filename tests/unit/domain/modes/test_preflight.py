"""Each obstacle that the API's facts show: its message names the nodes, the fact and the remedy."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from tests.support.factory import DEFAULTS, NOW, class_spec, observed, policy_spec

from nested_docker.api.meta import Mode
from nested_docker.api.v1alpha1 import NestedDockerSpec
from nested_docker.api.v1alpha1.node import CgroupVersion, ProbedFacts
from nested_docker.domain.admission.acceptance import Accepted, NotAccepted, accept
from nested_docker.domain.effective import resolve
from nested_docker.domain.key_set import KeySet
from nested_docker.domain.modes import MODES
from nested_docker.domain.modes.base import NodeNeeds
from nested_docker.domain.modes.placement import Placement
from nested_docker.domain.modes.preflight import (
    MOST_AVOIDED,
    REQUIRED,
    avoiding,
    for_pod,
    incapable_nodes,
    node_obstacle,
)
from nested_docker.domain.objects import ClusterFacts, NodeFacts, RuntimeClassFacts
from nested_docker.domain.planning.child_diff import Create
from nested_docker.domain.planning.plan import plan
from nested_docker.domain.status.reasons import Reason

NEEDS = NodeNeeds(
    remedy="do this",
    placement=Placement({"sandbox": "yes"}),
    handler="box",
    user_namespaces=True,
    kernel=(6, 3),
    kubelet=(1, 33),
    cgroup_v2=True,
    mapped_volumes=True,
)
BOOT = ProbedFacts(boot_id="1", cgroup=CgroupVersion.V2, max_user_namespaces=63359, filesystem="ext4")
GOOD = NodeFacts(
    ready=True,
    labels={"sandbox": "yes"},
    kernel="6.12.1",
    kubelet="v1.37.0",
    runtime="containerd://2.1.9",
    operating_system="linux",
    handlers={"": True, "box": True},
    probed=BOOT,
)


def probed(**facts: Any) -> dict[str, Any]:
    """A node of which a probe has found this out."""
    return {"probed": BOOT.model_copy(update=facts)}


LACKING: dict[str, tuple[dict[str, Any], str]] = {
    "operating system": ({"operating_system": "windows"}, "its operating system is windows"),
    "kernel": ({"kernel": "5.15.0-1"}, "its kernel 5.15.0-1 is older than 6.3"),
    "kubelet": ({"kubelet": "v1.32.9"}, "its kubelet v1.32.9 is older than 1.33"),
    "handler": ({"handlers": {"": True}}, "its container runtime containerd://2.1.9 has no handler box"),
    "user namespaces": (
        {"handlers": {"": True, "box": False}},
        "the handler box of its container runtime containerd://2.1.9 does not support user namespaces",
    ),
    "cgroup": (probed(cgroup=CgroupVersion.V1), "it has cgroup v1"),
    "user namespaces of the kernel": (
        probed(max_user_namespaces=0),
        "its sysctl user.max_user_namespaces is 0, and has to be raised",
    ),
    **{
        f"filesystem {name}": (
            probed(filesystem=name),
            f"its emptyDir volumes have filesystem {name}, on which no user IDs can be mapped",
        )
        for name in ("nfs", "nfs4", "cifs")
    },
}


def message(*nodes: NodeFacts, needs: NodeNeeds = NEEDS) -> str:
    cluster = ClusterFacts(nodes={f"node-{number:02}": node for number, node in enumerate(nodes, 1)})
    found = node_obstacle("Box", needs, cluster)
    if found is None:
        return ""
    assert found.reason == Reason.NO_CAPABLE_NODE
    return found.message


@pytest.mark.parametrize("name", LACKING)
def test_each_obstacle_names_node_fact_and_remedy(name: str) -> None:
    change, fact = LACKING[name]
    assert message(replace(GOOD, **change)) == f"no node can run mode Box (node node-01: {fact}): do this"


@pytest.mark.parametrize(
    ("kernel", "known"),
    [
        ("5.14.0-570.23.1.el9_6.x86_64", False),
        ("5.14.0-427.el9.aarch64", False),
        ("5.14.0-503.rt12.el9_5.x86_64+rt", False),
        ("5.15.0-308.179.6.el9uek.x86_64", True),
        ("4.18.0-553.el8_10.x86_64", True),
        ("5.15.0-139-generic", True),
        ("6.1.141-155.222.amzn2023.x86_64", True),
        ("5.14.21-150500.55-default", True),
        ("5.14.0-elf9", True),
    ],
)
def test_the_version_of_a_kernel_with_features_of_later_ones_says_nothing(kernel: str, known: bool) -> None:
    assert (f"its kernel {kernel} is older than 6.3" in message(replace(GOOD, kernel=kernel))) is known


@pytest.mark.parametrize("name", LACKING)
def test_one_node_that_can_is_enough(name: str) -> None:
    assert message(replace(GOOD, **LACKING[name][0]), GOOD) == ""


@pytest.mark.parametrize(
    "change",
    [
        {"kernel": ""},
        {"kernel": "unknown"},
        {"kubelet": "?"},
        {"operating_system": ""},
        {"handlers": None},
        {"handlers": {"box": None}},
        {"probed": None},
        {"probed": ProbedFacts(boot_id="1")},
        probed(filesystem="bcachefs"),
        probed(max_user_namespaces=1),
    ],
)
def test_what_is_not_known_is_no_obstacle(change: dict[str, Any]) -> None:
    assert message(replace(GOOD, **change)) == ""


def test_without_a_node_nothing_is_known() -> None:
    assert message() == ""


def test_nodes_with_the_same_fact_are_named_together_and_few() -> None:
    old = replace(GOOD, kernel="5.4.0")
    said = message(*[old] * 9, replace(GOOD, operating_system="windows"))
    assert "nodes node-01, node-02, node-03 and 6 more: its kernel 5.4.0 is older than 6.3" in said
    assert "node node-10: its operating system is windows" in said


def test_a_thousand_different_nodes_make_no_long_message() -> None:
    said = message(*(replace(GOOD, kernel=f"4.{number}.0") for number in range(1000)))
    assert "and 996 more reasons on other nodes" in said
    assert len(said) < 500


def test_the_default_handler_is_named_so() -> None:
    said = message(replace(GOOD, handlers={"": False}), needs=replace(NEEDS, handler=""))
    assert "the default handler of its container runtime containerd://2.1.9 does not support user namespaces" in said


def test_a_runtime_class_adds_handler_and_labels() -> None:
    cluster = ClusterFacts(runtime_classes={"own": RuntimeClassFacts("other", {"pool": "vm"})})
    effective = resolve(NestedDockerSpec(), class_spec(), MODES[Mode.SYSBOX], DEFAULTS)
    both = for_pod(NEEDS, effective, cluster, "own")
    assert (both.handler, both.placement.labels) == ("other", {"pool": "vm"})
    assert for_pod(NEEDS, effective, cluster, "missing").handler == NEEDS.handler


def test_only_nodes_to_which_the_pod_may_be_scheduled_count() -> None:
    elsewhere = replace(GOOD, labels={"sandbox": "no"})
    old = replace(GOOD, kernel="5.4.0")
    assert (
        message(elsewhere, old)
        == "no node can run mode Box (node node-02: its kernel 5.4.0 is older than 6.3): do this"
    )
    assert message(elsewhere, GOOD) == ""


def test_nodes_that_only_the_request_keeps_the_pod_off_are_named() -> None:
    needs = replace(NEEDS, requested=Placement({"zone": "a"}), placement=Placement({"zone": "a", "sandbox": "yes"}))
    old = replace(GOOD, labels={"zone": "a", "sandbox": "yes"}, kernel="5.4.0")
    elsewhere = replace(GOOD, labels={"zone": "b", "sandbox": "yes"})
    without_runtime = replace(GOOD, labels={"zone": "b"})
    old_elsewhere = replace(elsewhere, kernel="5.4.0")
    lacking = "no node can run mode Box (node node-01: its kernel 5.4.0 is older than 6.3): do this"
    assert message(old, without_runtime, old_elsewhere, needs=needs) == lacking
    assert message(old, elsewhere, without_runtime, needs=needs) == (
        f"{lacking}. Other nodes may be able to, but NestedDocker or class keep the pod off them "
        "(node node-02: it does not have the label zone=a)"
    )


def test_where_there_is_no_such_node_one_may_come() -> None:
    found = node_obstacle(
        "Box", NEEDS, ClusterFacts(nodes={"n": replace(GOOD, labels={"sandbox": "no"}, kernel="5.4")})
    )
    assert found is not None
    assert found.nodes_may_come
    assert found.message == "no node can run mode Box (node n: it does not have the label sandbox=yes): do this"
    present = node_obstacle("Box", NEEDS, ClusterFacts(nodes={"n": replace(GOOD, kernel="5.4")}))
    assert present is not None
    assert not present.nodes_may_come


# --- scheduling -------------------------------------------------------------------------------------


def avoided(*nodes: NodeFacts) -> tuple[str, ...]:
    return incapable_nodes(NEEDS, ClusterFacts(nodes={f"node-{number}": node for number, node in enumerate(nodes, 1)}))


@pytest.mark.parametrize("name", LACKING)
def test_a_pod_avoids_a_node_that_lacks_something_where_another_has_it(name: str) -> None:
    assert avoided(replace(GOOD, **LACKING[name][0]), GOOD) == ("node-1",)


def test_a_node_selector_keeps_pods_off_nodes_without_the_label() -> None:
    assert avoided(replace(GOOD, labels={}), GOOD) == ()


def test_nothing_is_avoided_where_all_or_none_can() -> None:
    bad = replace(GOOD, kernel="4.19.0")
    assert (avoided(GOOD, GOOD), avoided(bad, bad), avoided()) == ((), (), ())
    assert incapable_nodes(None, ClusterFacts(nodes={"n": bad})) == ()


def test_a_pod_avoids_no_more_nodes_than_the_scheduler_bears() -> None:
    assert len(avoided(GOOD, *[replace(GOOD, kernel="4.19.0")] * 1000)) == MOST_AVOIDED


OFF = [{"key": "metadata.name", "operator": "NotIn", "values": ["n1"]}]


@pytest.mark.parametrize(
    ("affinity", "expected"),
    [
        (None, {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchFields": OFF}]}}}),
        (
            {"podAntiAffinity": {"a": 1}, "nodeAffinity": {"preferred": [1]}},
            {
                "podAntiAffinity": {"a": 1},
                "nodeAffinity": {"preferred": [1], REQUIRED: {"nodeSelectorTerms": [{"matchFields": OFF}]}},
            },
        ),
        (
            {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [1]}, {"matchFields": [2]}]}}},
            {
                "nodeAffinity": {
                    REQUIRED: {
                        "nodeSelectorTerms": [
                            {"matchExpressions": [1], "matchFields": OFF},
                            {"matchFields": [2, *OFF]},
                        ]
                    }
                }
            },
        ),
    ],
)
def test_the_user_s_own_affinity_stays(affinity: Any, expected: Any) -> None:
    spec = {"affinity": affinity} if affinity else {}
    before = copy.deepcopy(spec)
    assert avoiding(spec, ["n1"])["affinity"] == expected
    assert spec == before
    assert avoiding(spec, []) is spec


def test_the_pod_that_is_created_avoids_the_node() -> None:
    cluster = ClusterFacts(
        runtime_classes=SYSBOX_CLASS, nodes={"n1": replace(SYSBOX_NODE, kernel="5.4"), "n2": SYSBOX_NODE}
    )
    keys = KeySet({}, NOW.replace(year=2027), server_not_after=NOW.replace(year=2036))
    made = plan(observed({"mode": "Sysbox"}, cluster=cluster, issued=keys), NOW, DEFAULTS)
    created = [each.desired for stage in made.stages for each in stage if isinstance(each, Create)]
    (pod,) = [each for each in created if isinstance(each, dict) and each["kind"] == "Pod"]
    assert pod["spec"]["affinity"]["nodeAffinity"][REQUIRED] == {"nodeSelectorTerms": [{"matchFields": OFF}]}


# --- mode Sysbox ------------------------------------------------------------------------------------

SYSBOX_CLASS = {"sysbox-runc": RuntimeClassFacts("sysbox-runc", {"sysbox-runtime": "running"})}
SYSBOX_NODE = replace(GOOD, labels={"sysbox-runtime": "running"}, handlers={"": True, "sysbox-runc": True})


def sysbox(node: NodeFacts) -> Accepted | NotAccepted:
    cluster = ClusterFacts(runtime_classes=SYSBOX_CLASS, nodes={"n1": node})
    return accept(observed({"mode": "Sysbox"}, classes={"standard": class_spec()}, cluster=cluster), DEFAULTS)


def test_sysbox_on_a_node_that_has_it() -> None:
    assert isinstance(sysbox(SYSBOX_NODE), Accepted)


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"handlers": {"": True}}, "has no handler sysbox-runc"),
        ({"handlers": {"": True, "sysbox-runc": False}}, "does not support user namespaces"),
        ({"kernel": "5.4.0"}, "its kernel 5.4.0 is older than 5.12"),
    ],
)
def test_sysbox_on_a_node_that_lacks_something(change: dict[str, Any], fact: str) -> None:
    outcome = sysbox(replace(SYSBOX_NODE, **change))
    assert isinstance(outcome, NotAccepted)
    assert outcome.reason == Reason.NO_CAPABLE_NODE
    assert "no node can run mode Sysbox (node n1: " in outcome.message
    assert fact in outcome.message
    assert "install Sysbox 0.7 or newer" in outcome.message


# --- what probes find out ---------------------------------------------------------------------------

ON_CGROUP_V1 = ClusterFacts(nodes={"n1": NodeFacts(ready=True, **probed(cgroup=CgroupVersion.V1))})


def on_cgroup_v1(mode: str) -> Accepted | NotAccepted:
    classes = {"standard": class_spec(modes=[mode])}
    policies = {"p": policy_spec(allowedModes=[mode])}
    return accept(observed({"mode": mode}, classes=classes, policies=policies, cluster=ON_CGROUP_V1), DEFAULTS)


def test_user_namespaces_get_no_cgroups_on_a_node_with_cgroup_v1() -> None:
    outcome = on_cgroup_v1("UserNamespace")
    assert isinstance(outcome, NotAccepted)
    assert outcome.reason == Reason.NO_CAPABLE_NODE
    assert "no node can run mode UserNamespace (node n1: it has cgroup v1): use nodes with" in outcome.message
    assert "cgroup v2" in outcome.message


def test_a_mode_that_needs_no_fact_of_a_probe_takes_every_node() -> None:
    assert isinstance(on_cgroup_v1("Dind"), Accepted)


def test_a_kernel_without_user_namespaces_runs_no_sysbox() -> None:
    outcome = sysbox(replace(SYSBOX_NODE, **probed(max_user_namespaces=0)))
    assert isinstance(outcome, NotAccepted)
    assert "(node n1: its sysctl user.max_user_namespaces is 0, and has to be raised)" in outcome.message


def test_a_mode_is_chosen_by_what_a_probe_has_found_out() -> None:
    classes = {"standard": class_spec(modes=["Dind", "UserNamespace"])}
    policies = {"p": policy_spec(allowedModes=["Dind", "UserNamespace"])}
    outcome = accept(observed({}, classes=classes, policies=policies, cluster=ON_CGROUP_V1), DEFAULTS)
    assert isinstance(outcome, Accepted)
    assert outcome.effective.mode == "Dind"
    (why,) = outcome.modes_not_chosen
    assert (why.mode, why.reason) == ("UserNamespace", "NoCapableNode")
    assert "it has cgroup v1" in why.message
