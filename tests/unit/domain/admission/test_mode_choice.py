"""Which mode a NestedDocker without `spec.mode` gets, and what its status says of better ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.factory import DEFAULTS, NOW, class_spec, observed, policy_spec
from tests.unit.world import World

from nested_docker.api.meta import Condition, Enforcement, Mode
from nested_docker.api.v1alpha1 import NestedDockerStatus
from nested_docker.api.v1alpha1.nested_docker import ModeNotChosen
from nested_docker.domain.admission.acceptance import Accepted, NotAccepted, accept
from nested_docker.domain.admission.mode_choice import WHY_LENGTH, not_chosen, order
from nested_docker.domain.modes import MODES
from nested_docker.domain.modes.placement import REQUIRED
from nested_docker.domain.modes.sysbox import NODE_LABEL, NODE_LABEL_VALUE, RUNTIME_CLASS
from nested_docker.domain.objects import ClusterFacts, NodeFacts, RuntimeClassFacts, Taint
from nested_docker.domain.planning.plan import plan
from nested_docker.domain.status.reasons import Reason, Type

SYSBOX = ClusterFacts(
    runtime_classes={RUNTIME_CLASS: RuntimeClassFacts()},
    nodes={"n1": NodeFacts(ready=True, labels={NODE_LABEL: NODE_LABEL_VALUE})},
)


def chosen(
    *modes: str,
    cluster: ClusterFacts = SYSBOX,
    selection: str | None = None,
    allowed: list[str] | None = None,
    **spec: Any,
) -> Accepted | NotAccepted:
    fields = {"modes": list(modes)} | ({"modeSelection": selection} if selection else {})
    policy = policy_spec(**({"allowedModes": allowed} if allowed else {}))
    classes = {"standard": class_spec(**fields)}
    return accept(observed(spec, classes=classes, policies={"p": policy}, cluster=cluster), DEFAULTS)


def mode_and_others(outcome: Accepted | NotAccepted) -> tuple[str, dict[str, tuple[str, str]]]:
    assert isinstance(outcome, Accepted), outcome
    others = {each.mode.value: (each.reason, each.message) for each in outcome.modes_not_chosen}
    return outcome.effective.mode.value, others


@pytest.mark.parametrize(
    ("modes", "selection", "expected"),
    [
        (["Dind", "Sysbox"], None, "Sysbox"),
        (["Sysbox", "Dind"], None, "Sysbox"),
        (["Dind", "HostSocket"], None, "Dind"),
        (["HostSocket", "Dind"], None, "HostSocket"),
        (["HostSocket", "Dind", "Sysbox"], "LeastPrivileged", "Sysbox"),
        (["Dind", "Sysbox"], "AsListed", "Dind"),
        (["HostSocket", "Sysbox"], "AsListed", "HostSocket"),
    ],
)
def test_the_least_privilege_wins_and_then_the_class_s_order(
    modes: list[str], selection: str | None, expected: str
) -> None:
    assert mode_and_others(chosen(*modes, selection=selection))[0] == expected


def test_what_the_cluster_lacks_is_why_a_stricter_mode_was_not_chosen() -> None:
    mode, others = mode_and_others(chosen("Dind", "Sysbox", cluster=ClusterFacts()))
    assert mode == "Dind"
    assert list(others) == ["Sysbox"]
    reason, message = others["Sysbox"]
    assert reason == Reason.RUNTIME_MISSING
    assert "needs RuntimeClass sysbox-runc, which the cluster does not have: install Sysbox" in message


def test_what_policy_denies_is_why_a_stricter_mode_was_not_chosen() -> None:
    mode, others = mode_and_others(chosen("Dind", "Sysbox", allowed=["Dind"]))
    assert mode == "Dind"
    reason, message = others["Sysbox"]
    assert reason == Reason.NOT_GRANTED
    assert "allowedModes" in message


def test_where_policy_is_not_enforced_a_mode_that_one_grants_is_better() -> None:
    classes = {"standard": class_spec(modes=["Dind", "Sysbox"])}
    policies = {"p": policy_spec(allowedModes=["Dind"])}
    seen = observed({}, classes=classes, policies=policies, cluster=SYSBOX)
    outcome = accept(seen, replace(DEFAULTS, enforcement=Enforcement.WARN))
    mode, others = mode_and_others(outcome)
    assert mode == "Dind"
    assert others == {
        "Sysbox": (Reason.NOT_GRANTED, "no policy grants this mode, and one grants another mode of the class")
    }


def test_what_the_class_lists_later_was_not_preferred() -> None:
    mode, others = mode_and_others(chosen("Dind", "HostSocket", "Sysbox", selection="AsListed"))
    assert mode == "Dind"
    assert others == {
        "Sysbox": (
            "NotPreferred",
            "the class has modeSelection: AsListed, and Dind before this mode in modes; to get it, create the "
            "NestedDocker again with spec.mode",
        )
    }


def test_who_names_a_mode_gets_it_without_a_word_about_others() -> None:
    assert mode_and_others(chosen("Sysbox", "Dind", mode="Dind")) == ("Dind", {})


def test_the_choice_stays_when_a_stricter_mode_becomes_possible() -> None:
    classes = {"standard": class_spec(modes=["Dind", "Sysbox"])}
    before = ModeNotChosen(mode=Mode("Sysbox"), reason="RuntimeMissing", message="as it was then")
    status = NestedDockerStatus(mode=Mode("Dind"), class_name="standard", modes_not_chosen=[before])
    seen = observed({}, classes=classes, policies={"p": policy_spec()}, cluster=SYSBOX, status=status)
    assert mode_and_others(accept(seen, DEFAULTS)) == ("Dind", {"Sysbox": ("RuntimeMissing", "as it was then")})


def pinned(*modes: str, allowed: tuple[str, ...], cluster: ClusterFacts = SYSBOX) -> str:
    """Why a NestedDocker is denied whose mode Sysbox was chosen before."""
    classes, policies = {"standard": class_spec(modes=[*modes])}, {"p": policy_spec(allowedModes=[*allowed])}
    status = NestedDockerStatus(mode=Mode.SYSBOX, class_name="standard")
    outcome = accept(observed({}, classes=classes, policies=policies, cluster=cluster, status=status), DEFAULTS)
    assert isinstance(outcome, NotAccepted)
    return outcome.message


AGAIN = (
    ". Its mode was chosen when it was new, and stays; a new one can have mode Dind: delete the NestedDocker and "
    "create it again"
)


def test_a_class_that_drops_the_chosen_mode_is_not_said_to_lack_one_of_the_spec() -> None:
    assert pinned("Dind", "HostSocket", allowed=("Dind",)) == (
        "status.mode Sysbox, which was chosen when the NestedDocker was new: NestedDockerClass standard offers Dind, "
        "HostSocket and no longer this mode; delete the NestedDocker and create it again to have one of these"
    )


def test_what_no_longer_admits_the_chosen_mode_names_one_that_a_new_one_can_have() -> None:
    assert pinned("Sysbox", "HostSocket", "Dind", allowed=("Dind",)).endswith(AGAIN)
    without_sysbox = replace(SYSBOX, runtime_classes={})
    assert pinned("Sysbox", "Dind", allowed=("Sysbox", "Dind"), cluster=without_sysbox).endswith(AGAIN)


def test_where_a_new_one_could_have_no_other_mode_nobody_is_told_to_make_one() -> None:
    assert "create it again" not in pinned("Sysbox", "Dind", allowed=("HostSocket",))
    assert "create it again" not in pinned("Sysbox", allowed=("Dind",))


def test_the_status_has_it_also_while_the_request_is_denied() -> None:
    before = ModeNotChosen(mode=Mode("Sysbox"), reason="RuntimeMissing", message="as it was then")
    status = NestedDockerStatus(mode=Mode("Dind"), class_name="standard", modes_not_chosen=[before])
    denied = plan(observed({}, policies={}, status=status), NOW, DEFAULTS).status
    assert denied is not None
    assert denied.modes_not_chosen == [before]


def test_why_not_is_as_short_as_the_status_needs_it() -> None:
    long = {Mode("Sysbox"): (Reason.RUNTIME_MISSING, "x" * 10_000)}
    (only,) = not_chosen(class_spec(modes=["Dind", "Sysbox"]), Mode("Dind"), long)
    assert len(only.message) == WHY_LENGTH + 1


def test_modes_of_one_privilege_stay_as_listed() -> None:
    listed = [mode for mode in Mode if MODES[mode].privilege == MODES[Mode("Dind")].privilege][::-1]
    assert order(class_spec(modes=listed)) == listed


def test_nodes_count_for_new_daemons_only() -> None:
    unable = replace(SYSBOX, nodes={"n": NodeFacts(ready=True, kernel="5.4", labels={"sysbox-runtime": "running"})})
    new = observed({"mode": "Sysbox"}, cluster=unable)
    rejected = accept(new, DEFAULTS)
    assert isinstance(rejected, NotAccepted)
    assert rejected.reason == Reason.NO_CAPABLE_NODE
    accepted = Condition(type="Accepted", status="True", reason="Granted", last_transition_time="2026-11-24T00:00:00Z")
    status = NestedDockerStatus(observed_generation=1, mode=Mode.SYSBOX, class_name="standard", conditions=[accepted])
    assert isinstance(accept(replace(new, status=status), DEFAULTS), Accepted)


ELSEWHERE = {
    "label": NodeFacts(ready=True, labels={"pool": "other"}),
    "taint": NodeFacts(ready=True, labels={NODE_LABEL: NODE_LABEL_VALUE}, taints=(Taint("gpu", "", "NoSchedule"),)),
}
LABELLED = replace(
    SYSBOX, runtime_classes={RUNTIME_CLASS: RuntimeClassFacts(RUNTIME_CLASS, {NODE_LABEL: NODE_LABEL_VALUE})}
)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_pod_waits_for_a_node_that_an_autoscaler_may_add(name: str) -> None:
    cluster = replace(LABELLED, nodes={"n": ELSEWHERE[name]})
    named = accept(observed({"mode": "Sysbox"}, cluster=cluster), DEFAULTS)
    assert mode_and_others(named) == ("Sysbox", {})
    only = chosen("Sysbox", cluster=cluster)
    assert mode_and_others(only) == ("Sysbox", {})


def test_a_mode_that_a_present_node_can_run_comes_first() -> None:
    mode, others = mode_and_others(chosen("Sysbox", "Dind", cluster=replace(LABELLED, nodes={"n": ELSEWHERE["label"]})))
    assert (mode, others["Sysbox"][0]) == ("Dind", Reason.NO_CAPABLE_NODE)


NOWHERE: dict[str, dict[str, Any]] = {
    "nodeSelector": {"nodeSelector": {"pool": "typo"}},
    "affinity": {
        "affinity": {
            "nodeAffinity": {
                REQUIRED: {
                    "nodeSelectorTerms": [
                        {"matchExpressions": [{"key": "pool", "operator": "In", "values": ["typo"]}]},
                    ]
                }
            }
        }
    },
}


@pytest.mark.parametrize("scheduling", NOWHERE.values(), ids=NOWHERE)
def test_a_mistake_in_a_selector_does_not_choose_the_mode(scheduling: dict[str, Any]) -> None:
    cluster = replace(LABELLED, nodes={"n": ELSEWHERE["label"]})
    by_spec = chosen("Dind", "Sysbox", cluster=cluster, scheduling=scheduling)
    assert mode_and_others(by_spec) == ("Sysbox", {})
    classes = {"standard": class_spec(modes=["Dind", "Sysbox"], podTemplate={"spec": scheduling})}
    by_class = accept(observed({}, classes=classes, cluster=cluster), DEFAULTS)
    assert mode_and_others(by_class) == ("Sysbox", {})


def test_nor_does_a_taint_that_keeps_every_pod_off() -> None:
    cluster = replace(LABELLED, nodes={"n": ELSEWHERE["taint"]})
    assert mode_and_others(chosen("Dind", "Sysbox", cluster=cluster)) == ("Sysbox", {})


def test_a_mode_without_its_runtime_class_is_not_possible_on_any_node() -> None:
    cluster = ClusterFacts(nodes={"n": ELSEWHERE["label"]})
    mode, others = mode_and_others(chosen("Dind", "Sysbox", cluster=cluster, scheduling=NOWHERE["nodeSelector"]))
    assert (mode, others["Sysbox"][0]) == ("Dind", Reason.RUNTIME_MISSING)


LABELS = st.dictionaries(st.sampled_from(["pool", NODE_LABEL]), st.sampled_from(["a", NODE_LABEL_VALUE]))
TAINTED = st.sampled_from([(), (Taint("gpu", "yes", "NoSchedule"),)])
NODES = st.builds(
    NodeFacts,
    ready=st.just(True),
    labels=LABELS,
    taints=TAINTED,
    kernel=st.sampled_from(["", "5.4.0", "6.12.0"]),
    handlers=st.sampled_from([None, {"": True}, {"": False}, {"": True, RUNTIME_CLASS: True}]),
)
EXPRESSION = st.fixed_dictionaries(
    {
        "key": st.sampled_from(["pool", NODE_LABEL, "absent"]),
        "operator": st.sampled_from(["In", "NotIn"]),
        "values": st.lists(st.sampled_from(["a", "typo"]), min_size=1, max_size=2, unique=True),
    }
)
CONSTRAINTS = st.one_of(
    LABELS.map(lambda labels: {"nodeSelector": {**labels, "pool": "a"}}),
    st.sampled_from(["a", "typo"]).map(lambda value: {"nodeSelector": {"pool": value}}),
    st.lists(EXPRESSION, min_size=1, max_size=2).map(
        lambda expressions: {
            "affinity": {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": expressions}]}}}
        }
    ),
)
TOLERATED = st.sampled_from([{}, {"tolerations": [{"key": "gpu", "operator": "Exists"}]}])
OFFERED = st.lists(st.sampled_from([mode.value for mode in Mode]), min_size=2, unique=True)


@settings(deadline=None, max_examples=300)
@given(modes=OFFERED, nodes=st.lists(NODES, max_size=4), tolerated=TOLERATED, constraint=CONSTRAINTS)
def test_a_constraint_on_nodes_alone_never_makes_the_choice_less_strict(
    modes: list[str], nodes: list[NodeFacts], tolerated: dict[str, Any], constraint: dict[str, Any]
) -> None:
    """Only a present node does that which the constraint admits and on which no stricter mode can run."""
    every = {f"n{number}": node for number, node in enumerate(nodes)}
    cluster = replace(LABELLED, nodes=every)

    def privilege(scheduling: dict[str, Any], cluster: ClusterFacts) -> int:
        """Of the mode that is chosen; 0: none is."""
        outcome = chosen(*modes, cluster=cluster, scheduling=scheduling, allowed=modes)
        return MODES[outcome.effective.mode].privilege if isinstance(outcome, Accepted) else 0

    free, bound = privilege(tolerated, cluster), privilege({**tolerated, **constraint}, cluster)
    if bound <= free or not free:
        return
    admitted = [node for node in every.values() if admits(node, constraint, tolerated)]
    assert admitted
    for node in admitted:
        assert privilege({"tolerations": [{"operator": "Exists"}]}, replace(cluster, nodes={"n": node})) != free


def admits(node: NodeFacts, constraint: dict[str, Any], tolerated: dict[str, Any]) -> bool:
    """Whether a scheduler binds a pod with a constraint to a node, by the words of Kubernetes' documentation."""
    if node.taints and not tolerated:
        return False
    if any(node.labels.get(key) != value for key, value in constraint.get("nodeSelector", {}).items()):
        return False
    terms = constraint.get("affinity", {}).get("nodeAffinity", {}).get(REQUIRED, {}).get("nodeSelectorTerms", [])
    return all(
        (node.labels.get(each["key"]) in each["values"]) == (each["operator"] == "In")
        for term in terms
        for each in term["matchExpressions"]
    )


