"""A finished build: its pod ends within a grace time, whatever runs beside the workload, and keeps its logs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.factory import policy_spec
from tests.unit.world import World

from nested_docker.domain.planning.lifetime import FINISHED_GRACE

BUILD = {"restartPolicy": "Never", "containers": [{"name": "b", "image": "docker:29-cli"}]}
DENYING = {"stricter": policy_spec(allowedModes=["Sysbox"])}


def finished(code: int = 0, phase: str = "Running", **fields: object) -> World:
    world = World({"mode": "Dind", "workload": BUILD, **fields})
    world.settle()
    world.pod()["status"] |= {
        "phase": phase,
        "containerStatuses": [{"name": "b", "state": {"terminated": {"exitCode": code}}}],
    }
    world.settle()
    assert world.status.completion_time is not None
    return world


def kinds(world: World) -> list[str]:
    return [kind.split("/")[0] for kind in world.kinds()]


@pytest.mark.parametrize("code", [0, 3])
def test_a_pod_that_does_not_end_is_deleted_after_the_grace_time(code: int) -> None:
    world = finished(code)
    assert kinds(world) == ["Pod", "Secret"]
    assert world.plan().requeue_at == world.now + FINISHED_GRACE
    before = world.status
    world.advance(seconds=FINISHED_GRACE.total_seconds())
    world.step()
    assert world.plan().requeue_at is None, "a pod that terminates is not polled"
    world.settle()
    assert kinds(world) == []
    assert world.status == before


def test_a_pod_that_has_ended_stays_for_its_logs() -> None:
    world = finished(phase="Succeeded")
    assert world.plan().requeue_at is None
    world.advance(days=2)
    world.settle()
    assert kinds(world) == ["Pod", "Secret"]


def test_a_time_to_live_within_the_grace_time_counts() -> None:
    world = finished(ttlSecondsAfterFinished=5)
    world.advance(seconds=5)
    world.step()
    assert world.deleted


def test_without_a_grant_what_still_runs_is_deleted_at_once_and_the_results_stay() -> None:
    world = finished()
    before = world.status
    world.base = replace(world.base, policies=DENYING)
    world.settle()
    assert kinds(world) == []
    assert world.status == before


def test_without_a_grant_what_has_ended_stays() -> None:
    world = finished(phase="Succeeded")
    world.base = replace(world.base, policies=DENYING)
    world.settle()
    assert kinds(world) == ["Pod", "Secret"]
