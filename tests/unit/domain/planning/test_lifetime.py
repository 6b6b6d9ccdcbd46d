"""When a NestedDocker ends, why, and when it is deleted then."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.support.factory import DEFAULTS, NOW, class_spec, observed

from nested_docker.api.meta import Condition, Status
from nested_docker.api.v1alpha1 import NestedDockerStatus
from nested_docker.api.v1alpha1.nested_docker import ContainerResult
from nested_docker.domain.admission.acceptance import Accepted, accept
from nested_docker.domain.modes.dockerd import IDLE_WATCH
from nested_docker.domain.observed import Observed
from nested_docker.domain.planning import lifetime
from nested_docker.domain.planning.lifetime import Ending
from nested_docker.domain.planning.pod_state import PodState
from nested_docker.domain.status.conditions import timestamp
from nested_docker.domain.status.reasons import Reason, Type

ONE_SHOT = {"workload": {"restartPolicy": "Never", "containers": [{"name": "job", "image": "docker:29-cli"}]}}
COMPLETED = timestamp(NOW)


def request(spec: dict[str, Any] | None = None, **fields: Any) -> tuple[Observed, Accepted]:
    seen = observed({"mode": "Dind"} | (spec or {}), **fields)
    acceptance = accept(seen, DEFAULTS)
    assert isinstance(acceptance, Accepted)
    return seen, acceptance


def pod(phase: str = "Running", **states: dict[str, Any]) -> PodState:
    """A pod with these states of its containers, whose names have `_` for `-`."""
    statuses = [{"name": name.replace("_", "-"), "state": state} for name, state in states.items()]
    return PodState(
        {"kind": "Pod", "metadata": {"name": "build-abcde"}, "status": {"phase": phase, "containerStatuses": statuses}}
    )


def ending(spec: dict[str, Any], state: PodState | None = None, **later: float) -> Ending | None:
    return lifetime.ending(*request(spec), state, NOW + timedelta(**later))


def exited(code: int) -> dict[str, Any]:
    return {"terminated": {"exitCode": code}}


def test_a_service_does_not_end() -> None:
    assert ending({}) is None
    assert ending({}, pod("Failed")) is None
    assert not lifetime.one_shot(request()[1])


@pytest.mark.parametrize("seconds", [None, 3600])
def test_the_deadline_counts_from_the_creation(seconds: int | None) -> None:
    seen, accepted = request({"activeDeadlineSeconds": seconds} if seconds else {})
    assert lifetime.deadline(seen, accepted) == (seen.created + timedelta(hours=1) if seconds else None)


def test_at_the_deadline_it_ends() -> None:
    spec = {"activeDeadlineSeconds": 3600}
    assert ending(spec, minutes=58) is None
    over = ending(spec, minutes=59)
    assert over == Ending(
        Reason.DEADLINE_EXCEEDED, "activeDeadlineSeconds ended at 2026-03-01T12:59:00Z; the operator stopped the daemon"
    )


@pytest.mark.parametrize("state", [exited(1), {"running": {}}])
def test_an_idle_watch_that_has_not_succeeded_ends_nothing(state: dict[str, Any]) -> None:
    assert ending({"idleTimeoutSeconds": 60}, pod(idle_watch=state)) is None


def test_the_idle_watch_ends_it_where_the_spec_has_one() -> None:
    assert IDLE_WATCH == "idle-watch"
    over = ending({"idleTimeoutSeconds": 60}, pod(idle_watch=exited(0)))
    assert over is not None
    assert (over.reason, over.keeps_pod) == (Reason.IDLE_TIMEOUT, False)
    assert "for 60 s" in over.message
    assert ending({}, pod(idle_watch=exited(0))) is None


def test_a_one_shot_workload_ends_it() -> None:
    assert ending(ONE_SHOT, pod(job={"running": {}})) is None
    over = ending(ONE_SHOT, pod(job=exited(0)))
    assert over is not None
    assert (over.reason, over.keeps_pod, over.message) == (
        Reason.COMPLETED,
        True,
        "every container exited with code 0",
    )
    assert over.results == [ContainerResult(name="job", exit_code=0)]
    over = ending(ONE_SHOT, pod(job=exited(3)))
    assert over is not None
    assert (over.reason, over.keeps_pod) == (Reason.WORKLOAD_FAILED, True)
    assert over.message == "container job exited with code 3; see kubectl logs build-abcde --container job"


def test_a_pod_that_ends_before_its_workload_has_failed() -> None:
    over = ending(ONE_SHOT, pod("Failed"))
    assert over is not None
    assert (over.reason, over.keeps_pod) == (Reason.WORKLOAD_FAILED, True)
    assert over.message == "the pod ended before its workload (phase Failed)"


@pytest.mark.parametrize(
    ("reason", "ends", "keeps_pod"),
    [
        (Reason.DEADLINE_EXCEEDED, True, False),
        (Reason.COMPLETED, True, True),
        (Reason.WORKLOAD_FAILED, True, True),
        (Reason.POD_LOST, False, False),
        ("WrittenByAnotherVersion", False, False),
    ],
)
def test_an_ending_is_final(reason: str, ends: bool, keeps_pod: bool) -> None:
    condition = Condition(
        type=Type.READY, status=Status.FALSE, reason=reason, message="m", last_transition_time=COMPLETED
    )
    status = NestedDockerStatus(conditions=[condition], completion_time=COMPLETED)
    over = lifetime.ending(*request(status=status), None, NOW)
    assert (over is not None) == ends
    if over is not None:
        assert (over.reason, over.message, over.keeps_pod) == (reason, "m", keeps_pod)
    unfinished = status.model_copy(update={"completion_time": None})
    assert lifetime.ending(*request(status=unfinished), None, NOW) is None


@pytest.mark.parametrize(
    ("spec", "of_class", "seconds"),
    [
        ({}, {}, None),
        ({"ttlSecondsAfterFinished": 60}, {}, 60),
        ({}, {"ttlSecondsAfterFinished": 30}, 30),
        ({"ttlSecondsAfterFinished": 0}, {"ttlSecondsAfterFinished": 30}, 0),
    ],
)
def test_time_to_live_is_the_specs_before_the_classs(
    spec: dict[str, Any], of_class: dict[str, Any], seconds: int | None
) -> None:
    _, accepted = request(spec, classes={"standard": class_spec(lifetime=of_class)})
    until = lifetime.time_to_live(accepted, COMPLETED)
    assert until == (None if seconds is None else NOW + timedelta(seconds=seconds))
