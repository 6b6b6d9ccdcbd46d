"""Networks: bridges only, without options that affect the node."""

from __future__ import annotations

import functools
import ipaddress
import re
from http import HTTPStatus
from typing import Any

from nested_docker.api.v1alpha1.guard import NetworkRules
from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.model import ApiRequest, ForwardPlan, Reservation
from nested_docker.guard.ownership import ObjectKind, Reference, with_owner_label
from nested_docker.guard.rules import endpoints, values
from nested_docker.guard.rules.schema import (
    FieldTable,
    any_array,
    any_boolean,
    any_string,
    ignored,
    object_of,
    one_of,
    string_map,
    unset,
    validate_object,
)

NETWORK_OPTIONS: FieldTable = {
    "com.docker.network.driver.mtu": values.whole_number(68, 65535),
    "com.docker.network.bridge.enable_icc": values.BOOLEAN_WORD,
}
NETWORK_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.@+ -]*[A-Za-z0-9_.@+-])?")
RESERVED_NETWORK_NAMES = frozenset({"bridge", "default", "host", "none"})


def validate_network_create(api_request: ApiRequest) -> ForwardPlan:
    """`POST /networks/create`."""
    rules = api_request.rules.networks
    if not rules.create:
        raise GuardDenied("networks.create", "networks may not be created")
    body = validate_object(api_request.body, network_fields(rules), "")
    _check_name(body.get("Name", ""))
    body["Labels"] = with_owner_label(body.get("Labels", {}), api_request.uid, where="Labels")
    return ForwardPlan(api_request.query, body, reservation=Reservation(ObjectKind.NETWORK))


def _check_name(name: str) -> None:
    if not NETWORK_NAME.fullmatch(name):
        raise GuardDenied(
            "fields",
            f"Name may not be {name!r}: a network's name has letters, digits, _ . @ + - and, inside, spaces",
            status=HTTPStatus.BAD_REQUEST,
        )
    if name in RESERVED_NETWORK_NAMES:
        raise GuardDenied("fields", f"Name may not be {name!r}: Docker has such a network", status=HTTPStatus.CONFLICT)


def validate_owned_network(api_request: ApiRequest) -> ForwardPlan:
    """A request for one network, which must be owned."""
    return ForwardPlan(
        api_request.query, references=(Reference(ObjectKind.NETWORK, api_request.name, location=("path",)),)
    )


def validate_network_connect(api_request: ApiRequest) -> ForwardPlan:
    """`POST /networks/{id}/connect`."""
    return _validate_endpoint(
        api_request,
        {
            "Container": any_string,
            "EndpointConfig": object_of(endpoints.ENDPOINT_FIELDS),
            "containerConfig": ignored,  # of docker-java, which sends the same twice
        },
    )


def validate_network_disconnect(api_request: ApiRequest) -> ForwardPlan:
    """`POST /networks/{id}/disconnect`."""
    return _validate_endpoint(api_request, {"Container": any_string, "Force": any_boolean})


def _validate_endpoint(api_request: ApiRequest, table: FieldTable) -> ForwardPlan:
    body = validate_object(api_request.body, table, "")
    name = api_request.name
    network = endpoints.take_network_id(name, body.get("EndpointConfig", {}), "EndpointConfig") or name
    references: list[Reference] = []
    endpoints.check_network(
        network, api_request.rules, "the network", add_reference=references.append, location=("path",)
    )
    references.append(Reference(ObjectKind.CONTAINER, body.get("Container", ""), location=("body", "Container")))
    return ForwardPlan(api_request.query, body, tuple(references))


def network_fields(rules: NetworkRules) -> FieldTable:
    """The fields of `POST /networks/create`."""
    return {
        "Name": any_string,
        "CheckDuplicate": ignored,
        "Driver": one_of("", "bridge"),
        "Scope": one_of("", "local"),
        "EnableIPv4": any_boolean,
        "EnableIPv6": any_boolean,
        "Internal": any_boolean,
        "Attachable": any_boolean,
        "Ingress": unset,
        "ConfigOnly": unset,
        "ConfigFrom": object_of({"Network": unset}),
        "IPAM": object_of(
            {
                "Driver": one_of("", "default"),
                "Options": unset,
                "Config": functools.partial(_pools, rules=rules),
            }
        ),
        "Options": _options,
        "Labels": string_map,
    }


def _options(value: Any, where: str) -> dict[str, str]:
    for key in string_map(value, where):
        if key not in NETWORK_OPTIONS:
            raise GuardDenied("networks", f"network option {key!r} may not be set")
    return validate_object(value, NETWORK_OPTIONS, where)


def _pools(value: Any, where: str, *, rules: NetworkRules) -> list[dict[str, Any]]:
    pool_fields: FieldTable = {
        "Subnet": values.SUBNET,
        "IPRange": values.SUBNET,
        "Gateway": values.ADDRESS,
        "AuxiliaryAddresses": _addresses,
    }
    result = [validate_object(each, pool_fields, where) for each in any_array(value, where)]
    for pool in result:
        if not any(_is_subnet_of(pool.get("Subnet", ""), allowed) for allowed in rules.subnets):
            raise GuardDenied(
                "networks.subnets",
                f"subnet {pool.get('Subnet', '')!r} is not within networks.subnets: it could take "
                "addresses that the node uses",
            )
        for key in ("IPRange", "Gateway"):
            if pool.get(key) and not _is_subnet_of(pool[key], pool["Subnet"]):
                raise GuardDenied("networks.subnets", f"{where} has the {key} {pool[key]} outside of {pool['Subnet']}")
    return result


def _addresses(value: Any, where: str) -> dict[str, str]:
    return {values.ALIAS(name, where): values.ADDRESS(each, where) for name, each in string_map(value, where).items()}


def _is_subnet_of(subnet: str, allowed: str) -> bool:
    try:
        inner, outer = ipaddress.ip_network(subnet), ipaddress.ip_network(allowed)
    except ValueError:
        return False
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]
