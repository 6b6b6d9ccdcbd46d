"""Filters of requests and of responses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit.guard.decisions import OPEN, UID, denial, forwarded

from nested_docker.guard.ownership import IMAGE_LABEL, UID_LABEL
from nested_docker.guard.rules import responses

OWN = f"{UID_LABEL}={UID}"
MINE, THEIRS = {"Labels": {UID_LABEL: UID}}, {"Labels": {UID_LABEL: "other"}}


def _filters(method: str, path: str, **query: str) -> Any:
    return json.loads(forwarded(method, path, **query).query["filters"][0])


@pytest.mark.parametrize(
    ("method", "path", "label"),
    [
        ("GET", "/containers/json", OWN),
        ("GET", "/events", OWN),
        ("GET", "/networks", OWN),
        ("GET", "/volumes", OWN),
        ("POST", "/networks/prune", OWN),
        ("POST", "/volumes/prune", OWN),
        ("POST", "/images/prune", f"{IMAGE_LABEL}={UID}"),
    ],
)
def test_the_owner_label_is_added_to_filters(method: str, path: str, label: str) -> None:
    assert _filters(method, path) == {"label": {label: True}}
    for given in ('{"label":["a=b"]}', '{"label":{"a=b":true}}'):
        assert _filters(method, path, filters=given) == {"label": {"a=b": True, label: True}}


@pytest.mark.parametrize(
    "filters",
    [
        *('{"label":{"a":false}}', '{"label":"a"}', '{"label":[1]}', "[]", "{", '{"Label":["x"]}'),
        '{"label":["a"],"label":["b"]}',
    ],
)
def test_other_filters_are_denied(filters: str) -> None:
    assert denial("GET", "/containers/json", filters=filters).status in {400, 403}


def test_disk_usage_has_only_owned_objects() -> None:
    given = {
        "LayersSize": 10**9,
        "Containers": [MINE],
        "Volumes": [MINE, THEIRS, {"Labels": None}],
        "Images": [{"RepoTags": ["busybox:1"], "Containers": 3}, {"RepoTags": ["localhost/theirs:1"]}],
        "BuildCache": [{"ID": "x"}],
        "Future": {"all": "of it"},
    }
    filtered = responses.filter_disk_usage(given, OPEN, UID)
    assert filtered["Containers"] == filtered["Volumes"] == [MINE]
    assert [each["RepoTags"] for each in filtered["Images"]] == [["busybox:1"]]
    assert filtered["BuildCache"] == []
    assert "Future" not in filtered


def test_info_omits_what_concerns_other_owners() -> None:
    given = {"NCPU": 2, "Swarm": {"NodeID": "x"}, "HttpProxy": "http://user:pw@x", "Labels": ["a"], "Future": 1}
    filtered = responses.filter_info(given, OPEN, UID)
    assert filtered["NCPU"] == 2
    assert (filtered["HttpProxy"], filtered["Labels"]) == ("", [])
    assert not {"NodeID"} & filtered["Swarm"].keys() | {"Future"} & filtered.keys()


def test_info_counts_what_the_owner_sees() -> None:
    """By now lists replace the daemon's numbers; those of the containers have only the owner's."""
    states = ["running", "restarting", "paused", "created", "exited", "dead"]
    images = [{"RepoTags": ["busybox:1"]}, {"RepoTags": ["localhost/theirs:1"]}]
    filtered = responses.filter_info({"Containers": [{"State": each} for each in states], "Images": images}, OPEN, UID)
    counted = ("Containers", "ContainersRunning", "ContainersPaused", "ContainersStopped", "Images")
    assert [filtered[each] for each in counted] == [6, 2, 1, 3, 1]


@pytest.mark.parametrize(
    "field",
    [
        *("Containers", "Images", "Driver", "DriverStatus", "Plugins", "MemoryLimit", "Debug", "NFd", "OomKillDisable"),
        *("NGoroutines", "SystemTime", "LoggingDriver", "CgroupDriver", "NEventsListener", "KernelVersion", "OSType"),
        *("RegistryConfig", "NCPU", "MemTotal", "GenericResources", "DockerRootDir", "HttpProxy", "HttpsProxy"),
        *("NoProxy", "Name", "Labels", "ExperimentalBuild", "ServerVersion", "Runtimes", "DefaultRuntime", "Swarm"),
        *("LiveRestoreEnabled", "Isolation", "InitBinary", "ContainerdCommit", "RuncCommit", "InitCommit", "Warnings"),
    ],
)
def test_info_has_each_field_that_clients_read(field: str) -> None:
    assert field in responses.INFO_FIELDS | responses.filter_info({}, OPEN, UID).keys()


@pytest.mark.parametrize(("given", "expected"), [("1.45", "1.45"), ("1.56", "1.56"), ("1.99", "1.56"), ("2.0", "1.56")])
def test_clients_negotiate_only_known_versions(given: str, expected: str) -> None:
    response = {"ApiVersion": given, "Components": [{"Details": {"ApiVersion": given}}, {}]}
    filtered = responses.filter_version(response, OPEN, UID)
    assert filtered["ApiVersion"] == filtered["Components"][0]["Details"]["ApiVersion"] == expected


def test_images_do_not_reveal_their_users() -> None:
    listed = [{"RepoTags": ["busybox:1"], "Containers": 3, "Manifests": [{"ImageData": {"Containers": ["id"]}}, {}]}]
    (filtered,) = responses.filter_image_list(listed, OPEN, UID)
    assert filtered["Containers"] == -1
    assert filtered["Manifests"][0]["ImageData"]["Containers"] == []


def test_the_default_network_does_not_reveal_its_containers() -> None:
    assert responses.filter_network({"Name": "bridge", "Containers": {"x": {}}}, OPEN, UID)["Containers"] == {}
    own = {**MINE, "Containers": {"x": {}}}
    assert responses.filter_network(own, OPEN, UID) == own


def test_a_conflict_does_not_reveal_the_container_id() -> None:
    assert (
        responses.hide_container_id(b'{"message":"taken by ' + b"a" * 64 + b'"}') == b'{"message":"taken by another"}'
    )


@pytest.mark.parametrize("response", [None, [], "text", 1])
def test_an_unexpected_response_reveals_nothing(response: Any) -> None:
    assert responses.filter_disk_usage(response, OPEN, UID)["Containers"] == []
    assert responses.filter_info(response, OPEN, UID)["Containers"] == 0
