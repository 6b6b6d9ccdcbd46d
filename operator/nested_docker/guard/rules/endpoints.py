"""Networks that containers are put into, at their creation and afterwards."""

from __future__ import annotations

from typing import Any

from nested_docker.api.v1alpha1.guard import GuardRules
from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.ownership import Kind, Reference
from nested_docker.guard.rules.mounts import Found
from nested_docker.guard.rules.schema import Table, integer, mapping, nested, nothing, text, texts, validated

DEFAULT_NETWORKS = frozenset({"", "default", "bridge"})
"""Names of the network that all containers of a node share unless they say otherwise."""

ENDPOINT: Table = {
    "IPAMConfig": nested({"IPv4Address": text, "IPv6Address": text, "LinkLocalIPs": nothing}),
    "Links": nothing,
    "MacAddress": text,
    "Aliases": texts,
    "DriverOpts": nothing,
    "GwPriority": integer,
    "NetworkID": nothing,
    "EndpointID": nothing,
    "Gateway": nothing,
    "IPAddress": nothing,
    "IPPrefixLen": nothing,
    "IPv6Gateway": nothing,
    "GlobalIPv6Address": nothing,
    "GlobalIPv6PrefixLen": nothing,
    "DNSNames": nothing,
}


def network_mode(value: Any, where: str, *, rules: GuardRules, found: Found) -> str:
    """HostConfig.NetworkMode: a network, another container's, or none."""
    mode = text(value, where)
    kind, colon, _ = mode.partition(":")
    if mode == "none":
        return mode
    if colon:
        if kind != "container":
            raise GuardDenied("networks", f"{where} may not be {mode!r}")
        return container(mode, where, found=found)
    check_network(mode, rules, where, found=found, place=("body", "HostConfig", "NetworkMode"))
    return mode


def endpoints(value: Any, where: str, *, rules: GuardRules, found: Found) -> dict[str, Any]:
    """NetworkingConfig.EndpointsConfig: networks with a container's settings in them."""
    result = {}
    for name, settings in mapping(value, where).items():
        place = ("body", "NetworkingConfig", "EndpointsConfig", name)
        if name != "none":
            check_network(name, rules, where, found=found, place=place, renames=True)
        result[name] = validated({} if settings is None else settings, ENDPOINT, f"{where}.{name}")
    return result


def check_network(
    name: str, rules: GuardRules, where: str, *, found: Found, place: tuple[str | int, ...], renames: bool = False
) -> None:
    """Look at a network that a container is to be in.

    Raises:
        Refusal: it is the node's own, or the shared one, which the rules do not allow.
    """
    if name == "host":
        raise GuardDenied("networks", f"{where} may not be the node's own network")
    if name not in DEFAULT_NETWORKS:
        found(Reference(Kind.NETWORK, name, place=place, renames=renames))
    elif not rules.networks.bridge:
        raise GuardDenied(
            "networks.bridge",
            "the default network is not allowed: make one with docker network create, or use --network none",
        )


def container(value: Any, where: str, *, found: Found) -> str:
    """A namespace of another container: `container:<name or id>`; `where` is the field's path."""
    kind, _, name = text(value, where).partition(":")
    if kind != "container" or not name:
        raise GuardDenied(where, f"{where} may not be {value!r}")
    found(Reference(Kind.CONTAINER, name, place=("body", *where.split(".")), form="container:{}"))
    return str(value)
