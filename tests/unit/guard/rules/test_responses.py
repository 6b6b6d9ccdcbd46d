"""Responses about what all owners share."""

from __future__ import annotations

from typing import Any

from tests.unit.guard.decisions import OPEN, UID

from nested_docker.guard.ownership import UID_LABEL
from nested_docker.guard.rules.responses import filter_network

NETWORK: dict[str, Any] = {
    "Name": "bridge",
    "Containers": {"a": {"IPv4Address": "172.17.0.2/16"}},
    "Status": {"IPAM": {"Subnets": {"172.17.0.0/16": {"IPsInUse": 5}}}},
}


def test_the_shared_network_shows_neither_containers_nor_how_many_addresses_are_used() -> None:
    assert filter_network(NETWORK, OPEN, UID) == {"Name": "bridge", "Containers": {}}


def test_an_owned_network_shows_all() -> None:
    owned = {**NETWORK, "Labels": {UID_LABEL: UID}}
    assert filter_network(owned, OPEN, UID) == owned
