"""The proxy to the API server, as kubectl chooses it."""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

SCHEMES = ("http", "https")


def proxy_of(server: str, configured: str) -> str:
    """URL of the proxy to a server; empty: none.

    Args:
        server: URL of the API server.
        configured: the kubeconfig's; empty: that of the environment, if it names one for this server.

    Raises:
        ValueError: its scheme is not supported.
    """
    proxy = configured or _of_environment(server)
    scheme = urlsplit(proxy).scheme if "://" in proxy else ""
    if proxy and scheme not in SCHEMES:
        origin = "the kubeconfig's proxy-url" if configured else "the environment's proxy"
        what = f"the scheme {scheme}" if scheme else "no scheme"
        raise ValueError(f"{origin} has {what}: use a proxy with http:// or https://")
    return proxy


def _of_environment(server: str) -> str:
    url = urlsplit(server)
    host = url.hostname or ""
    if _is_direct(host) or proxy_bypass(url.netloc.rpartition("@")[2]):
        return ""
    return getproxies().get(url.scheme, "")


def _is_direct(host: str) -> bool:
    """Rules that Python's library lacks: no proxy for this machine, and networks in NO_PROXY."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or any(address in network for network in _networks())


def _networks() -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    found = []
    for each in (os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or "").split(","):
        if "/" in each:
            try:
                found.append(ipaddress.ip_network(each.strip(), strict=False))
            except ValueError:  # a name, which proxy_bypass compares
                continue
    return found
