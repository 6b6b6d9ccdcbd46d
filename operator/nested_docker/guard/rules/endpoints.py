"""The networks that containers join, at their creation or later."""

from __future__ import annotations

from typing import Any

from nested_docker.api.v1alpha1.guard import GuardRules
from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.ownership import ObjectKind, Reference
from nested_docker.guard.rules import values
from nested_docker.guard.rules.mounts import AddReference
from nested_docker.guard.rules.schema import (
    FieldTable,
    any_integer,
    any_object,
    any_string,
    ignored,
    object_of,
    unset,
    validate_object,
)

DEFAULT_NETWORKS = frozenset({"", "default", "bridge"})
"""Names of the default network, which all containers of a node share."""

PREDEFINED_NETWORKS = DEFAULT_NETWORKS | {"host", "none"}
"""Networks that every daemon has. Docker ignores an endpoint's `NetworkID` for them."""

ENDPOINT_FIELDS: FieldTable = {
    "IPAMConfig": object_of({"IPv4Address": values.ADDRESS, "IPv6Address": values.ADDRESS, "LinkLocalIPs": unset}),
    "Links": unset,
    "MacAddress": values.MAC_ADDRESS,
    "Aliases": values.each(values.ALIAS),
    "DriverOpts": unset,
    "GwPriority": any_integer,
    "NetworkID": any_string,
    # What follows is in the answer to an inspection. Docker ignores it in a request, and clients copy it into one.
    "EndpointID": ignored,
    "Gateway": ignored,
    "IPAddress": ignored,
    "IPPrefixLen": ignored,
    "IPv6Gateway": ignored,
    "GlobalIPv6Address": ignored,
    "GlobalIPv6PrefixLen": ignored,
    "DNSNames": ignored,
}


def check_network_mode(value: Any, where: str, *, rules: GuardRules, add_reference: AddReference) -> str:
    """HostConfig.NetworkMode: a network, the network of another container, or none."""
    mode = any_string(value, where)
    kind, colon, _ = mode.partition(":")
    if mode == "none":
        return mode
    if colon:
        if kind != "container":
            raise GuardDenied("networks", f"{where} may not be {mode!r}")
        return check_container_namespace(mode, where, add_reference=add_reference)
    check_network(mode, rules, where, add_reference=add_reference, location=("body", "HostConfig", "NetworkMode"))
    return mode


def check_endpoints(value: Any, where: str, *, rules: GuardRules, add_reference: AddReference) -> dict[str, Any]:
    """NetworkingConfig.EndpointsConfig: the settings of a container by network."""
    result = {}
    for name, settings in any_object(value, where).items():
        result[name] = validate_object({} if settings is None else settings, ENDPOINT_FIELDS, f"{where}.{name}")
        network = take_network_id(name, result[name], f"{where}.{name}") or name
        location = ("body", "NetworkingConfig", "EndpointsConfig", name)
        if network != "none":
            check_network(network, rules, where, add_reference=add_reference, location=location, is_key=True)
    return result


def take_network_id(name: str, settings: dict[str, Any], where: str) -> str:
    """Remove `NetworkID` from an endpoint's settings. Docker prefers it to the name of a network that a user created.

    Args:
        name: the network's name in the request.
        settings: the endpoint's settings.
        where: path of the settings, for messages.

    Returns:
        The name or ID of the network that Docker takes instead; empty: it takes the name.

    Raises:
        GuardDenied: it is the name of a predefined network.
    """
    network_id = str(settings.pop("NetworkID", ""))
    if name in PREDEFINED_NETWORKS or not network_id:
        return ""
    if network_id in PREDEFINED_NETWORKS:
        where = f"{where}.NetworkID"
        raise GuardDenied(where, f"{where} may not be {network_id!r}: use the ID of network {name}")
    return network_id


def check_network(
    name: str,
    rules: GuardRules,
    where: str,
    *,
    add_reference: AddReference,
    location: tuple[str | int, ...],
    is_key: bool = False,
) -> None:
    """Check a network that a container joins.

    Args:
        name: the network.
        rules: the rules.
        where: path of the name, for messages.
        add_reference: gets a reference to the network, unless it is the default one.
        location: where the network's ID replaces the name.
        is_key: see `Reference`.

    Raises:
        GuardDenied: it is the node's own network, or the default network, which the rules do not allow.
    """
    if name == "host":
        raise GuardDenied("networks", f"{where} may not be host: the node's own network is not allowed")
    if name not in DEFAULT_NETWORKS:
        add_reference(Reference(ObjectKind.NETWORK, name, location=location, is_key=is_key))
    elif not rules.networks.bridge:
        raise GuardDenied(
            "networks.bridge",
            "the default network is not allowed: create a network with docker network create, or use --network none",
        )


def check_container_namespace(value: Any, where: str, *, add_reference: AddReference) -> str:
    """The namespace of another container, such as `container:<name or ID>`; `where` is the path of the field."""
    kind, _, name = any_string(value, where).partition(":")
    if kind != "container" or not name:
        raise GuardDenied(where, f"{where} may not be {value!r}")
    add_reference(Reference(ObjectKind.CONTAINER, name, location=("body", *where.split(".")), id_format="container:{}"))
    return str(value)
