"""Ranges for inner networks that would hide the cluster."""

from __future__ import annotations

import pytest
from tests.unit.world import World

from nested_docker.api.v1alpha1.engine import AddressPool
from nested_docker.domain.modes.networks import pool_hazards

SERVICE, OTHERS = "10.96.0.1", ("10.96.0.10", "fd00::a", "10.244.1.5", "172.18.0.2", "")


@pytest.mark.parametrize(
    ("base", "size", "found"),
    [
        ("10.200.0.0/16", 24, None),
        ("172.17.0.0/16", 16, None),
        (
            "10.96.0.0/16",
            24,
            "10.96.0.0/16 (10.96.0.0/12, which Services may have), 10.96.0.0/16 (10.96.0.1), 10.96.0.0/16 (10.96.0.10)",
        ),
        ("10.100.0.0/16", 24, "10.100.0.0/16 (10.96.0.0/12, which Services may have)"),
        ("10.111.255.0/24", 24, "10.111.255.0/24 (10.96.0.0/12, which Services may have)"),
        ("10.112.0.0/16", 24, None),
        ("172.18.0.0/16", 24, "172.18.0.0/16 (172.18.0.2)"),
        ("172.16.0.0/12", 16, "172.16.0.0/12 (172.18.0.2)"),
        ("172.19.0.0/16", 24, None),
        ("10.0.0.0/8", 24, "10.0.0.0/8 (10.244.1.5), 10.0.0.0/8 (10.96.0.0/12, which Services may have)"),
        ("10.244.0.0/16", 24, "10.244.0.0/16 (10.244.1.5)"),
        ("10.96.0.7/28", 30, "10.96.0.7/28 (10.96.0.1)"),
        ("fd00::/64", 80, "fd00::/64 (fd00::a)"),
    ],
)
def test_a_range_with_addresses_of_the_cluster_is_a_hazard(base: str, size: int, found: str | None) -> None:
    hazards = pool_hazards([AddressPool(base=base, size=size)], SERVICE, OTHERS)
    assert [hazard.type for hazard in hazards] == ([] if found is None else ["NetworkOverlap"])
    assert found is None or found in hazards[0].message


@pytest.mark.parametrize(
    ("service", "guess"),
    [
        ("10.96.0.1", "10.96.0.0/12"),
        ("10.43.0.1", "10.43.0.0/16"),
        ("172.20.0.1", "172.20.0.0/14"),
        ("10.0.0.1", "10.0.0.0/12"),
        ("34.118.224.1", "34.118.224.0/19"),
        ("fd00:10:96::1", "fd00:10:96::/108"),
    ],
)
def test_the_range_of_services_is_as_long_as_its_start_allows(service: str, guess: str) -> None:
    whole = AddressPool(base="fd00::/8", size=24) if ":" in service else AddressPool(base="0.0.0.0/0", size=16)
    (hazard,) = pool_hazards([whole], service, ())
    assert f"({guess}, which Services may have)" in hazard.message


def test_what_is_not_an_address_hides_nothing() -> None:
    assert pool_hazards([AddressPool(base="10.0.0.0/8", size=24)], "kubernetes.default", [""]) == []


@pytest.mark.parametrize(("node", "found"), [("172.18.0.2", True), ("10.9.0.2", False)])
def test_the_address_of_the_node_counts(node: str, found: bool) -> None:
    world = World({"mode": "Dind", "engine": {"addressPools": [{"base": "172.18.0.0/16", "size": 24}]}})
    world.settle()
    world.pod()["status"]["hostIP"] = node
    world.settle()
    assert ("NetworkOverlap" in [hazard.type for hazard in world.status.hazards]) is found


@pytest.mark.parametrize(("mode", "found"), [("Dind", True), ("Sysbox", True), ("HostSocket", False)])
def test_the_pods_own_address_counts_in_modes_with_their_own_daemon(mode: str, found: bool) -> None:
    world = World({"mode": mode, "engine": {"addressPools": [{"base": "10.0.0.0/8", "size": 24}]}})
    world.settle()
    assert ("NetworkOverlap" in [hazard.type for hazard in world.status.hazards]) is found
