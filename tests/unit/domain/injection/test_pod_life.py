"""When a pod starts to need its daemon, and when it does not need it any more."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.unit.domain.injection.pods import pod

from nested_docker.domain.injection.pod_life import grace_ends, has_ended, has_started
from nested_docker.domain.names import ANNOTATION_INJECT_CONTAINERS

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WAITING, RUNNING = {"waiting": {"reason": "ContainerCreating"}}, {"running": {"startedAt": "2026-03-01T00:00:00Z"}}
ENDED, FAILED = {"terminated": {"exitCode": 0}}, {"terminated": {"exitCode": 1}}


def life(
    phase: str = "Running",
    *,
    init: dict[str, Any] | None = None,
    restart_policy: str = "Never",
    only: str = "",
    deleted: str = "",
    **states: Any,
) -> dict[str, Any]:
    made = pod(restartPolicy=restart_policy, annotations={ANNOTATION_INJECT_CONTAINERS: only} if only else {})
    if deleted:
        made["metadata"]["deletionTimestamp"] = deleted
    made["status"] = {
        "phase": phase,
        "initContainerStatuses": [{"name": name, "state": state} for name, state in (init or {}).items()],
        "containerStatuses": [{"name": name, "state": state} for name, state in states.items()],
    }
    return made


@pytest.mark.parametrize(
    ("there", "started"),
    [
        (pod(), False),
        (life("Pending"), False),
        (life("Pending", build=WAITING, helper=WAITING), False),
        (life("Pending", init={"clone": RUNNING}), True),
        (life("Pending", init={"mesh": RUNNING}), True),
        (life("Pending", init={"clone": FAILED}), True),
        (life("Running", build=RUNNING), True),
        (life("Unknown"), True),
        (life("Failed"), True),
    ],
)
def test_a_pod_has_started_when_a_container_has(there: dict[str, Any], *, started: bool) -> None:
    assert has_started(there) is started


def test_a_container_that_waits_to_start_again_has_started() -> None:
    there = life("Pending", init={"clone": WAITING})
    there["status"]["initContainerStatuses"][0]["restartCount"] = 1
    assert has_started(there)


DONE = {"clone": ENDED, "mesh": RUNNING}


@pytest.mark.parametrize(
    ("there", "ended"),
    [
        (life("Succeeded"), True),
        (life("Failed"), True),
        (life("Pending"), False),
        (life("Running", init=DONE, build=RUNNING, helper=RUNNING), False),
        (life("Running", init=DONE, build=ENDED, helper=RUNNING), False),
        (life("Running", init=DONE, build=ENDED, helper=FAILED), True),
        (life("Running", init=DONE, build=ENDED, helper=FAILED, restart_policy="OnFailure"), False),
        (life("Running", init=DONE, build=ENDED, helper=ENDED, restart_policy="OnFailure"), True),
        (life("Running", init=DONE, build=ENDED, helper=ENDED, restart_policy="Always"), False),
        (life("Running", init=DONE, build=ENDED, helper=RUNNING, only="build"), True),
        (life("Running", init=DONE, build=RUNNING, helper=ENDED, only="build"), False),
        (life("Running", init=DONE, build=RUNNING, helper=RUNNING, only="clone", restart_policy="Always"), True),
        (life("Running", init=DONE, build=ENDED, helper=ENDED, only="mesh"), False),
        (life("Running", init=DONE, build=ENDED, helper=ENDED, only="gone"), True),
    ],
    ids=[
        "succeeded",
        "failed",
        "not started",
        "runs",
        "one has ended",
        "all have, and never start again",
        "one starts again after a failure",
        "none starts again after success",
        "all start again",
        "the one with the connection has",
        "only the other has",
        "an init container with the connection has",
        "a native sidecar has the connection",
        "the annotation was changed",
    ],
)
def test_a_pod_has_ended_when_the_containers_with_the_connection_have(there: dict[str, Any], *, ended: bool) -> None:
    assert has_ended(there, NOW) is ended


def test_init_containers_have_ended_when_one_that_comes_after_them_has() -> None:
    """A kubelet that starts again may have lost their statuses."""
    assert has_ended(life(build=ENDED, helper=ENDED), NOW)
    assert has_ended(life(init={"clone": WAITING}, build=ENDED, helper=ENDED), NOW)


def test_a_container_with_rules_may_start_again() -> None:
    there = life("Running", init=DONE, build=FAILED, only="build")
    there["spec"]["containers"][0] |= {"restartPolicy": "Never", "restartPolicyRules": [{"action": "Restart"}]}
    assert not has_ended(there, NOW)
    there["metadata"]["deletionTimestamp"] = "2026-03-01T00:00:30Z"
    assert has_ended(there, NOW)


@pytest.mark.parametrize(("action", "ended"), [("Restart", True), ("RestartAllContainers", False)])
def test_another_container_may_start_all_again(action: str, *, ended: bool) -> None:
    there = life("Running", init=DONE, build=FAILED, helper=RUNNING, only="build")
    there["spec"]["containers"][1] |= {"restartPolicy": "Never", "restartPolicyRules": [{"action": action}]}
    assert has_ended(there, NOW) is ended
    there["metadata"]["deletionTimestamp"] = "2026-03-01T00:00:30Z"
    assert has_ended(there, NOW)


@pytest.mark.parametrize(
    ("deleted", "ended"),
    [("2026-03-01T00:00:30Z", False), ("2026-03-01T00:00:00Z", True), ("2026-02-28T23:59:59Z", True)],
)
def test_a_deleted_pod_has_its_daemon_until_its_grace_period_is_over(deleted: str, *, ended: bool) -> None:
    there = life(init=DONE, build=RUNNING, helper=RUNNING, deleted=deleted)
    assert has_ended(there, NOW) is ended
    assert grace_ends(there) == datetime.fromisoformat(deleted)


def test_a_deleted_pod_has_ended_with_its_containers() -> None:
    there = life(init=DONE, build=ENDED, helper=ENDED, restart_policy="Always", deleted="2026-03-01T00:00:30Z")
    assert has_ended(there, NOW)
