"""The certificate authority: one per NestedDocker, until somebody asks for another."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.factory import NOW
from tests.unit.world import World, change, ready

from nested_docker.domain import names, pki
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import Owner
from nested_docker.domain.planning.replacement import Cause

ROTATE = names.ANNOTATION_ROTATE_AUTHORITY


def settled(**annotations: str) -> World:
    world = World({"mode": "Dind"}, annotations=dict(annotations))
    world.settle()
    return world


def key_sets(world: World) -> list[dict[str, Any]]:
    """The Secrets with key sets."""
    return [each for identity, each in world.children.items() if identity.name.endswith("-tls")]


def test_a_request_names_the_nesteddocker_and_the_rotation() -> None:
    location = ObjectNames(Owner("build", "team", "some-uid"))
    made = pki.certificate_request(location, cluster_domain="c", now=NOW, deadline=None, rotation="2")
    assert (made.owner_uid, made.rotation) == ("some-uid", "2")


@pytest.mark.parametrize("value", ["1", "2026-11-26", " ", "x/y"])
def test_a_new_value_of_the_annotation_replaces_the_pod_once(value: str) -> None:
    world = settled()
    before = world.pod()["metadata"]["name"]
    change(world, annotations={ROTATE: value})
    world.settle()
    assert world.pod()["metadata"]["name"] != before
    assert world.status.replacement is not None
    assert world.status.replacement.cause == Cause.AUTHORITY_ROTATED
    assert ready(world) == ("True", "Ready")
    after = world.pod()["metadata"]["name"]
    world.advance(hours=1)
    world.restart_operator()
    world.settle()
    assert world.pod()["metadata"]["name"] == after


def test_the_old_pod_is_removed_at_once_although_its_replacement_waits() -> None:
    world = settled()
    change(world, annotations={ROTATE: "1"})
    world.settle()
    change(world, annotations={ROTATE: "2"})
    world.step()
    assert ready(world) == ("False", "ReplacementDelayed")
    world.advance(minutes=1)
    world.settle()
    assert ready(world) == ("True", "Ready")


@pytest.mark.parametrize("annotations", [{}, {ROTATE: ""}])
def test_without_the_annotation_the_authority_stays(annotations: dict[str, str]) -> None:
    world = settled(**{ROTATE: "1"})
    before = world.pod()["metadata"]["name"]
    change(world, annotations=annotations)
    world.settle()
    assert world.pod()["metadata"]["name"] == before
    world.advance(minutes=1)
    change(world, annotations=annotations | {names.ANNOTATION_RESTART: "1"})
    world.settle()
    assert world.pod()["metadata"]["name"] != before
    (key_set,) = key_sets(world)
    assert key_set["metadata"]["annotations"][ROTATE] == "1"


def test_a_value_that_changes_between_key_set_and_pod_is_not_missed() -> None:
    """The key set itself says for which value it was issued."""
    world = World({"mode": "Dind"}, annotations={ROTATE: "1"})
    while not key_sets(world):
        world.step()
    change(world, annotations={ROTATE: "2"})
    world.settle()
    (key_set,) = key_sets(world)
    assert key_set["metadata"]["annotations"][ROTATE] == "2"


def test_an_earlier_versions_key_set_needs_no_replacement() -> None:
    world = settled()
    assert all(ROTATE not in each["metadata"]["annotations"] for each in key_sets(world))
