"""Addresses and registries as dockerd takes them: with others it ends at its start."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network

IP_ADDRESS = (
    "^(((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])[.]){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
    "|[0-9a-fA-F.]*:[0-9a-fA-F.:]+)$"
)
"""For schemas: an IPv4 address, or what may be an IPv6 address, which only a parser can judge."""

NOT_AN_ADDRESS = "a name server is an IP address, such as 10.0.0.53 or fd00::53: names and ports are not possible"

DNS_NAME = r"[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?([.][a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*"
REGISTRY = rf"^(https?://)?({DNS_NAME}|\[[0-9a-fA-F:]+\])(:[0-9]{{1,5}})?$|^[0-9a-fA-F:.]+(/[0-9]{{1,3}})?$"
"""For schemas: a host with or without a port, or what may be an address or a range."""

NOT_A_REGISTRY = (
    "an insecure registry is a host with or without a port, such as registry.example.com:5000, or a range of "
    "addresses, such as 10.0.0.0/8: remove paths and other schemes than http:// and https://"
)
HIGHEST_PORT = 65535


def is_ip_address(text: str) -> bool:
    """Whether the text is an IP address without a zone."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def require_ip_address(text: str) -> str:
    """An IP address as it is.

    Raises:
        ValueError: it is not one.
    """
    if not is_ip_address(text):
        raise ValueError(NOT_AN_ADDRESS)
    return text


def require_registry(text: str) -> str:
    """A registry or a range as it is.

    Raises:
        ValueError: it is neither.
    """
    if not (_is_range(text) or is_ip_address(text) or _is_host_and_port(text)):
        raise ValueError(NOT_A_REGISTRY)
    return text


def _is_range(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return re.search(r"/[0-9]+$", text) is not None


def _is_host_and_port(text: str) -> bool:
    found = re.fullmatch(rf"(?:https?://)?({DNS_NAME}|\[[0-9a-fA-F:]+\])(?::(?P<port>[0-9]{{1,5}}))?", text)
    return found is not None and int(found["port"] or 0) <= HIGHEST_PORT
