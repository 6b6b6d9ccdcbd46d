"""The networks that a container joins: what Docker takes for the network, and what it ignores."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.guard.decisions import OPEN, created, denial, forwarded, not_created, rules

from nested_docker.guard.model import ForwardPlan
from nested_docker.guard.ownership import ObjectKind, Reference

INSPECTED: dict[str, Any] = {
    "EndpointID": "5c8b7b",
    "Gateway": "172.18.0.1",
    "IPAddress": "172.18.0.2",
    "IPPrefixLen": 16,
    "IPv6Gateway": "fd00::1",
    "GlobalIPv6Address": "fd00::2",
    "GlobalIPv6PrefixLen": 64,
    "DNSNames": ["web", "0123456789ab"],
}
"""What Docker ignores in a request; clients copy it from the inspection of the container that they replace."""


def create(endpoints: dict[str, Any]) -> ForwardPlan:
    return created({"NetworkMode": "mine"}, NetworkingConfig={"EndpointsConfig": endpoints})


def networks(plan: ForwardPlan) -> list[Reference]:
    return [reference for reference in plan.references if reference.kind is ObjectKind.NETWORK]


def sent(plan: ForwardPlan) -> Any:
    assert plan.body is not None
    return plan.body["NetworkingConfig"]["EndpointsConfig"]


def test_docker_takes_the_network_of_the_id() -> None:
    plan = create({"mine": {"NetworkID": "other", "Aliases": ["web"]}})
    location = ("body", "NetworkingConfig", "EndpointsConfig", "mine")
    assert Reference(ObjectKind.NETWORK, "other", location=location, is_key=True) in networks(plan)
    assert sent(plan) == {"mine": {"Aliases": ["web"]}}


@pytest.mark.parametrize("spelling", ["NetworkID", "networkid", "NETWORKID"])
def test_the_id_is_found_in_each_spelling_that_docker_takes(spelling: str) -> None:
    names = {reference.name for reference in networks(create({"mine": {spelling: "other"}})) if reference.is_key}
    assert names == {"other"}


@pytest.mark.parametrize("name", ["bridge", "default", "none"])
def test_docker_ignores_the_id_for_a_predefined_network(name: str) -> None:
    plan = created({}, NetworkingConfig={"EndpointsConfig": {name: {"NetworkID": "other"}}})
    assert networks(plan) == []
    assert sent(plan) == {name: {}}


@pytest.mark.parametrize("network_id", ["host", "bridge", "default", "none"])
def test_the_id_is_not_the_name_of_a_predefined_network(network_id: str) -> None:
    denied = not_created({}, NetworkingConfig={"EndpointsConfig": {"mine": {"NetworkID": network_id}}})
    assert denied.message == (
        f"NetworkingConfig.EndpointsConfig.mine.NetworkID may not be '{network_id}': use the ID of network mine"
    )
    body = {"Container": "x1", "EndpointConfig": {"NetworkID": network_id}}
    message = f"EndpointConfig.NetworkID may not be '{network_id}': use the ID of network mine"
    assert denial("POST", "/networks/mine/connect", body).message == message


def test_the_node_s_network_is_denied_whatever_the_id() -> None:
    denied = not_created({}, NetworkingConfig={"EndpointsConfig": {"host": {"NetworkID": "mine"}}})
    assert "may not be host" in denied.message


def test_the_default_network_needs_its_rule_whatever_the_id() -> None:
    body = {"Container": "x1", "EndpointConfig": {"NetworkID": "mine"}}
    without = rules(networks={"bridge": False})
    assert denial("POST", "/networks/bridge/connect", body, by=without).rule == "networks.bridge"


@pytest.mark.parametrize("field", INSPECTED)
def test_what_docker_ignores_is_not_sent(field: str) -> None:
    assert sent(create({"mine": {field: INSPECTED[field], "Aliases": ["web"]}})) == {"mine": {"Aliases": ["web"]}}


def test_a_container_joins_the_network_of_the_id() -> None:
    body = {"Container": "x1", "EndpointConfig": {"NetworkID": "other", "Aliases": ["web"], **INSPECTED}}
    plan = forwarded("POST", "/networks/mine/connect", body, by=OPEN)
    assert networks(plan) == [Reference(ObjectKind.NETWORK, "other", location=("path",))]
    assert plan.body == {"Container": "x1", "EndpointConfig": {"Aliases": ["web"]}}
