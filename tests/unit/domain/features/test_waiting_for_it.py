"""What scripts, Flux and Argo CD wait for: Ready is never True for the pod of before, and each end is final."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.support.factory import WORKLOAD, policy_spec
from tests.support.kstatus import kstatus
from tests.unit.world import World, change, message, ready

from nested_docker.api.v1alpha1 import NestedDockerStatus
from nested_docker.domain import names
from nested_docker.domain.planning.planned import Plan


def steady() -> World:
    world = World(generation=1)
    world.settle()
    world.advance(minutes=30)
    world.settle()
    assert ready(world) == ("True", "Ready")
    return world


def restart(world: World, value: str = "7") -> None:
    change(world, annotations={names.ANNOTATION_RESTART: value})


def edit(world: World, mtu: int = 1300) -> None:
    spec = {"mode": "Dind", "engine": {"mtu": mtu}}
    change(world, spec=spec, generation=world.base.generation + 1)


def statuses(world: World, act: Callable[[], object]) -> list[NestedDockerStatus]:
    """Every status that is written meanwhile, in its order."""
    written: list[NestedDockerStatus] = []
    write = world._write_status

    def recording(planned: Plan) -> None:
        write(planned)
        if planned.status is not None:
            written.append(planned.status)

    world._write_status = recording  # type: ignore[method-assign]
    act()
    world._write_status = write  # type: ignore[method-assign]
    return written


def is_ready(status: NestedDockerStatus) -> bool:
    return status.holds("Ready")


@pytest.mark.parametrize("ask", [restart, edit])
def test_the_first_write_takes_ready_back_and_says_what_it_is_based_on(ask: Callable[[World], None]) -> None:
    world = steady()
    old = world.pod()["metadata"]["name"]
    ask(world)
    written = statuses(world, world.settle)
    assert not is_ready(written[0])
    assert written[0].observed_generation == world.base.generation
    assert written[0].observed_restart == world.base.annotations.get(names.ANNOTATION_RESTART, "")
    assert [each.pod_name for each in written if is_ready(each)] == [world.pod()["metadata"]["name"]] != [old]
    assert "a new pod starts: the " in next(c.message for c in written[0].conditions if c.type == "Ready")
    assert [condition.type for condition in written[0].conditions].count("Provisioned") == 1


@pytest.mark.parametrize("ask", [restart, edit])
def test_one_that_must_wait_is_not_ready_and_serves_on(ask: Callable[..., None]) -> None:
    world = steady()
    ask(world)
    world.settle()
    served = world.pod()["metadata"]["name"]
    ask(world, 1400 if ask is edit else "8")
    written = statuses(world, world.settle)
    assert written
    assert not any(is_ready(each) for each in written)
    assert ready(world) == ("False", "ReplacementDelayed")
    assert world.pod()["metadata"]["name"] == served
    assert world.secret("build-docker") is not None
    assert "; the operator creates a new pod at 2026-03-01T12:" in message(world)
    assert kstatus(world.base.generation, world.status.dump()) == "InProgress"
    world.advance(seconds=30)
    world.settle()
    assert ready(world) == ("True", "Ready")
    assert world.pod()["metadata"]["name"] != served
    assert kstatus(world.base.generation, world.status.dump()) == "Current"


def test_a_value_that_the_pod_has_already_changes_nothing_but_is_confirmed() -> None:
    world = steady()
    restart(world)
    world.settle()
    pod = world.pod()["metadata"]["name"]
    world.advance(minutes=1)
    assert statuses(world, world.settle) == []
    change(world, annotations={})
    written = statuses(world, world.settle)
    assert [(is_ready(each), each.observed_restart) for each in written] == [(True, "")]
    assert world.pod()["metadata"]["name"] == pod


@pytest.mark.parametrize("length", [1, 128, 129, 100_000])
def test_any_value_fits_into_the_status(length: int) -> None:
    world = steady()
    restart(world, "\x1b" + "7" * (length - 1))
    world.settle()
    assert len(world.status.observed_restart) <= 129
    assert NestedDockerStatus.model_validate(world.status.dump()) == world.status


def suspended(world: World) -> None:
    change(world, spec={"mode": "Dind", "suspend": True}, generation=2)


def denied(world: World) -> None:
    change(world, policies={})


@pytest.mark.parametrize("act", [suspended, denied])
def test_the_value_is_confirmed_where_nothing_restarts(act: Callable[[World], None]) -> None:
    world = steady()
    act(world)
    restart(world)
    world.settle()
    assert world.status.observed_restart == "7"


def test_a_report_only_policy_does_not_remove_what_serves_while_a_restart_waits() -> None:
    world = World()

    def mirrored(_operation: str, manifest: dict[str, Any]) -> dict[str, Any]:
        if manifest["kind"] == "Pod" and "spec" in manifest:
            (container,) = manifest["spec"]["containers"]
            container["image"] = f"mirror.example/{container['image'].rpartition('/')[2]}"
        return manifest

    world.server.webhook = mirrored
    world.settle()
    restart(world)
    world.settle()
    restart(world, "8")
    world.settle()
    assert ready(world) == ("False", "ReplacementDelayed")
    pod = world.pod()["metadata"]["name"]
    strict = policy_spec(allowedImages={"patterns": ["docker.io/library/docker:**"]}, onViolation="Report")
    change(world, policies={"everything": strict})
    world.step()
    assert world.pod()["metadata"]["name"] == pod
    assert ready(world) == ("False", "ReplacementDelayed")


ONE_SHOT: dict[str, Any] = {"mode": "Dind", "workload": WORKLOAD}


def ended_by_deadline(world: World) -> None:
    world.advance(hours=2)


def ended_by_exit(code: int) -> Callable[[World], None]:
    def end(world: World) -> None:
        statuses = [{"name": "builder", "state": {"terminated": {"exitCode": code}}}]
        world.pod()["status"]["containerStatuses"] = statuses

    return end


def ended_by_idleness(world: World) -> None:
    ended = {"name": "idle-watch", "state": {"terminated": {"exitCode": 0}}}
    world.pod()["status"]["containerStatuses"].append(ended)


ENDS: dict[str, tuple[dict[str, Any], Callable[[World], None], str, str, str]] = {
    "one-shot completed": (ONE_SHOT, ended_by_exit(0), "Completed", "Current", "Complete"),
    "one-shot failed": (ONE_SHOT, ended_by_exit(3), "WorkloadFailed", "Failed", "Failed"),
    "one-shot beyond its deadline": (
        ONE_SHOT | {"activeDeadlineSeconds": 600},
        ended_by_deadline,
        "DeadlineExceeded",
        "Failed",
        "Failed",
    ),
    "daemon beyond its deadline": (
        {"mode": "Dind", "activeDeadlineSeconds": 600},
        ended_by_deadline,
        "DeadlineExceeded",
        "Failed",
        "",
    ),
    "daemon that was idle": (
        {"mode": "Dind", "idleTimeoutSeconds": 60},
        ended_by_idleness,
        "IdleTimeout",
        "Failed",
        "",
    ),
}


@pytest.mark.parametrize(("spec", "end", "reason", "result", "condition"), ENDS.values(), ids=ENDS)
def test_each_end_is_final(
    spec: dict[str, Any], end: Callable[[World], None], reason: str, result: str, condition: str
) -> None:
    world = World(spec)
    world.settle()
    end(world)
    world.settle()
    for _ in range(2):
        assert ready(world)[1] == reason
        assert kstatus(1, world.status.dump()) == result
        assert [each for each in ("Complete", "Failed") if world.status.holds(each)] == (
            [condition] if condition else []
        )
        change(world, policies={})
        world.advance(hours=1)
        assert statuses(world, world.settle) == [], "an end changes once more"


def test_what_is_suspended_is_no_failure() -> None:
    world = steady()
    suspended(world)
    world.settle()
    assert kstatus(2, world.status.dump()) == "InProgress"
