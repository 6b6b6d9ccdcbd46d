"""Serving: the condition UpdatePending names who changed what, and an unanswered daemon is unknown at first."""

from __future__ import annotations

from dataclasses import replace

from tests.support.factory import DEFAULTS, class_spec, observed, policy_spec
from tests.unit.world import World

from nested_docker.api.meta import Condition
from nested_docker.domain.status.reasons import Type


def pending(world: World) -> Condition:
    world.settle()
    condition = world.status.condition(Type.UPDATE_PENDING)
    assert condition is not None
    return condition


def settled() -> World:
    world = World()
    world.settle()
    assert world.status.condition(Type.UPDATE_PENDING) is None
    return world


def test_a_change_of_the_class() -> None:
    world = settled()
    world.base = observed(classes={"standard": class_spec(engine={"mtu": 1300})})
    assert pending(world).reason == "ClassUpdated"
    assert pending(world).message.startswith("the class changed engine.mtu; the running pod has the previous value")


def test_a_change_of_the_operators_default_image() -> None:
    world = settled()
    world.defaults = replace(DEFAULTS, engine_image="docker:30-dind")
    assert pending(world).reason == "DefaultsUpdated"
    assert pending(world).message.startswith("the operator's defaults changed engine.image")


def test_a_default_that_the_class_takes_over_is_the_classs_change() -> None:
    world = settled()
    world.base = observed(classes={"standard": class_spec(engine={"image": "docker:30-dind"})})
    assert pending(world).reason == "ClassUpdated"


def test_a_change_of_a_policy_that_only_reports() -> None:
    spec = {"mode": "HostSocket"}
    policies = [
        policy_spec(onViolation="Report", allowedModes=["HostSocket"], hostSocket={"guard": rules})
        for rules in ({}, {"containers": {"exec": False}})
    ]
    world = World(spec, policies={"all": policies[0]})
    world.settle()
    world.base = observed(spec, policies={"all": policies[1]})
    assert pending(world).reason == "PolicyUpdated"
    assert pending(world).message.startswith("the policy changed hostSocket.guard")


def test_while_the_pod_starts_nobody_knows_whether_the_daemon_is_reachable() -> None:
    world = World()
    world.step()
    reachable, ready = (world.status.condition(type_) for type_ in (Type.DAEMON_REACHABLE, Type.READY))
    assert reachable is not None
    assert (reachable.status, reachable.reason) == ("Unknown", "DaemonStarting")
    assert ready is not None
    assert (ready.status, ready.reason) == ("False", "DaemonStarting")
