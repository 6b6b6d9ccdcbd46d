"""No path replaces pods faster than the interval, whatever the cause, and whoever restarts the operator."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest
from tests.support.factory import class_spec, policy_spec
from tests.unit.world import World, change, message, ready

from nested_docker.domain import names
from nested_docker.domain.status.conditions import parse_timestamp
from nested_docker.domain.status.reasons import Type

Disturb = Callable[[World], None]


def deletes(world: World) -> None:
    for identity in [each for each in world.children if each.kind == "Pod"]:
        world.children[identity]["metadata"].setdefault("deletionTimestamp", "2026-03-01T12:00:00Z")


def deletes_by_force(world: World) -> None:
    for identity in [each for each in world.children if each.kind == "Pod"]:
        del world.children[identity]


def ends(world: World) -> None:
    for pod in [child for identity, child in world.children.items() if identity.kind == "Pod"]:
        world.end(pod)


def changes_the_image(world: World) -> None:
    for pod in [child for identity, child in world.children.items() if identity.kind == "Pod"]:
        pod["spec"]["containers"][0]["image"] = "evil:latest"


def removes_annotations(world: World) -> None:
    for pod in [child for identity, child in world.children.items() if identity.kind == "Pod"]:
        pod["metadata"]["annotations"] = {}


def edits_the_key_set(world: World) -> None:
    for identity in [each for each in world.children if each.name.endswith("-tls")]:
        world.edit_secret(identity, "ca.pem")


def deletes_the_key_set(world: World) -> None:
    for identity in [each for each in world.children if each.name.endswith("-tls")]:
        del world.children[identity]


DISTURBANCES: dict[str, tuple[Disturb, str]] = {
    "a controller deletes each pod": (deletes, "somebody deleted the pod"),
    "a controller deletes each pod by force": (deletes_by_force, "the pod is gone, and no operator saw why"),
    "each pod ends": (ends, "the pod ended (phase Failed)"),
    "a controller changes each image": (changes_the_image, "somebody changed an image of the pod"),
    "a controller edits each key set": (edits_the_key_set, "somebody deleted or changed the Secret with the key set"),
    "a controller deletes each key set": (
        deletes_the_key_set,
        "somebody deleted or changed the Secret with the key set",
    ),
}


def creations(world: World) -> list[datetime]:
    return world.created_pods


def disturbed(world: World, disturb: Disturb, seconds: int, *, restarts: bool = False) -> None:
    """Disturb it at each second."""
    for _ in range(seconds):
        disturb(world)
        world.step()
        world.run_pods()
        world.finish_deletions()
        if restarts:
            world.restart_operator()
            world.probe_result = None
        world.advance(seconds=1)


@pytest.mark.parametrize(("disturb", "what"), DISTURBANCES.values(), ids=DISTURBANCES)
@pytest.mark.parametrize("restarts", [False, True], ids=["one operator", "it restarts each second"])
def test_the_third_replacement_for_one_cause_is_not_made(disturb: Disturb, what: str, restarts: bool) -> None:
    world = World()
    world.settle()
    disturbed(world, disturb, 300, restarts=restarts)
    times = creations(world)
    assert len(times) == 1 + 2, times
    assert (times[2] - times[1]).total_seconds() >= world.defaults.replace_seconds
    assert ready(world) == ("False", "ReplacedRepeatedly")
    assert world.status.holds(Type.STALLED)
    assert message(world).startswith(f"{what}, for the third time in a row, so the operator stops creating pods.")


def test_a_pod_that_could_serve_serves_on_while_it_is_stalled() -> None:
    world = World()
    world.settle()
    disturbed(world, removes_annotations, 300)
    assert len(creations(world)) == 1 + 2
    assert ready(world) == ("True", "Ready")
    pending = world.status.condition(Type.UPDATE_PENDING)
    assert pending is not None
    assert pending.reason == "ReplacedRepeatedly"
    assert pending.message.startswith("the spec differs from what the pod was created for, for the third time in a row")


CURES: dict[str, Disturb] = {
    "spec": lambda world: change(world, spec={"mode": "Dind", "engine": {"mtu": 1300}}, generation=2),
    "class": lambda world: change(world, classes={"standard": class_spec(engine={"mtu": 1300})}),
    "policy": lambda world: change(world, policies={"everything": policy_spec(max={"storage": "9Gi"})}),
    "restart annotation": lambda world: change(world, annotations={names.ANNOTATION_RESTART: "1"}),
}


@pytest.mark.parametrize("cure", CURES.values(), ids=CURES)
def test_a_change_starts_it_again(cure: Disturb) -> None:
    if cure is CURES["policy"]:
        world = World({"mode": "Dind", "storage": {"type": "EmptyDir", "emptyDir": {"sizeLimit": "1Gi"}}})
    else:
        world = World()
    world.settle()
    disturbed(world, deletes_by_force, 120)
    assert ready(world) == ("False", "ReplacedRepeatedly")
    cure(world)
    world.settle()
    assert ready(world) == ("True", "Ready")


def test_without_a_change_it_tries_once_an_hour() -> None:
    world = World()
    world.settle()
    disturbed(world, deletes_by_force, 60)
    before = len(creations(world))
    for _ in range(12 * 6):
        world.advance(minutes=5)
        disturbed(world, deletes_by_force, 2)
    assert 4 <= len(creations(world)) - before <= 6


def test_two_edits_in_a_row_are_two_pods_and_the_first_serves_meanwhile() -> None:
    world = World()
    world.settle()
    for mtu in (1300, 1400):
        change(world, spec={"mode": "Dind", "engine": {"mtu": mtu}})
        world.settle()
    assert len(creations(world)) == 2
    assert ready(world) == ("False", "ReplacementDelayed"), "the pod of the first edit is not what was asked for"
    assert world.secret("build-docker") is not None, "the pod of the first edit serves until it is replaced"
    pending = world.status.condition(Type.UPDATE_PENDING)
    assert pending is not None
    assert (pending.reason, pending.status) == ("ReplacementDelayed", "True")
    due = world.plan().requeue_at
    assert due is not None
    world.now = due
    world.settle()
    assert len(creations(world)) == 3
    assert ready(world) == ("True", "Ready")
    assert world.status.condition(Type.UPDATE_PENDING) is None


def test_a_changed_image_is_removed_at_once_although_its_replacement_waits() -> None:
    world = World()
    world.settle()
    for _ in range(2):
        changes_the_image(world)
        world.settle()
    assert [each for each in world.children if each.kind == "Pod"] == []
    assert ready(world) == ("False", "ReplacementDelayed")
    assert message(world).startswith("somebody changed an image of the pod; the operator creates a new pod at ")


def test_a_restart_of_the_operator_does_not_shorten_a_wait() -> None:
    world = World()
    world.settle()
    for _ in range(2):
        deletes_by_force(world)
        world.settle()
    assert world.status.replacement is not None
    due = parse_timestamp(world.status.replacement.time)
    while world.now < due:
        world.restart_operator()
        world.settle()
        assert len(creations(world)) == 2
        world.advance(seconds=1)
    world.settle()
    assert len(creations(world)) == 3


def test_a_daemon_that_served_for_long_is_replaced_at_once_each_time() -> None:
    world = World()
    world.settle()
    for number in range(5):
        world.advance(minutes=11)
        deletes(world)
        world.settle()
        assert ready(world) == ("True", "Ready")
        assert len(creations(world)) == 2 + number