def test_no_mode_waits_for_nodes_while_another_one_may_become_possible() -> None:
    cluster = replace(LABELLED, nodes={"n": ELSEWHERE["label"]})
    outcome = chosen("Sysbox", "Dind", cluster=cluster, allowed=["Sysbox"])
    assert isinstance(outcome, NotAccepted)


def test_a_pod_that_waits_for_a_node_says_what_present_nodes_lack() -> None:
    world = World({"mode": "Sysbox"}, cluster=replace(LABELLED, nodes={"n": ELSEWHERE["label"]}))
    world.step()
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
    world.pod()["status"] = {"phase": "Pending", "conditions": [unscheduled]}
    world.step()
    ready = world.status.condition(Type.READY)
    assert ready is not None
    assert ready.message == (
        "no node can take the pod (the scheduler said: 0/1 nodes); no node can run mode Sysbox (node n: it does not "
        "have the label sysbox-runtime=running): install Sysbox 0.7 or newer with containerd 2.0.5 or newer on nodes "
        "that the RuntimeClass selects, or choose another mode"
    )


def test_a_pod_that_asks_for_nodes_that_do_not_exist_says_so() -> None:
    world = World({"scheduling": NOWHERE["nodeSelector"]}, cluster=replace(LABELLED, nodes={"n": ELSEWHERE["label"]}))
    world.step()
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
    world.pod()["status"] = {"phase": "Pending", "conditions": [unscheduled]}
    world.step()
    ready = world.status.condition(Type.READY)
    assert world.status.mode == "Rootless"
    assert ready is not None
    assert ready.message == (
        "no node can take the pod (the scheduler said: 0/1 nodes); no node is one that the NestedDocker and its class "
        "ask for (node n: it does not have the label pool=typo), so nothing is known of what it can run: correct their "
        "nodeSelector, node affinity or tolerations, or add such a node"
    )


