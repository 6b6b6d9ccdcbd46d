"""Whether clients can reach the daemon: by the first probe, then by the kubelet's readiness probe."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.factory import OWNER, observed

from nested_docker.api.meta import Condition, Mode, Status
from nested_docker.api.v1alpha1 import NestedDockerStatus
from nested_docker.api.v1alpha1.nested_docker import EngineStatus
from nested_docker.domain import names
from nested_docker.domain.modes import MODES
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import ClusterFacts, NodeFacts
from nested_docker.domain.observed import Observed, ProbeError, ProbeFailure, ProbeResult
from nested_docker.domain.planning.pod_state import STARTING, PodState
from nested_docker.domain.planning.reachability import Reachability, assess
from nested_docker.domain.status.reasons import Reason

ENGINE = EngineStatus(version="28.5.2")
KNOWN = NestedDockerStatus(engine=ENGINE)
STARTED, LATER = "2026-03-01T12:00:05Z", "2026-03-01T12:00:09Z"
RUNNING = {"state": {"running": {"startedAt": STARTED}}}


def pod(*, ip: str = "10.0.0.7", lost: str = "", **container: Any) -> PodState:
    condition = {"type": "ContainersReady", "status": "False", "lastTransitionTime": lost}
    status = {"containerStatuses": [{"name": "daemon", "restartCount": 0} | container], "conditions": [condition]}
    metadata = {"name": "build-abcde", "uid": "uid-1"}
    return PodState({"metadata": metadata, "spec": {"nodeName": "node-1"}, "status": status | {"podIP": ip}})


def answered(uid: str = "uid-1", restarts: int = 0) -> Observed:
    """The operator has just probed the daemon."""
    return observed(probe_result=ProbeResult(uid, restarts, ENGINE, STARTED))


def remembered(mark: str, **fields: Any) -> Observed:
    """The files Secret has an earlier answer."""
    where = ObjectNames(OWNER).files_secret
    secret = {"kind": "Secret", "metadata": {"annotations": {names.ANNOTATION_PROBED: mark}}}
    return observed(children={where: secret}, **fields)


def look(seen: Observed, state: PodState | None, mode: Mode = Mode.DIND) -> Reachability:
    return assess(seen, state, MODES[mode], "operator-system")


def ready_since(time: str, restarts: int = 0) -> PodState:
    state = pod(**RUNNING, ready=True, restartCount=restarts)
    condition = {"type": "ContainersReady", "status": "True", "lastTransitionTime": time}
    return PodState({**state.manifest, "status": {**state.manifest["status"], "conditions": [condition]}})


def test_without_a_pod_it_starts() -> None:
    found = look(observed(), None)
    assert (found.reachable, found.reason, found.needs_probe) == (False, Reason.DAEMON_STARTING, False)


@pytest.mark.parametrize(("ready", "known"), [(False, True), (True, True), (True, False)])
def test_a_node_that_is_not_ready_takes_it_away(ready: bool, known: bool) -> None:
    nodes = {"node-1": NodeFacts(ready=ready)} if known else {}
    seen = remembered("uid-1/0", cluster=ClusterFacts(nodes=nodes))
    found = look(seen, pod(**RUNNING, ready=True))
    assert (found.reachable, found.reason == Reason.NODE_NOT_READY) == (ready, not ready)
    if not ready:
        assert found.probe_result == "", "so that the connection Secret is withdrawn"
        assert "node node-1 is not ready" in found.message


@pytest.mark.parametrize(
    ("state", "probed"),
    [(pod(**RUNNING), True), (pod(**RUNNING, ip=""), False), (pod(state={"waiting": {}}), False)],
)
def test_a_running_daemon_with_an_address_is_probed_first(state: PodState, probed: bool) -> None:
    found = look(observed(), state)
    assert (found.reachable, found.needs_probe, found.probe_result) == (False, probed, "")
    assert found.reason == Reason.DAEMON_STARTING


def test_the_first_answer_is_enough() -> None:
    found = look(answered(), pod(**RUNNING, ready=False))
    assert (found.reachable, found.reason) == (True, Reason.DAEMON_ANSWERED)
    assert found.probe_result == f"uid-1/0/{STARTED}"
    assert (found.fresh, found.needs_probe) == (True, False)


@pytest.mark.parametrize("mark", ["uid-2/0", "", "nonsense"])
def test_an_answer_of_another_pod_does_not_count(mark: str) -> None:
    assert look(answered("uid-2"), pod(**RUNNING)).probe_result == ""
    assert look(remembered(mark), pod(**RUNNING)).probe_result == ""


def test_the_secret_remembers_the_answer() -> None:
    found = look(remembered("uid-1/0", status=KNOWN), pod(**RUNNING, ready=True))
    assert (found.reachable, found.probe_result, found.fresh, found.needs_probe) == (True, "uid-1/0", False, False)


def test_an_answer_whose_facts_are_lost_is_repeated() -> None:
    found = look(remembered("uid-1/0"), pod(**RUNNING, ready=True))
    assert (found.reachable, found.needs_probe) == (True, True)


def test_a_restart_is_waited_for_and_said() -> None:
    seen = remembered("uid-1/0", status=KNOWN)
    found = look(seen, pod(**RUNNING, ready=False, restartCount=1))
    assert (found.reachable, found.reason) == (False, Reason.DAEMON_RESTARTING)
    assert found.message == "the kubelet restarts the daemon's container"
    killed = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
    found = look(seen, pod(state=killed, ready=False))
    assert (found.reachable, found.reason) == (False, Reason.DAEMON_OUT_OF_MEMORY)
    found = look(seen, pod(**RUNNING, lastState=killed, ready=True, restartCount=1))
    assert found.reachable
    assert found.message.endswith("(restarted after it was killed at its memory limit)")


def test_a_readiness_probe_that_fails_makes_it_unreachable() -> None:
    found = look(remembered("uid-1/0", status=KNOWN), pod(**RUNNING, ready=False, lost=LATER))
    assert (found.reachable, found.reason) == (False, Reason.DAEMON_UNREACHABLE)
    assert found.probe_result == "uid-1/0", "clients keep the Secret"


def test_the_kubelets_warning_is_passed_on() -> None:
    seen = observed(diagnoses={"uid-1": "MountVolume.SetUp failed", "uid-2": "another pod's"})
    found = look(seen, pod(state={"waiting": {}}))
    assert (found.reason, found.message) == (Reason.POD_START_FAILED, "the kubelet said: MountVolume.SetUp failed")


FAILURE = ProbeFailure("uid-1", 0, ProbeError.SILENCE, "https://10.0.0.7:2376 has not answered /version within 5 s", 15)


def test_a_daemon_that_the_operator_cannot_reach_is_unreachable() -> None:
    found = look(observed(probe_failure=FAILURE), pod(**RUNNING, ready=True))
    assert (found.reachable, found.reason, found.needs_probe) == (False, Reason.DAEMON_UNREACHABLE, True)
    assert found.message.startswith(
        "the daemon runs, but for 15 s it has not answered the operator over TLS (https://10.0.0.7:2376 has not "
        "answered /version within 5 s): most likely a NetworkPolicy"
    )
    assert "from namespace operator-system to the pod" in found.message


def test_one_that_the_kubelet_does_not_call_ready_either_still_starts() -> None:
    found = look(observed(probe_failure=FAILURE), pod(**RUNNING, ready=False))
    assert (found.reason, found.needs_probe) == (Reason.DAEMON_STARTING, True)
    assert found.message.startswith("the daemon's container runs, but for 15 s it has not answered")


@pytest.mark.parametrize(
    "failure",
    [None, replace(FAILURE, pod_uid="uid-0"), replace(FAILURE, restarts=1)],
    ids=["none", "of another pod", "of another start"],
)
def test_without_a_failure_of_this_start_it_starts(failure: ProbeFailure | None) -> None:
    found = look(observed(probe_failure=failure), pod(**RUNNING, ready=True))
    assert (found.reason, found.message) == STARTING


def test_the_container_s_own_failure_comes_first() -> None:
    crashed = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 1}}}
    found = look(observed(probe_failure=FAILURE), pod(**crashed))
    assert found.reason == Reason.DAEMON_CRASHED


@pytest.mark.parametrize(("name", "kept"), [("build-abcde", True), ("build-other", False)])
def test_another_operator_does_not_begin_from_the_start(name: str, kept: bool) -> None:
    condition = Condition(
        type="DaemonReachable",
        status=Status.FALSE,
        reason="DaemonUnreachable",
        message="the daemon runs, but",
        last_transition_time="",
    )
    status = NestedDockerStatus(conditions=[condition], pod_name=name)
    found = look(observed(status=status), pod(**RUNNING, ready=True))
    assert (found.reason == Reason.DAEMON_UNREACHABLE, found.message == "the daemon runs, but") == (kept, kept)
    answers = look(
        observed(status=status, probe_result=ProbeResult("uid-1", 0, ENGINE, STARTED)), pod(**RUNNING, ready=True)
    )
    assert answers.reachable


SOON, MUCH_LATER = "2026-03-01T12:00:25Z", "2026-03-01T12:00:26Z"
"""Twenty seconds after the answer at STARTED, and one more."""

KEPT = f"uid-1/0/{STARTED}"


@pytest.mark.parametrize("mode", [*Mode])
def test_a_daemon_that_was_restarted_is_asked_again(mode: Mode) -> None:
    found = look(remembered(KEPT, status=KNOWN), pod(**RUNNING, ready=True, restartCount=1), mode)
    assert (found.reachable, found.fresh, found.needs_probe) == (True, False, True)
    answer = ProbeResult("uid-1", 1, ENGINE, LATER)
    found = look(remembered(KEPT, status=KNOWN, probe_result=answer), pod(**RUNNING, ready=False, restartCount=1), mode)
    assert (found.fresh, found.needs_probe, found.probe_result) == (True, False, f"uid-1/1/{LATER}")
    assert found.reachable, "the answer comes before the kubelet calls the pod ready"


@pytest.mark.parametrize("mode", [*Mode])
@pytest.mark.parametrize("mark", [f"uid-1/2/{LATER}", "uid-1/2"], ids=["of today", "of an earlier version"])
def test_an_answer_of_the_same_start_is_not_repeated(mode: Mode, mark: str) -> None:
    known = remembered(mark, status=KNOWN)
    assert not look(known, pod(**RUNNING, ready=True, restartCount=2), mode).needs_probe


@pytest.mark.parametrize(
    ("mode", "since", "asked"),
    [
        (Mode.HOST_SOCKET, SOON, False),
        (Mode.HOST_SOCKET, MUCH_LATER, True),
        (Mode.DIND, MUCH_LATER, False),
        (Mode.SYSBOX, MUCH_LATER, False),
    ],
)
def test_a_node_s_daemon_may_be_another_one_when_the_pod_is_ready_again(mode: Mode, since: str, asked: bool) -> None:
    found = look(remembered(KEPT, status=KNOWN), ready_since(since), mode)
    assert (found.reachable, found.needs_probe) == (True, asked)


@pytest.mark.parametrize(
    "mark",
    ["uid-1/0", "uid-1/0/", "uid-1/0/x", "uid-1/0/2026-03-01", "uid-1/0/2026-03-01T12:00:05+00:00", "uid-1/0/x/y"],
)
def test_an_answer_without_a_time_is_repeated_once(mark: str) -> None:
    """An earlier version has written it, or not the operator."""
    found = look(remembered(mark, status=KNOWN), ready_since(STARTED), Mode.HOST_SOCKET)
    assert (found.probe_result, found.needs_probe) == (mark, True)
    answer = ProbeResult("uid-1", 0, ENGINE, STARTED)
    found = look(remembered(mark, status=KNOWN, probe_result=answer), ready_since(STARTED), Mode.HOST_SOCKET)
    assert (found.probe_result, found.needs_probe) == (KEPT, False)


def test_an_answer_before_the_restart_is_not_news() -> None:
    answer = ProbeResult("uid-1", 0, ENGINE, STARTED)
    found = look(remembered(KEPT, status=KNOWN, probe_result=answer), pod(**RUNNING, ready=True, restartCount=1))
    assert (found.fresh, found.needs_probe, found.probe_result) == (False, True, KEPT)
