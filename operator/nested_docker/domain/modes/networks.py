"""Whether the ranges for a daemon's networks leave the cluster reachable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from nested_docker.api.v1alpha1.engine import AddressPool
from nested_docker.api.v1alpha1.nested_docker import Hazard
from nested_docker.domain.shown import shorten

SERVICE_BITS = 20
"""The API server takes no range of Services with more bits for addresses than that."""

Network = IPv4Network | IPv6Network


def pool_hazards(pools: Iterable[AddressPool], service: str, others: Iterable[str]) -> list[Hazard]:
    """The hazard of ranges that contain addresses of the cluster; empty: none is known to.

    Args:
        pools: ranges that the user has set; where there are none, the start script chooses others.
        service: address of the API server's Service, which is the first one of the range of Services.
        others: addresses of name servers, the pod and its node. What is not an address is not looked at.
    """
    known = [*_service_range(service), *(found for text in (service, *others) for found in _single(text))]
    found = [
        f"{pool.base} ({words})"
        for pool in pools
        for network, words in sorted(known, key=lambda each: each[1])
        if overlap(ip_network(pool.base, strict=False), network)
    ]
    if not found:
        return []
    return [
        Hazard(
            type="NetworkOverlap",
            message="spec.engine.addressPools has ranges with addresses of the cluster: "
            f"{shorten(', '.join(dict.fromkeys(found)))}. "
            "As soon as Docker uses that part of a range, the daemon and its containers cannot reach the cluster's "
            "addresses there, such as its name servers.",
            remedy="Leave spec.engine.addressPools out, which avoids what the pod sees of the cluster, or choose "
            "ranges that nothing in the cluster uses.",
        )
    ]


def overlap(one: Network, other: Network) -> bool:
    """Whether two networks of the same family have an address in common."""
    if isinstance(one, IPv4Network) and isinstance(other, IPv4Network):
        return one.overlaps(other)
    return isinstance(one, IPv6Network) and isinstance(other, IPv6Network) and one.overlaps(other)


def _service_range(service: str) -> Iterator[tuple[Network, str]]:
    """The longest range that may begin with that address: as long as its start is aligned."""
    for address in _parsed(service):
        start = int(address) - 1
        bits = next(bits for bits in range(SERVICE_BITS, -1, -1) if start % (1 << bits) == 0)
        if bits:
            network = ip_network(f"{type(address)(start)}/{address.max_prefixlen - bits}")
            yield network, f"{network}, which Services may have"


def _single(text: str) -> Iterator[tuple[Network, str]]:
    for address in _parsed(text):
        yield ip_network(address), text


def _parsed(text: str) -> Iterator[IPv4Address | IPv6Address]:
    try:
        yield ip_address(text)
    except ValueError:
        return