UNABLE = {
    "old kernel": NodeFacts(ready=True, kernel="5.4", labels={NODE_LABEL: NODE_LABEL_VALUE}),
    "no handler": NodeFacts(ready=True, handlers={"": True}, labels={NODE_LABEL: NODE_LABEL_VALUE}),
    "another system": NodeFacts(ready=True, operating_system="windows", labels={NODE_LABEL: NODE_LABEL_VALUE}),
    "no user namespaces": NodeFacts(ready=True, handlers={RUNTIME_CLASS: False}, labels={NODE_LABEL: NODE_LABEL_VALUE}),
}
"""What becomes of a node of Sysbox."""


@pytest.mark.parametrize("node", UNABLE)
def test_an_edit_of_the_spec_does_not_make_a_new_daemon_of_it(node: str) -> None:
    facts = {RUNTIME_CLASS: RuntimeClassFacts(RUNTIME_CLASS, {NODE_LABEL: NODE_LABEL_VALUE})}
    new = observed({"mode": "Sysbox"}, cluster=ClusterFacts(facts, {"n": UNABLE[node]}), generation=2)
    assert isinstance(accept(new, DEFAULTS), NotAccepted)
    accepted = Condition(type="Accepted", status="True", reason="Granted", last_transition_time="2026-11-24T00:00:00Z")
    status = NestedDockerStatus(observed_generation=1, mode=Mode.SYSBOX, class_name="standard", conditions=[accepted])
    assert isinstance(accept(replace(new, status=status), DEFAULTS), Accepted)
    other = status.model_copy(update={"mode": Mode.DIND, "observed_generation": 1})
    assert isinstance(accept(replace(new, status=other), DEFAULTS), NotAccepted), "another mode is a new daemon"


