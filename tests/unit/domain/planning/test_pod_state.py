"""A pod's status: what it says about the daemon, and which reason its failures get."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from nested_docker.api.meta import Mode
from nested_docker.domain.modes import MODES
from nested_docker.domain.modes.dockerd import IDLE_WATCH
from nested_docker.domain.planning.pod_state import PULL_FAILURES, START_FAILURES, STARTING, PodState
from nested_docker.domain.status.reasons import Reason

BEFORE, STARTED, AFTER = "2026-03-01T12:00:00Z", "2026-03-01T12:00:05Z", "2026-03-01T12:00:09Z"
RUNNING = {"state": {"running": {"startedAt": STARTED}}}


FULL = (
    "(a disk is full, most likely that of the data-root: where spec.storage is a Claim, raise the size in the "
    "PersistentVolumeClaim; otherwise restart the NestedDocker, which gives it an empty data-root)"
)


def pod(status: dict[str, Any] | None = None, node: str = "node-1", **metadata: Any) -> PodState:
    head = {"name": "build-abcde", "uid": "uid-1", "creationTimestamp": BEFORE}
    spec = {"nodeName": node} if node else {}
    return PodState({"kind": "Pod", "metadata": head | metadata, "spec": spec, "status": status or {}})


def daemon(init: bool = False, **status: Any) -> dict[str, Any]:
    """A pod's status with one of the daemon's container; beside a workload that is an init container."""
    container = {"name": "daemon", "image": "docker:29-dind"} | status
    return {"initContainerStatuses" if init else "containerStatuses": [container]}


def waiting(reason: str, message: str = "") -> dict[str, Any]:
    return daemon(state={"waiting": {"reason": reason, "message": message}})


def ended(code: int, **fields: Any) -> dict[str, Any]:
    return daemon(state={"terminated": {"exitCode": code} | fields})


def gated(*gates: str) -> PodState:
    condition = {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated", "message": "is blocked"}
    manifest = pod({"conditions": [condition]}, node="").manifest
    return PodState(manifest | {"spec": {"schedulingGates": [{"name": gate} for gate in gates]}})


@pytest.mark.parametrize(
    ("gates", "held"),
    [
        (["kueue.x-k8s.io/admission"], "held by scheduling gate kueue.x-k8s.io/admission, which"),
        (["a.example/x", "b.example/y"], "held by scheduling gate a.example/x, b.example/y, which"),
        ([], "held by a scheduling gate, which"),
    ],
)
def test_a_scheduling_gate_is_named(gates: list[str], held: str) -> None:
    reason, message = gated(*gates).failure(MODES[Mode.DIND], "")
    assert reason == Reason.SCHEDULING_GATED
    assert held in message
    assert "no node can take the pod" not in message


def unscheduled(message: str) -> dict[str, Any]:
    return {"conditions": [{"type": "PodScheduled", "status": "False", "message": message}]}


FAILURES: dict[str, tuple[Mode, dict[str, Any], str, Reason, str]] = {
    "nothing yet": (Mode.DIND, {}, "", *STARTING),
    "container created": (Mode.DIND, waiting("ContainerCreating"), "", *STARTING),
    "scheduled": (Mode.DIND, {"conditions": [{"type": "PodScheduled", "status": "True"}]}, "", *STARTING),
    "image pull": (
        Mode.DIND,
        waiting("ImagePullBackOff", "Back-off pulling image"),
        "",
        Reason.IMAGE_PULL_FAILED,
        "image docker:29-dind cannot be pulled: check its name, and spec.engine.imagePullSecrets "
        "(ImagePullBackOff: Back-off pulling image)",
    ),
    "no node": (
        Mode.DIND,
        unscheduled("0/3 nodes are available: 3 Insufficient cpu."),
        "",
        Reason.UNSCHEDULABLE,
        "no node can take the pod (the scheduler said: 0/3 nodes are available: 3 Insufficient cpu.)",
    ),
    "no volume": (
        Mode.DIND,
        unscheduled("pod has unbound immediate PersistentVolumeClaims."),
        "",
        Reason.VOLUME_NOT_BOUND,
        "the data-root's PersistentVolumeClaim is not bound: check its storageClassName and size "
        "(the scheduler said: pod has unbound immediate PersistentVolumeClaims.)",
    ),
    "no start": (
        Mode.DIND,
        waiting("CreateContainerConfigError", 'configmap "gone" not found'),
        "",
        Reason.POD_START_FAILED,
        'container daemon cannot start (CreateContainerConfigError: configmap "gone" not found)',
    ),
    "no profile": (
        Mode.DIND,
        waiting("CreateContainerError", "failed to generate apparmor spec opts: apparmor profile not found ci"),
        "",
        Reason.POD_START_FAILED,
        "container daemon cannot start, since its node does not have the AppArmor profile ci: load it on each node "
        "where such pods run, or name another one in the class (CreateContainerError: failed to generate apparmor spec "
        "opts: apparmor profile not found ci)",
    ),
    "no profile, in an Event only": (
        Mode.DIND,
        {},
        "Error: failed to generate apparmor spec opts: apparmor profile not found ci",
        Reason.POD_START_FAILED,
        "the pod cannot start, since its node does not have the AppArmor profile ci: load it on each node where such "
        "pods run, or name another one in the class (the kubelet said: Error: failed to generate apparmor spec opts: "
        "apparmor profile not found ci)",
    ),
    "out of memory": (
        Mode.DIND,
        ended(137, reason="OOMKilled"),
        "",
        Reason.DAEMON_OUT_OF_MEMORY,
        "the kernel killed the daemon's container at its memory limit, with every inner container: raise "
        "spec.resources.limits.memory, or limit inner containers with docker run --memory",
    ),
    "out of memory, earlier": (
        Mode.DIND,
        daemon(**RUNNING, lastState={"terminated": {"exitCode": 137, "reason": "OOMKilled"}}),
        "",
        Reason.DAEMON_OUT_OF_MEMORY,
        "the kernel killed the daemon's container at its memory limit, with every inner container: raise "
        "spec.resources.limits.memory, or limit inner containers with docker run --memory",
    ),
    "stopped": (
        Mode.DIND,
        ended(0),
        "",
        Reason.DAEMON_RESTARTING,
        "the daemon's container stopped and the kubelet restarts it",
    ),
    "no container can run, while the next trial goes on": (
        Mode.DIND,
        daemon(
            **RUNNING,
            lastState={
                "terminated": {
                    "exitCode": 1,
                    "message": "nested-docker: the trial container did not run: unable to create session key\n",
                }
            },
        ),
        "",
        Reason.TRIAL_RUN_FAILED,
        "no inner container can run here, so the daemon does not start: the pod's seccomp profile forbids keyctl: use "
        "a profile that allows it, or Unconfined. The kubelet tries again, at longer and longer intervals, and the "
        "daemon starts as soon as a trial succeeds (the runtime said: unable to create session key)",
    ),
    "crash with a message": (
        Mode.DIND,
        ended(1, message="unknown option nonsense\n"),
        "",
        Reason.DAEMON_CRASHED,
        "the daemon exited with code 1: unknown option nonsense",
    ),
    "crash at the end of a long log": (
        Mode.DIND,
        ended(1, message='time="2026-11-26T04:00:00Z" level=info msg="loading plugin"\n' * 30 + "failed: zfs\n"),
        "",
        Reason.DAEMON_CRASHED,
        "the daemon exited with code 1: failed: zfs",
    ),
    "crash on a full disk": (
        Mode.DIND,
        ended(1, message="failed to start daemon: mkdir /data: no space left on device\n"),
        "",
        Reason.DAEMON_CRASHED,
        f"the daemon exited with code 1: failed to start daemon: mkdir /data: no space left on device {FULL}",
    ),
    "crash on a full disk that only containerd names": (
        Mode.SYSBOX,
        ended(
            1,
            message='time="2026-11-26T04:00:00Z" level=warning msg="failed to load plugin" error="mkdir /data: '
            'no space left on device"\nfailed to start daemon: failed to dial\n',
        ),
        "",
        Reason.DAEMON_CRASHED,
        f"the daemon exited with code 1: failed to start daemon: failed to dial {FULL}",
    ),
    "killed by a signal": (
        Mode.DIND,
        ended(137, message="http: TLS handshake error from [::1]:48882: tls: client didn't provide a certificate"),
        "",
        Reason.DAEMON_CRASHED,
        "the daemon was killed by SIGKILL (exit code 137), and the kubelet restarts it: look for who sent the "
        "signal; the kubelet does it when the liveness probe fails, and then kubectl describe pod says so",
    ),
    "crash without a message": (
        Mode.DIND,
        ended(2),
        "",
        Reason.DAEMON_CRASHED,
        "the daemon exited with code 2: it left no message; see kubectl logs",
    ),
    "the kubelet's warning": (
        Mode.DIND,
        waiting("ContainerCreating"),
        "MountVolume.SetUp failed",
        Reason.POD_START_FAILED,
        "the kubelet said: MountVolume.SetUp failed",
    ),
}


@pytest.mark.parametrize(("mode", "status", "diagnosis", "reason", "message"), FAILURES.values(), ids=FAILURES)
def test_why_the_daemon_does_not_answer(
    mode: Mode, status: dict[str, Any], diagnosis: str, reason: Reason, message: str
) -> None:
    assert pod(status).failure(MODES[mode], diagnosis) == (reason, message)


NO_SOCKET = "hostPath type check failed: /var/run/docker.sock is not a socket file"
NO_IDS = "the handler does not support user namespaces"


@pytest.mark.parametrize(
    ("mode", "said", "reason"),
    [(Mode.HOST_SOCKET, NO_SOCKET, Reason.SOCKET_MISSING), (Mode.SYSBOX, NO_IDS, Reason.POD_START_FAILED)],
)
def test_the_mode_explains_what_only_it_knows(mode: Mode, said: str, reason: Reason) -> None:
    explained = MODES[mode].explain(said)
    assert explained is not None
    assert explained[0] == reason
    assert said in explained[1]
    for status, diagnosis in ((waiting("RunContainerError", said), ""), (ended(1, message=said), ""), ({}, said)):
        assert pod(status).failure(MODES[mode], diagnosis) == explained


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        *((word, Reason.IMAGE_PULL_FAILED) for word in sorted(PULL_FAILURES)),
        *((word, Reason.POD_START_FAILED) for word in sorted(START_FAILURES)),
        ("PodInitializing", Reason.DAEMON_STARTING),
        ("CrashLoopBackOff", Reason.DAEMON_STARTING),
    ],
)
def test_the_kubelets_reasons(words: str, reason: Reason) -> None:
    assert pod(waiting(words, "…")).failure(MODES[Mode.DIND], "")[0] == reason


def test_any_container_can_fail_and_the_scheduler_comes_first() -> None:
    workload = {"name": "job", "image": "nope:1", "state": {"waiting": {"reason": "ErrImagePull", "message": "no"}}}
    status = daemon(init=True, **RUNNING) | {"containerStatuses": [workload]}
    reason, message = pod(status).failure(MODES[Mode.DIND], "")
    assert (reason, "nope:1" in message) == (Reason.IMAGE_PULL_FAILED, True)
    reason, _ = pod(status | unscheduled("no")).failure(MODES[Mode.DIND], "")
    assert reason == Reason.UNSCHEDULABLE


def test_an_empty_status() -> None:
    state = PodState({"kind": "Pod", "metadata": {"name": "build-abcde"}})
    assert (state.uid, state.name, state.node, state.ip) == ("", "build-abcde", "", "")
    assert (state.terminating, state.ended, state.succeeded) == (False, False, False)
    assert (state.daemon_running, state.daemon_ready, state.daemon_has_started, state.restarts) == (
        False,
        False,
        False,
        0,
    )
    assert not state.out_of_memory()
    assert not state.daemon_was_ready


def test_identity_and_address() -> None:
    state = pod({"podIP": "10.0.0.7"}, deletionTimestamp=AFTER)
    assert (state.uid, state.node, state.ip, state.terminating) == ("uid-1", "node-1", "10.0.0.7", True)
    assert state.created == datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("phase", "ended_", "succeeded"),
    [("Pending", False, False), ("Running", False, False), ("Failed", True, False), ("Succeeded", True, True)],
)
def test_phases(phase: str, ended_: bool, succeeded: bool) -> None:
    state = pod({"phase": phase})
    assert (state.ended, state.succeeded) == (ended_, succeeded)


@pytest.mark.parametrize(
    ("status", "started"),
    [
        ({}, False),
        ({"startTime": STARTED}, True),
        (waiting("ContainerCreating") | {"startTime": STARTED}, False),
        (daemon(**RUNNING), True),
        (daemon(init=True, **RUNNING), True),
        (daemon(state={"waiting": {}}, restartCount=1), True),
        (daemon(state={"waiting": {}}, lastState={"terminated": {"exitCode": 1}}), True),
        (ended(0, startedAt=STARTED), True),
        (ended(128), False),
    ],
)
def test_whether_the_daemon_has_ever_run(status: dict[str, Any], started: bool) -> None:
    assert pod(status).daemon_has_started == started


@pytest.mark.parametrize(
    ("status", "lost", "was_ready"),
    [
        (daemon(**RUNNING, ready=True), AFTER, False),
        (daemon(**RUNNING, ready=False), AFTER, True),
        (daemon(**RUNNING, ready=False), BEFORE, False),
        (daemon(**RUNNING, ready=False), "", False),
        (daemon(state={"waiting": {}}), AFTER, False),
    ],
)
def test_whether_the_daemon_was_ready_since_its_start(status: dict[str, Any], lost: str, was_ready: bool) -> None:
    condition = {"type": "ContainersReady", "status": "False", "lastTransitionTime": lost}
    assert pod(status | {"conditions": [condition]}).daemon_was_ready == was_ready


@pytest.mark.parametrize(
    ("status", "node", "silent"),
    [
        ({}, "node-1", True),
        ({}, "", False),
        (waiting("ContainerCreating"), "node-1", True),
        (waiting("PodInitializing"), "node-1", True),
        (waiting("ImagePullBackOff"), "node-1", False),
        (daemon(**RUNNING), "node-1", False),
        ({"phase": "Failed"}, "node-1", False),
    ],
)
def test_when_only_events_say_what_the_kubelet_waits_for(status: dict[str, Any], node: str, silent: bool) -> None:
    assert pod(status, node).waits_silently == silent


def test_results_of_a_workload() -> None:
    one = {"name": "one", "state": {"terminated": {"exitCode": 3}}}
    lost = {"name": "lost", "state": {"terminated": {}}}
    runs = {"name": "runs", "state": {"running": {}}}
    state = pod({"containerStatuses": [one, lost, runs]})
    assert [(result.name, result.exit_code) for result in state.results(["one", "lost"]) or []] == [
        ("one", 3),
        ("lost", -1),
    ]
    assert state.results(["one", "runs"]) is None
    assert state.results(["one", "absent"]) is None
    assert state.results([]) == []


@pytest.mark.parametrize(
    ("status", "idle"),
    [
        ({"state": {"running": {}}}, False),
        ({"state": {"terminated": {"exitCode": 0}}}, True),
        ({"state": {"terminated": {"exitCode": 1}}}, False),
        ({"state": {"running": {}}, "lastState": {"terminated": {"exitCode": 0}}}, True),
    ],
)
def test_the_end_of_the_idle_watch(status: dict[str, Any], idle: bool) -> None:
    assert pod({"containerStatuses": [{"name": IDLE_WATCH} | status]}).finished_idle(IDLE_WATCH) == idle


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({"phase": "Failed", "reason": "Evicted", "message": "disk pressure"}, "Evicted: disk pressure"),
        ({"phase": "Failed", "reason": "Evicted"}, "Evicted"),
        ({"phase": "Failed", "message": "disk pressure"}, "disk pressure"),
        ({"phase": "Failed"}, "phase Failed"),
    ],
)
def test_why_a_pod_ended(status: dict[str, Any], words: str) -> None:
    assert pod(status).ending() == words


SECRET_MISSING = {"reason": "CreateContainerConfigError", "message": 'secret "gone" not found'}
NAMED = 'container agent cannot start (CreateContainerConfigError: secret "gone" not found)'


@pytest.mark.parametrize(
    ("state", "of_daemon", "named"),
    [
        ({"waiting": SECRET_MISSING}, RUNNING, NAMED),
        (
            {"waiting": {"reason": "ImagePullBackOff", "message": "back-off"}},
            RUNNING,
            "container agent cannot start (ImagePullBackOff: back-off)",
        ),
        ({"waiting": SECRET_MISSING}, {"state": {"waiting": {"reason": "ContainerCreating"}}}, ""),
        ({"waiting": {"reason": "ContainerCreating"}}, RUNNING, ""),
        ({"waiting": {"reason": "PodInitializing"}}, RUNNING, ""),
        ({"waiting": {"reason": "CrashLoopBackOff"}}, RUNNING, ""),
        ({"running": {}}, RUNNING, ""),
    ],
)
def test_a_container_that_cannot_start_beside_the_daemon_is_named(
    state: dict[str, Any], of_daemon: dict[str, Any], named: str
) -> None:
    status = daemon(init=True, **of_daemon) | {"containerStatuses": [{"name": "agent", "state": state}]}
    assert pod(status).stuck_container == named
