"""Ranges for inner networks that would hide the cluster."""

from __future__ import annotations

import pytest
from tests.unit.world import World

from nested_docker.api.v1alpha1.engine import AddressPool
from nested_docker.domain.modes.networks import pool_hazards

CLUSTER = ("10.96.0.1", "10.96.0.10", "fd00::a", "10.244.1.5", "")


@pytest.mark.parametrize(
    ("base", "size", "found"),
    [
        ("10.200.0.0/16", 24, None),
        ("172.17.0.0/16", 16, None),
        ("10.96.0.0/16", 24, "10.96.0.0/16 (10.96.0.1), 10.96.0.0/16 (10.96.0.10)"),
        ("10.0.0.0/8", 24, "10.0.0.0/8 (10.244.1.5)"),
        ("10.244.0.0/16", 24, "10.244.0.0/16 (10.244.1.5)"),
        ("10.96.0.7/28", 30, "10.96.0.7/28 (10.96.0.1)"),
        ("fd00::/64", 80, "fd00::/64 (fd00::a)"),
    ],
)
def test_a_range_with_addresses_of_the_cluster_is_a_hazard(base: str, size: int, found: str | None) -> None:
    hazards = pool_hazards([AddressPool(base=base, size=size)], CLUSTER)
    assert [hazard.type for hazard in hazards] == ([] if found is None else ["NetworkOverlap"])
    assert found is None or found in hazards[0].message


def test_what_is_not_an_address_hides_nothing() -> None:
    assert pool_hazards([AddressPool(base="10.0.0.0/8", size=24)], ["kubernetes.default", ""]) == []


@pytest.mark.parametrize(("mode", "found"), [("Dind", True), ("Sysbox", True), ("HostSocket", False)])
def test_the_pods_own_address_counts_in_modes_with_their_own_daemon(mode: str, found: bool) -> None:
    world = World({"mode": mode, "engine": {"addressPools": [{"base": "10.0.0.0/8", "size": 24}]}})
    world.settle()
    assert ("NetworkOverlap" in [hazard.type for hazard in world.status.hazards]) is found
