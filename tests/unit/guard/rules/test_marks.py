"""Clients see no label and no annotation of the guard."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.guard.decisions import UID

from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.ownership import CREATION_ANNOTATION, IMAGE_LABEL, OWNER_ANNOTATION, UID_LABEL
from nested_docker.guard.routes import ROUTES
from nested_docker.guard.rules import filters
from nested_docker.guard.rules.api_changes import Translation
from nested_docker.guard.rules.marks import HIDING, NO_EMPTY_LABELS, hide_in_event, hide_marks
from nested_docker.guard.wire.api_version import ApiVersion

OLDER: ApiVersion = (1, 51)
OURS = {UID_LABEL: UID, IMAGE_LABEL: UID}
NOTES = {OWNER_ANNOTATION: UID, CREATION_ANNOTATION: "x"}
THEIRS = {"a": "b", "nesteddocker.dev/other": "x", "com.docker.volume.anonymous": ""}


def container(labels: Any, annotations: Any) -> dict[str, Any]:
    return {
        "Id": "x",
        "Config": {"Labels": labels, "Env": ["A=b"]},
        "HostConfig": {"Annotations": annotations, "Init": None},
    }


def labelled(labels: Any) -> dict[str, Any]:
    return {"Id": "x", "Labels": labels, "Size": 1}


def df(labels: Any, empty: Any) -> dict[str, Any]:
    return {
        "Containers": [labelled(labels)],
        "Images": [labelled(empty)],
        "Volumes": [labelled(empty)],
        "LayersSize": 1,
    }


def image(labels: Any) -> dict[str, Any]:
    return {"Id": "x", "Config": {"Labels": labels}, "ContainerConfig": {"Labels": labels}}


STORED = {"Descriptor": {"digest": "sha256:01"}}
"""What an image in containerd's store has, too."""

BARE = {"Id": "x", "Config": {"Labels": {}, "Env": ["A=b"]}, "HostConfig": {"Init": None}}


@pytest.mark.parametrize(
    ("route", "response", "shown"),
    [
        ("GET /containers/json", [labelled(OURS)], [labelled({})]),
        ("GET /containers/{id}/json", container(OURS, NOTES), BARE),
        ("GET /containers/{id}/json", container(OURS, {**NOTES, "k": "v"}), container({}, {"k": "v"})),
        ("GET /images/json", [labelled(OURS)], [labelled(None)]),
        ("GET /images/json", [labelled(OURS) | STORED], [labelled({}) | STORED]),
        ("GET /images/{name}/json", image(OURS), image(None)),
        ("GET /images/{name}/json", {"Config": {"Labels": OURS}, "ContainerConfig": None},
         {"Config": {"Labels": None}, "ContainerConfig": None}),
        ("GET /networks", [labelled(OURS)], [labelled({})]),
        ("GET /networks/{id}", labelled(OURS), labelled({})),
        ("GET /volumes", {"Volumes": [labelled(OURS)], "Warnings": None},
         {"Volumes": [labelled(None)], "Warnings": None}),
        ("GET /volumes/{id}", labelled(OURS), labelled(None)),
        ("POST /volumes/create", labelled(OURS), labelled(None)),
        ("GET /system/df", df(OURS, OURS), df({}, None)),
        ("GET /system/df", {"Images": [labelled(OURS) | STORED]}, {"Images": [labelled({}) | STORED]}),
    ],
)  # fmt: skip
def test_an_object_without_labels_of_the_client_looks_as_the_daemon_shows_it(
    route: str, response: Any, shown: Any
) -> None:
    assert hide_marks(route, response, OLDER) == shown


@pytest.mark.parametrize(("version", "shown"), [((1, 51), {"Labels": None}), ((1, 52), {}), ((1, 56), {})])
def test_an_image_without_labels_has_none_of_them_or_null(version: ApiVersion, shown: dict[str, Any]) -> None:
    config = {"Env": ["A=b"]}
    response = {"Id": "x", "Config": config | {"Labels": OURS}}
    inspected = hide_marks("GET /images/{name}/json", response, version)
    assert inspected == {"Id": "x", "Config": config | shown}


@pytest.mark.parametrize("version", [(1, 51), (1, 52)])
def test_old_clients_get_null_as_labels_of_an_image_that_has_none(version: ApiVersion) -> None:
    route = "GET /images/{name}/json"
    response = hide_marks(route, {"Config": {"Labels": OURS}}, version)
    shown = Translation(route, (1, 51), version).response(response)
    assert shown["Config"]["Labels"] is None


@pytest.mark.parametrize("version", [(1, 45), (1, 56)])
@pytest.mark.parametrize(
    ("route", "build"),
    [
        ("GET /containers/json", lambda labels: [labelled(labels)]),
        ("GET /containers/{id}/json", lambda labels: container(labels, labels)),
        ("GET /images/json", lambda labels: [labelled(labels)]),
        ("GET /images/{name}/json", image),
        ("GET /networks", lambda labels: [labelled(labels)]),
        ("GET /networks/{id}", labelled),
        ("GET /volumes", lambda labels: {"Volumes": [labelled(labels)]}),
        ("GET /volumes/{id}", labelled),
        ("POST /volumes/create", labelled),
        ("GET /system/df", lambda labels: df(labels, labels)),
    ],
)
def test_labels_of_the_client_stay(route: str, build: Callable[[dict[str, str]], Any], version: ApiVersion) -> None:
    assert hide_marks(route, build({**OURS, **THEIRS}), version) == build(THEIRS)
    assert hide_marks(route, build(THEIRS), version) == build(THEIRS)


@pytest.mark.parametrize(
    "response", [None, [], {}, "x", 1, [None, 1], {"Config": None}, {"Labels": None}, {"Volumes": 1}]
)
@pytest.mark.parametrize("route", [*HIDING, "GET /info"])
def test_any_other_response_stays(route: str, response: Any) -> None:
    assert hide_marks(route, response, OLDER) == response
    assert hide_marks(route, response, NO_EMPTY_LABELS) == response


def test_an_event_has_no_marks() -> None:
    event = {"Type": "container", "Actor": {"ID": "x", "Attributes": {**OURS, "image": "busybox", "a": "b"}}}
    assert hide_in_event(event) == {
        "Type": "container",
        "Actor": {"ID": "x", "Attributes": {"image": "busybox", "a": "b"}},
    }
    assert hide_in_event({"Type": "container"}) == {"Type": "container"}


def test_the_routes_exist() -> None:
    assert HIDING.keys() <= {f"{route.method} {route.template}" for route in ROUTES}


@pytest.mark.parametrize("key", [UID_LABEL, IMAGE_LABEL, CREATION_ANNOTATION])
@pytest.mark.parametrize("filter_", ["label", "label!"])
@pytest.mark.parametrize("value", ["", f"={UID}", "=other", "="])
def test_nothing_is_selected_by_a_label_that_clients_do_not_see(key: str, filter_: str, value: str) -> None:
    with pytest.raises(GuardDenied, match=f"filter {filter_} has {key}: it is the guard's") as raised:
        filters.parse_filters(json.dumps({filter_: [key + value]}), filters.PRUNE_FILTERS)
    assert raised.value.rule == "owner"


@pytest.mark.parametrize("label", ["a", "a=b", "nesteddocker.dev/other", "nesteddocker.dev", f"a={UID_LABEL}"])
def test_other_labels_select(label: str) -> None:
    assert filters.parse_filters(json.dumps({"label": [label]}), filters.PRUNE_FILTERS) == {"label": [label]}
