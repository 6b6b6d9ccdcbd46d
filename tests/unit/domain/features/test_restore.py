"""A NestedDocker from a backup: what its old status and annotations do, and what they do not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.support.factory import HOME, NOW, OWNER
from tests.unit.world import World, message, ready

from nested_docker.api.v1alpha1 import NestedDockerStatus
from nested_docker.domain.names import ANNOTATION_RESTART
from nested_docker.domain.status.reasons import Type

BUILD = {"restartPolicy": "Never", "containers": [{"name": "b", "image": "docker:29-cli"}]}
ONE_SHOT: dict[str, Any] = {"mode": "Dind", "workload": BUILD}


def serving(spec: dict[str, Any] | None = None, **fields: Any) -> World:
    world = World(spec, **fields)
    world.settle()
    return world


def finished(code: int) -> World:
    world = serving(ONE_SHOT)
    ended = [{"name": "b", "state": {"terminated": {"exitCode": code}}}]
    world.pod()["status"] |= {"phase": "Failed" if code else "Succeeded", "containerStatuses": ended}
    world.settle()
    return world


def restored(saved: World, *, with_status: bool = True, **fields: Any) -> World:
    """The same NestedDocker in another cluster, a month later, without any child."""
    later = NOW + timedelta(days=30)
    world = World(dict(saved.base.spec), created=later, annotations=saved.base.annotations, **fields)
    world.now = later + timedelta(seconds=1)
    world.status = saved.status if with_status else NestedDockerStatus()
    return world


@pytest.mark.parametrize("with_status", [True, False], ids=["with its status", "without its status"])
def test_a_daemon_starts_with_new_keys_and_its_old_status_is_overwritten(with_status: bool) -> None:
    before = serving()
    world = restored(before, with_status=with_status)
    world.step()
    assert ready(world) == ("False", "DaemonStarting"), "the status of the backup is not believed"
    world.settle()
    assert ready(world) == ("True", "Ready")
    assert world.status.certificate_expiration_time != before.status.certificate_expiration_time


@pytest.mark.parametrize(
    ("code", "reason", "type_"), [(0, "Completed", Type.COMPLETE), (3, "WorkloadFailed", Type.FAILED)]
)
def test_a_finished_build_stays_finished_if_its_status_is_restored(code: int, reason: str, type_: Type) -> None:
    before = finished(code)
    world = restored(before)
    world.settle()
    assert (ready(world)[1], world.status.holds(type_)) == (reason, True)
    assert world.status.results == before.status.results
    assert world.kinds() == []


def test_without_its_status_a_finished_build_runs_again() -> None:
    world = restored(finished(0), with_status=False)
    world.settle()
    assert ready(world) == ("True", "Ready")
    assert world.status.completion_time is None


def test_a_time_to_live_that_ended_meanwhile_deletes_it() -> None:
    before = finished(0)
    world = restored(before)
    world.base.spec["ttlSecondsAfterFinished"] = 60
    world.step()
    assert world.deleted


def test_a_deadline_counts_from_the_restore() -> None:
    before = serving({"mode": "Dind", "activeDeadlineSeconds": 300})
    world = restored(before)
    world.settle()
    assert ready(world) == ("True", "Ready")
    assert before.status.expiration_time is not None
    assert world.status.expiration_time > before.status.expiration_time


def test_a_suspended_one_stays_suspended() -> None:
    world = restored(serving({"mode": "Dind", "suspend": True}))
    world.settle()
    assert ready(world) == ("False", "Suspended")
    assert world.kinds() == []


def test_the_annotation_of_an_old_restart_restarts_nothing() -> None:
    world = restored(serving(annotations={ANNOTATION_RESTART: "1"}))
    world.settle()
    uid = world.pod()["metadata"]["uid"]
    world.settle()
    assert world.pod()["metadata"]["uid"] == uid


DENIED: dict[str, Callable[[], World]] = {
    "serving": serving,
    "suspended": lambda: serving({"mode": "Dind", "suspend": True}),
}


@pytest.mark.parametrize("name", DENIED)
def test_an_old_grant_is_no_grant(name: str) -> None:
    """The status says which policy granted it, in the cluster of the backup."""
    world = restored(DENIED[name](), policies={})
    world.settle()
    assert ready(world) == ("False", "NotGranted")
    assert "NestedDockerPolicy" in message(world)
    assert world.kinds() == []


@pytest.mark.parametrize("labels", [True, False], ids=["with its labels", "without them"])
def test_a_kept_claim_that_is_restored_first_is_used_again(labels: bool) -> None:
    before = World({"mode": "Dind", "storage": {"type": "Claim", "claim": {"size": "1Gi"}}})
    before.settle()
    claim = copy.deepcopy(before.children[HOME.data_claim])
    claim["metadata"] |= {"uid": "restored", "annotations": {"pv.kubernetes.io/bind-completed": "yes"}}
    if not labels:
        claim["metadata"]["labels"] = {}
    world = restored(before, owner=replace(OWNER, uid="another-uid"))
    world.children[HOME.data_claim] = claim
    world.settle()
    assert world.children[HOME.data_claim]["metadata"]["uid"] == "restored"
    assert ready(world) == (("True", "Ready") if labels else ("False", "NameConflict"))
    assert not labels or {"claimName": "build-data"} in [
        volume.get("persistentVolumeClaim") for volume in world.pod()["spec"]["volumes"]
    ]
