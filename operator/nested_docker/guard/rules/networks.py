"""Networks of one's own: bridges, without options that reach the node."""

from __future__ import annotations

import functools
import ipaddress
from typing import Any

from nested_docker.api.v1alpha1.guard import NetworkRules
from nested_docker.guard.errors import MALFORMED, GuardDenied
from nested_docker.guard.model import ApiRequest, ForwardPlan, Reservation
from nested_docker.guard.ownership import Kind, Reference, labels
from nested_docker.guard.rules import endpoints
from nested_docker.guard.rules.containers import NAME
from nested_docker.guard.rules.schema import (
    Table,
    boolean,
    ignored,
    items,
    nested,
    nothing,
    one_of,
    text,
    text_map,
    validated,
)

OPTIONS = frozenset({"com.docker.network.driver.mtu", "com.docker.network.bridge.enable_icc"})
RESERVED = frozenset({"bridge", "default", "host", "none"})


def create(api_request: ApiRequest) -> ForwardPlan:
    """`POST /networks/create`."""
    rules = api_request.rules.networks
    if not rules.create:
        raise GuardDenied("networks.create", "networks may not be made")
    body = validated(api_request.body, fields(rules), "")
    if not NAME.fullmatch(body.get("Name", "")) or body["Name"] in RESERVED:
        raise GuardDenied("fields", "Name is no name of a network of one's own", status=MALFORMED)
    body["Labels"] = labels(body.get("Labels", {}), api_request.uid, where="Labels")
    return ForwardPlan(api_request.query, body, reservation=Reservation(Kind.NETWORK))


def own(api_request: ApiRequest) -> ForwardPlan:
    """What concerns one network, and has nothing to judge but whose it is."""
    return ForwardPlan(api_request.query, references=(Reference(Kind.NETWORK, api_request.name, place=("path",)),))


def connect(api_request: ApiRequest) -> ForwardPlan:
    """`POST /networks/{id}/connect`."""
    return _endpoint(api_request, {"Container": text, "EndpointConfig": nested(endpoints.ENDPOINT)})


def disconnect(api_request: ApiRequest) -> ForwardPlan:
    """`POST /networks/{id}/disconnect`."""
    return _endpoint(api_request, {"Container": text, "Force": boolean})


def _endpoint(api_request: ApiRequest, table: Table) -> ForwardPlan:
    body = validated(api_request.body, table, "")
    found: list[Reference] = []
    endpoints.check_network(api_request.name, api_request.rules, "the network", found=found.append, place=("path",))
    found.append(Reference(Kind.CONTAINER, body.get("Container", ""), place=("body", "Container")))
    return ForwardPlan(api_request.query, body, tuple(found))


def fields(rules: NetworkRules) -> Table:
    """The fields of a network's creation."""
    return {
        "Name": text,
        "CheckDuplicate": ignored,
        "Driver": one_of("", "bridge"),
        "Scope": one_of("", "local"),
        "EnableIPv4": boolean,
        "EnableIPv6": boolean,
        "Internal": boolean,
        "Attachable": boolean,
        "Ingress": nothing,
        "ConfigOnly": nothing,
        "ConfigFrom": nested({"Network": nothing}),
        "IPAM": nested(
            {
                "Driver": one_of("", "default"),
                "Options": nothing,
                "Config": functools.partial(_pools, rules=rules),
            }
        ),
        "Options": _options,
        "Labels": text_map,
    }


def _options(value: Any, where: str) -> dict[str, str]:
    result = text_map(value, where)
    for key in result:
        if key not in OPTIONS:
            raise GuardDenied("networks", f"the network option {key!r} may not be set")
    return result


def _pools(value: Any, where: str, *, rules: NetworkRules) -> list[dict[str, Any]]:
    pool_fields: Table = {"Subnet": text, "IPRange": text, "Gateway": text, "AuxiliaryAddresses": text_map}
    result = [validated(each, pool_fields, where) for each in items(value, where)]
    for pool in result:
        if not any(_lies_in(pool.get("Subnet", ""), allowed) for allowed in rules.subnets):
            raise GuardDenied(
                "networks.subnets",
                f"the subnet {pool.get('Subnet', '')!r} may not be chosen: it could take addresses away from the node",
            )
    return result


def _lies_in(subnet: str, allowed: str) -> bool:
    try:
        inner, outer = ipaddress.ip_network(subnet), ipaddress.ip_network(allowed)
    except ValueError:
        return False
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]
