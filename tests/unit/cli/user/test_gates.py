"""`why`: which gate holds, from the objects alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.support.user_world import conditions

from nested_docker.cli.user.gates import DAEMON_CONTAINER, Gate, GateState, gates, gates_text
from nested_docker.domain.modes.dockerd import CONTAINER

Manifest = dict[str, Any]
CREATED = "2026-03-01T00:00:00Z"
START = datetime(2026, 3, 1, tzinfo=UTC)


def nested_docker(*rows: tuple[str, str, str, str]) -> Manifest:
    return {
        "metadata": {"name": "build", "creationTimestamp": CREATED},
        "status": {"conditions": conditions(*rows)},
    }


def pod(*, scheduled: bool = True, state: Manifest | None = None, **container: Any) -> Manifest:
    row = ("PodScheduled", "True", "", "") if scheduled else ("PodScheduled", "False", "Unschedulable", "0/3 nodes")
    status: Manifest = {"conditions": conditions(row)}
    if state is not None:
        status["containerStatuses"] = [{"name": "other"}, {"name": "daemon", "state": state} | container]
    return {"spec": {"nodeName": "node-1"}, "status": status}


ACCEPTED = ("Accepted", "True", "Granted", "policy ci grants it")
WAITS = ("Ready", "False", "DaemonStarting", "the pod starts")
RUNNING = {"running": {"startedAt": "2026-03-01T00:00:20Z"}}
PULLED = {"reason": "Pulled", "message": "pulled in 12s", "lastTimestamp": "2026-03-01T00:00:18Z"}


def states(found: list[Gate]) -> dict[str, str]:
    return {gate.name: gate.state for gate in found}


def test_the_container_is_the_one_of_every_mode() -> None:
    assert DAEMON_CONTAINER == CONTAINER


def test_all_gates_are_passed_with_their_times() -> None:
    ready = ("Ready", "True", "Ready", "clients can connect")
    found = gates(nested_docker(ACCEPTED, ready), pod(state=RUNNING), [PULLED])
    assert gates_text(found, START, START) == (
        "admission    passed            +0s  created\n"
        "policy       passed            +5s  Granted: policy ci grants it\n"
        "scheduling   passed            +0s  node node-1\n"
        "pull         passed           +13s  pulled in 12s\n"
        "start        passed            +2s\n"
        "first answer passed            +0s  clients can connect"
    )


@pytest.mark.parametrize(
    ("rows", "of_pod", "events", "expected"),
    [
        ([], None, [], ("policy", "waiting", "the operator has not looked at it yet; is it running?")),
        ([("Accepted", "False", "NotGranted", "no")], None, [], ("policy", "blocked", "NotGranted: no")),
        ([ACCEPTED, ("Provisioned", "False", "QuotaExceeded", "full"), WAITS], None, [], ("objects", "blocked",
         "QuotaExceeded: full")),
        ([ACCEPTED, WAITS], None, [], ("pod", "waiting", "DaemonStarting: the pod starts")),
        ([ACCEPTED, WAITS], pod(scheduled=False), [], ("scheduling", "waiting", "Unschedulable: 0/3 nodes")),
        ([ACCEPTED, WAITS], pod(state={"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}), [],
         ("pull", "blocked", "ImagePullBackOff: no such image")),
        ([ACCEPTED, WAITS], pod(state={"waiting": {"reason": "ContainerCreating"}}),
         [{"reason": "Pulling", "message": "pulling docker:dind"}], ("pull", "waiting", "pulling docker:dind")),
        ([ACCEPTED, WAITS], pod(state={"waiting": {"reason": "CrashLoopBackOff"}},
         lastState={"terminated": {"exitCode": 1, "message": "bad flag"}}), [], ("start", "blocked",
         "exit code 1: bad flag")),
        ([ACCEPTED, WAITS], pod(state=RUNNING), [], ("first answer", "waiting", "DaemonStarting: the pod starts")),
        ([ACCEPTED, ("Ready", "False", "DaemonUnreachable", "refused"), ("Stalled", "True", "", "")],
         pod(state=RUNNING), [], ("first answer", "blocked", "DaemonUnreachable: refused")),
    ],
    ids=["silent", "denied", "quota", "no pod", "scheduling", "image", "pulling", "crash", "starting", "unreachable"],
)  # fmt: skip
def test_the_gate_that_holds_has_the_reason(
    rows: list[tuple[str, str, str, str]],
    of_pod: Manifest | None,
    events: list[Manifest],
    expected: tuple[str, str, str],
) -> None:
    found = gates(nested_docker(*rows), of_pod, events)
    holding = next(each for each in found if each.state is not GateState.PASSED)
    assert (holding.name, holding.state, holding.detail) == expected
    behind = found[found.index(holding) + 1 :]
    assert {each.state for each in behind} <= {GateState.NOT_REACHED}
    assert "…" in gates_text(found, START, datetime(2026, 3, 1, 0, 1, tzinfo=UTC))