BASELINE = {"pod-security.kubernetes.io/enforce": "baseline"}
VERSION = "pod-security.kubernetes.io/enforce-version"


@pytest.mark.parametrize(
    ("kubelets", "labels", "expected"),
    [
        (["v1.34.2", "v1.33.0"], {}, "Sysbox"),
        (["v1.34.2"], {VERSION: "latest"}, "Sysbox"),
        (["v1.34.2"], {VERSION: "v1.36"}, "Sysbox"),
        (["v1.34.2", "v1.35.0"], {}, "Rootless"),
        (["v1.37.2"], {VERSION: "v1.34"}, "Sysbox"),
        (["v1.37.2"], {VERSION: "v1.35"}, "Rootless"),
        ([""], {}, "Rootless"),
    ],
)
def test_no_mode_is_fixed_that_an_api_server_of_the_kubelets_version_rejects(
    kubelets: list[str], labels: dict[str, str], expected: str
) -> None:
    nodes = {
        f"n{number}": NodeFacts(ready=True, labels={NODE_LABEL: NODE_LABEL_VALUE}, kubelet=kubelet)
        for number, kubelet in enumerate(kubelets)
    }
    classes = {"standard": class_spec(modes=["Rootless", "Sysbox"])}
    seen = observed({}, classes=classes, cluster=replace(SYSBOX, nodes=nodes), namespace_labels=BASELINE | labels)
    assert mode_and_others(accept(seen, DEFAULTS))[0] == expected
    named = accept(replace(seen, spec={"mode": "Rootless"}), DEFAULTS)
    assert isinstance(named, Accepted) == (VERSION not in labels or labels[VERSION] != "v1.34")
