"""Whether the ranges for a daemon's networks leave the cluster reachable."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, ip_network

from nested_docker.api.v1alpha1.engine import AddressPool
from nested_docker.api.v1alpha1.nested_docker import Hazard
from nested_docker.domain.shown import shorten


def pool_hazards(pools: Iterable[AddressPool], cluster: Iterable[str]) -> list[Hazard]:
    """The hazard of ranges that contain addresses of the cluster; empty: none does.

    Args:
        pools: ranges that the user has set; where there are none, the start script chooses others.
        cluster: addresses of Services, name servers and pods; what is not an address is not looked at.
    """
    addresses = {address for text in cluster if text for address in _parsed(text)}
    found = [
        f"{pool.base} ({address})"
        for pool in pools
        for address in sorted(addresses, key=str)
        if address in ip_network(pool.base, strict=False)
    ]
    if not found:
        return []
    return [
        Hazard(
            type="NetworkOverlap",
            message=f"spec.engine.addressPools has ranges with addresses of the cluster: {shorten(', '.join(found))}. "
            "As soon as Docker uses that part of a range, the daemon and its containers cannot reach the cluster's "
            "addresses there, such as its name servers.",
            remedy="Leave spec.engine.addressPools out, which avoids what the pod sees of the cluster, or choose "
            "ranges that nothing in the cluster uses.",
        )
    ]


def _parsed(text: str) -> Iterable[object]:
    try:
        return (ip_address(text),)
    except ValueError:
        return ()
