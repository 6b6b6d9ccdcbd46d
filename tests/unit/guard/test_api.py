"""The rules know the whole of the Docker API.

`api.json` was derived from the schemas of API 1.56 and 1.51, and from the daemon's routers for what the
schemas leave out: each route with its parameters, and the keys of each object that a request can have.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.guard.decisions import OPEN, UID, denial

from nested_docker.api.meta import Enforcement
from nested_docker.guard import decision, routes
from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.model import ApiRequest
from nested_docker.guard.rules import containers, endpoints, mounts, networks, resources, volumes

API = json.loads((Path(__file__).parent / "api.json").read_text())

CLOSED = {"auth", "build.prune", "buildkit", "checkpoints", "containers.attachWs", "debug", "images.search"} | {
    "plugins",
    "swarm",
}
"""Rules whose denials no setting changes."""

UNKNOWN_PARAMETERS = {("GET /system/df", "verbose"), ("POST /build", "x")}
"""Parameters that are denied because of their effect."""


@pytest.mark.parametrize("route", API["routes"])
def test_every_route_is_classified(route: str) -> None:
    method, template = route.split(" ")
    path = template.replace("{id}", "x1").replace("{name}", "x1").replace("{checkpoint}", "c")
    routed = routes.match_route(method, path)
    assert routed.route.method == method
    known = routed.route.template
    assert known.replace("{name}", "{id}") == template.replace("{name}", "{id}").replace("{checkpoint}", "{id}") or (
        known == "/debug/{name}"
    )
    if not _is_closed(routed.route):
        for parameter in API["routes"][route]:
            assert parameter in routed.route.query or (route, parameter) in UNKNOWN_PARAMETERS, parameter


def _is_closed(route: routes.Route) -> bool:
    try:
        route.validate(ApiRequest(OPEN, UID, "x1"))
    except GuardDenied as denied:
        return denied.rule in CLOSED
    return False


@pytest.mark.parametrize("mode", Enforcement)
@pytest.mark.parametrize(
    "route", [each for each in routes.ROUTES if each.always_denied], ids=lambda each: each.template
)
def test_always_denied_routes_are_denied_whatever_the_request_has(route: routes.Route, mode: Enforcement) -> None:
    path = route.template.replace("{id}", "x1").replace("{name}", "x1")
    by = OPEN.model_copy(update={"enforcement": mode})
    for body in (None, b"", b"{}", b"nothing like JSON", {"ForceNewCluster": True}):
        for query in ({}, {"filters": "{}"}, {"nothing": "like that"}):
            assert denial(route.method, path, body, by=by, **query).rule in CLOSED


def test_all_routes_are_in_the_api() -> None:
    known = {f"{route.method} {route.template.replace('{name}', '{id}')}" for route in routes.ROUTES}
    real = {route.replace("{name}", "{id}").replace("{checkpoint}", "{id}") for route in API["routes"]}
    assert known - real == {"GET /debug/{id}"}


@pytest.mark.parametrize("path", ["/", "/nothing", "/containers", "/containers/x/copy", "/containers/x/json/y", "/v2"])
def test_unknown_routes_are_denied(path: str) -> None:
    assert denial("GET", path).status in {400, 403}
    assert denial("POST", path).status in {400, 403}


@pytest.mark.parametrize("method", ["OPTIONS", "CONNECT", "TRACE", "PATCH", "get", "PRI"])
def test_other_methods_are_denied(method: str) -> None:
    assert denial(method, "/containers/json").rule == "method"


TABLES = {
    "HostConfig": containers.host_config_fields(OPEN, UID, lambda _: None),
    "ContainerConfig": containers.CONFIG_FIELDS,
    "EndpointSettings": endpoints.ENDPOINT_FIELDS,
    "Resources": {**containers.host_config_fields(OPEN, UID, lambda _: None)},
    "VolumeCreateRequest": volumes.VOLUME_FIELDS,
    "body of POST /volumes/create": volumes.VOLUME_FIELDS,
    "body of POST /networks/create": networks.network_fields(OPEN.networks),
    "body of POST /containers/{id}/update": {**resources.RESOURCE_FIELDS, **containers.UPDATE_FIELDS},
    "body of POST /containers/{id}/exec": containers.EXEC_FIELDS,
    "body of POST /containers/create": {**containers.CONFIG_FIELDS, "HostConfig": None, "NetworkingConfig": None},
}


@pytest.mark.parametrize("name", TABLES)
def test_every_key_is_classified(name: str) -> None:
    assert set(API["objects"][name]) - set(TABLES[name]) == set()


def test_every_key_of_mounts_is_classified() -> None:
    for kind, table in mounts.MOUNT_FIELDS.items():
        assert set(API["objects"]["Mount"]) - set(table) == set(), kind


def test_an_unknown_field_is_denied_at_any_depth() -> None:
    for body in ({"New": 1}, {"HostConfig": {"New": 1}}, {"NetworkingConfig": {"New": {"a": None}}}):
        denied = denial("POST", "/containers/create", {"Image": "busybox", **body})
        assert denied.rule == "fields"
        assert "New" in denied.message


def test_the_methods_are_those_of_the_routes() -> None:
    assert {route.method for route in routes.ROUTES} == decision.METHODS
