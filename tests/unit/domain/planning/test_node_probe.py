"""Which nodes are probed when, what a probe's pod is, and what its answer comes to."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.factory import DEFAULTS, NOW

from nested_docker.api.v1alpha1.node import CgroupVersion, NestedDockerNodeStatus
from nested_docker.controller.node_prober import INTERVAL
from nested_docker.domain.node_facts import with_probe
from nested_docker.domain.objects import NodeFacts
from nested_docker.domain.planning.node_probe import (
    DEADLINE,
    GIVEN_UP_AFTER,
    LONGEST_ANSWER,
    PROBES_AT_ONCE,
    RAISED_AFTER,
    RETRY_FIRST,
    RETRY_LONGEST,
    KnownNode,
    ProbeReason,
    ProbeStep,
    RecordProbe,
    RemoveProbe,
    StartProbe,
    failed,
    is_probe,
    probe_steps,
)
from nested_docker.domain.status.conditions import timestamp

BOOT = "5a3f2f6e-9c0b-4a44-8c7e-0d5a3c1f9b11"
FACTS = NodeFacts(ready=True, kubelet="v1.37.0", runtime="containerd://2.4.0", boot_id=BOOT, operating_system="linux")
NODE = KnownNode("n1", "uid-n1", FACTS)
ANSWER = {
    "bootId": BOOT,
    "cgroup": "v1",
    "securityModules": ["AppArmor"],
    "maxUserNamespaces": 100,
    "filesystem": "xfs",
}
Manifest = dict[str, Any]


def steps(*nodes: KnownNode, pods: tuple[Manifest, ...] = (), seconds: float = 0) -> list[ProbeStep]:
    return probe_steps({node.name: node for node in nodes}, pods, NOW + timedelta(seconds=seconds), DEFAULTS)


OTHERS = [{"name": "injected", "state": {"terminated": {"message": "{}"}}}]
"""Containers that an admission webhook adds."""


def pod(node: KnownNode = NODE, **status: Any) -> Manifest:
    """The probe of a node, which was created now."""
    (start,) = steps(replace(node, known=None))
    assert isinstance(start, StartProbe)
    made = start.manifest
    metadata = made["metadata"] | {"uid": f"pod-{node.name}", "creationTimestamp": timestamp(NOW)}
    return made | {"metadata": metadata, "status": status}


def ended(message: Any = None, phase: str = "Succeeded", node: KnownNode = NODE) -> Manifest:
    text = json.dumps(ANSWER) if message is None else message
    return pod(
        node,
        phase=phase,
        containerStatuses=[*OTHERS, {"name": "node-probe", "state": {"terminated": {"message": text}}}],
    )


def result(*pods: Manifest, node: KnownNode = NODE, seconds: float = 0) -> NestedDockerNodeStatus:
    (record,) = steps(node, pods=pods, seconds=seconds)
    assert isinstance(record, RecordProbe)
    known = replace(node, known=record.status)
    (remove,) = steps(known, pods=pods, seconds=seconds)
    assert isinstance(remove, RemoveProbe)
    assert remove.uid == "pod-n1"
    return record.status


def reason(status: NestedDockerNodeStatus) -> tuple[str, str]:
    (condition,) = status.conditions
    return condition.status.value, condition.reason


GOOD = result(ended())
KNOWN = replace(NODE, known=GOOD)


# --- which nodes -------------------------------------------------------------------------------------


def test_a_node_is_probed_once() -> None:
    assert [type(step) for step in steps(NODE)] == [StartProbe]
    assert steps(NODE, pods=(pod(),)) == [], "it runs"
    assert steps(KNOWN) == []


@pytest.mark.parametrize(
    "change",
    [{"boot_id": "0"}, {"kubelet": "v1.38.0"}, {"runtime": "containerd://2.5.0"}],
    ids=lambda change: next(iter(change)),
)
def test_it_is_probed_again_after_a_boot_and_another_version(change: dict[str, str]) -> None:
    (step,) = steps(replace(KNOWN, facts=replace(FACTS, **change)))
    assert isinstance(step, StartProbe)


def test_a_sysctl_that_an_admin_may_have_raised_is_read_again() -> None:
    none = ANSWER | {"maxUserNamespaces": 0}
    known = replace(NODE, known=result(ended(json.dumps(none))))
    hour = RAISED_AFTER.total_seconds()
    assert steps(known, seconds=hour - 1) == []
    (step,) = steps(known, seconds=hour)
    assert isinstance(step, StartProbe)
    assert steps(KNOWN, seconds=10 * hour) == [], "what else there is stays for the boot"


@pytest.mark.parametrize(
    "change",
    [
        {"ready": False},
        {"operating_system": "windows"},
        {"boot_id": ""},
        {"labels": {"type": "virtual-kubelet"}},
        {"labels": {"eks.amazonaws.com/compute-type": "fargate", "topology.kubernetes.io/zone": "a"}},
    ],
    ids=str,
)
def test_a_node_that_cannot_run_a_probe_gets_none(change: dict[str, Any]) -> None:
    assert steps(replace(NODE, facts=replace(FACTS, **change))) == []


def test_a_thousand_nodes_are_not_a_thousand_pods() -> None:
    nodes = [KnownNode(f"n{number:04}", f"uid-{number}", FACTS) for number in range(1000)]
    started = steps(*nodes)
    assert len(started) == PROBES_AT_ONCE
    assert steps(*nodes, pods=tuple(pod(node) for node in nodes[:PROBES_AT_ONCE])) == []
    one_ended = tuple(pod(node) for node in nodes[1:PROBES_AT_ONCE])
    assert [step.node.name for step in steps(*nodes, pods=one_ended) if isinstance(step, StartProbe)] == ["n0000"]


def test_pods_that_terminate_on_dead_nodes_block_no_other_node() -> None:
    nodes = [KnownNode(f"n{number}", f"uid-{number}", FACTS) for number in range(2 * PROBES_AT_ONCE)]
    dead = tuple(pod(node) for node in nodes[:PROBES_AT_ONCE])
    for each in dead:
        each["metadata"]["deletionTimestamp"] = timestamp(NOW)
    started = [step.node.name for step in steps(*nodes, pods=dead) if isinstance(step, StartProbe)]
    assert started == ["n4", "n5", "n6", "n7"], "a name is free when its pod is gone"


def test_a_node_that_fails_waits_longer_each_time_and_lets_others_go_first() -> None:
    node, moment = NODE, NOW
    for pause in (1, 2, 4, 8, 16, 32, 60, 60):
        node = replace(node, known=failed(node, ProbeReason.FAILED, "x", moment))
        assert node.known is not None
        assert node.known.conditions[0].message == f"x. The next probe is at {timestamp(moment + pause * RETRY_FIRST)}"
        before = probe_steps({"n1": node}, (), moment + pause * RETRY_FIRST - timedelta(seconds=1), DEFAULTS)
        assert before == []
        moment += pause * RETRY_FIRST
        assert len(probe_steps({"n1": node}, (), moment, DEFAULTS)) == 1
    assert pause * RETRY_FIRST == RETRY_LONGEST
    others = [KnownNode(f"z{number}", f"uid-{number}", FACTS) for number in range(PROBES_AT_ONCE)]
    started = probe_steps({each.name: each for each in (node, *others)}, (), moment, DEFAULTS)
    assert [step.node.name for step in started if isinstance(step, StartProbe)] == ["z0", "z1", "z2", "z3"]


def test_very_many_failures_overflow_nothing() -> None:
    node = replace(NODE, known=GOOD.model_copy(update={"failures": 1000}))
    assert failed(node, ProbeReason.FAILED, "x", NOW).failures == 1000


# --- what becomes of a probe -------------------------------------------------------------------------


def test_an_answer_becomes_facts_and_the_pod_goes() -> None:
    assert reason(GOOD) == ("True", "Succeeded")
    assert GOOD.facts is not None
    assert (GOOD.facts.cgroup, GOOD.facts.filesystem) == (CgroupVersion.V1, "xfs")
    assert (GOOD.kubelet_version, GOOD.container_runtime_version) == ("v1.37.0", "containerd://2.4.0")
    assert reason(GOOD) == ("True", "Succeeded")


def test_a_result_that_is_written_already_is_not_written_again() -> None:
    assert [type(step) for step in steps(KNOWN, pods=(ended(),))] == [RemoveProbe]


HOSTILE: dict[str, tuple[Any, str]] = {
    "nothing": ("", "Invalid JSON"),
    "no JSON": ("{", "Invalid JSON"),
    "a list": ("[]", "Input should be an object"),
    "deep": ("[" * 2000 + "]" * 2000, "recursion limit"),
    "long": ('{"bootId": "' + "a" * LONGEST_ANSWER + '"}', "too long"),
    "another type": ({"a": 1}, "too long"),
    "no boot": ("{}", "bootId Field required"),
    "another boot": (json.dumps(ANSWER | {"bootId": "0"}), f"saw boot 0, and the Node has bootID {BOOT}"),
    "a cgroup of its own": (json.dumps(ANSWER | {"cgroup": "v3"}), "cgroup Input should be 'v1' or 'v2'"),
    "a number too large": (json.dumps(ANSWER | {"maxUserNamespaces": 10**30}), "maxUserNamespaces"),
    "a negative number": (json.dumps(ANSWER | {"maxUserNamespaces": -1}), "maxUserNamespaces"),
    "many modules": (json.dumps(ANSWER | {"securityModules": ["AppArmor"] * 99}), "securityModules"),
    "a filesystem with a line": (json.dumps(ANSWER | {"filesystem": "ext4\n\x1b[2J"}), "filesystem"),
    "a surrogate": ('{"bootId": "\\ud800"}', ""),
}
"""What a node, or whoever is root on it, may answer."""


@pytest.mark.parametrize("name", HOSTILE)
def test_an_answer_that_is_none_is_a_failure(name: str) -> None:
    message, words = HOSTILE[name]
    status = result(ended(message))
    assert reason(status) == ("False", "Unreadable")
    text = status.conditions[0].message
    assert words in text
    assert text.isprintable()
    assert len(text) < 1100
    assert (status.facts, status.failures) == (None, 1)


def test_a_probe_that_does_not_end_in_time_is_removed_and_reported() -> None:
    """Before the kubelet ends it, which replaces what it says by DeadlineExceeded."""
    waiting = [
        *OTHERS,
        {"name": "node-probe", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}},
    ]
    hanging = pod(phase="Pending", containerStatuses=waiting)
    late = GIVEN_UP_AFTER.total_seconds()
    assert late + 2 * INTERVAL < DEADLINE.total_seconds()
    assert steps(NODE, pods=(hanging,), seconds=late - 1) == []
    status = result(hanging, seconds=late)
    assert reason(status) == ("False", "Failed")
    assert "ImagePullBackOff: no such image" in status.conditions[0].message
    running = pod(phase="Running", containerStatuses=[{"name": "node-probe", "state": {"running": {"startedAt": "x"}}}])
    assert "(it still runs)" in result(running, seconds=late).conditions[0].message
    assert "(no word from the node)" in result(pod(), seconds=late).conditions[0].message


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({"reason": "Evicted", "message": "low on memory"}, "(Evicted: low on memory)"),
        ({"reason": "DeadlineExceeded"}, "(DeadlineExceeded: )"),
        ({"reason": "OutOfpods", "message": "x" * 9000 + "\x1b"}, "(OutOfpods: xxx"),
        ({}, "(no word from the node)"),
    ],
)
def test_a_probe_that_fails_says_why(status: dict[str, str], words: str) -> None:
    found = result(pod(phase="Failed", **status))
    assert reason(found) == ("False", "Failed")
    assert words in found.conditions[0].message
    assert len(found.conditions[0].message) < 1100


def test_a_probe_of_a_node_that_is_gone_or_new_is_only_removed() -> None:
    assert [type(step) for step in steps(pods=(pod(),))] == [RemoveProbe]
    again = replace(NODE, uid="uid-2")
    assert [type(step) for step in steps(again, pods=(ended(),))] == [RemoveProbe], "its answer is not the new node's"
    rebooted = replace(NODE, facts=replace(FACTS, boot_id="0"))
    assert [type(step) for step in steps(rebooted, pods=(ended(),))] == [RemoveProbe], "nor is it of another boot"
    assert [type(step) for step in steps(rebooted, pods=(pod(),))] == [RemoveProbe]
    terminating = pod()
    terminating["metadata"]["deletionTimestamp"] = timestamp(NOW)
    assert steps(pods=(terminating,)) == []


def test_a_failure_keeps_what_is_known_of_this_boot() -> None:
    upgraded = replace(KNOWN, facts=replace(FACTS, kubelet="v1.38.0"))
    status = failed(upgraded, ProbeReason.REJECTED, "exceeded quota", NOW)
    assert (status.facts, status.failures, *reason(status)) == (GOOD.facts, 1, "False", "Rejected")
    assert with_probe(upgraded.facts, status).probed == GOOD.facts


def test_a_failure_after_a_boot_forgets_the_facts_and_a_success_the_failures() -> None:
    rebooted = replace(KNOWN, facts=replace(FACTS, boot_id="0"))
    broken = replace(rebooted, known=result(ended("{}", node=rebooted), node=rebooted))
    assert broken.known is not None
    assert (broken.known.facts, broken.known.failures) == (None, 1)
    later = RETRY_FIRST.total_seconds()
    answer = json.dumps(ANSWER | {"bootId": "0"})
    repaired = result(ended(answer, node=rebooted), node=broken, seconds=later)
    assert (repaired.failures, *reason(repaired)) == (0, "True", "Succeeded")
    assert repaired.conditions[0].last_transition_time == timestamp(NOW + timedelta(seconds=later))


# --- the pod -----------------------------------------------------------------------------------------


def test_the_pod_has_nothing_of_the_node() -> None:
    made = pod()
    spec = made["spec"]
    assert is_probe(made, DEFAULTS)
    assert spec["volumes"] == [{"name": "data", "emptyDir": {}}]
    (container,) = spec["containers"]
    assert container["args"] == ["probe-node"]
    assert container["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["resources"] == DEFAULTS.cleanup_resources.dump()
    assert (spec["automountServiceAccountToken"], spec["restartPolicy"], spec["nodeName"]) == (False, "Never", "n1")
    assert spec["activeDeadlineSeconds"] == DEADLINE.total_seconds()
    assert not {"hostNetwork", "hostPID", "hostIPC", "serviceAccountName"} & spec.keys()
    elsewhere = made | {"metadata": made["metadata"] | {"namespace": "team-a"}}
    assert not is_probe(elsewhere, DEFAULTS), "a tenant's pod with its label is none"
