"""Mirrors of registries: what dockerd reads of them in daemon.json, and in hosts.toml."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from nested_docker.api.v1alpha1.engine import EngineSpec

HUB = "docker.io"
"""The registry of images whose name has none; the only one that every engine takes mirrors of."""


def hub_mirrors(engine: EngineSpec) -> list[str]:
    """Mirrors for daemon.json: those of Docker Hub without a path, with which some engines would not start."""
    return [url for url in (engine.mirrors or {}).get(HUB, []) if not _has_path(url)]


def mirrors_of_image_store(engine: EngineSpec) -> list[str]:
    """What only the containerd image store takes: registries other than Docker Hub, and mirrors with a path."""
    mirrors = engine.mirrors or {}
    return sorted({*mirrors} - {HUB}) + [url for url in mirrors.get(HUB, []) if _has_path(url)]


def hosts_files(engine: EngineSpec) -> str:
    """A hosts.toml for each registry that has mirrors, each after a comment with the registry; empty: there is none.

    dockerd asks the mirrors in order, then the registry. It does not apply `insecure-registries` to a registry with
    such a file, so the file says what is insecure.
    """
    insecure = engine.insecure_registries or []
    return "".join(
        f"# {name}\n{_registry(name, insecure)}" + "".join(_mirror(url, insecure) for url in urls)
        for name, urls in sorted((engine.mirrors or {}).items())
    )


def _registry(name: str, insecure: Iterable[str]) -> str:
    """An insecure registry is tried with TLS that is not verified, then without TLS."""
    return f'server = "http://{name}"\nskip_verify = true\n' if _is_insecure(name, insecure) else ""


def _mirror(url: str, insecure: Iterable[str]) -> str:
    """A path with more than /v2 is the whole path, as of a registry that mirrors several; dockerd adds /v2 to others.

    With a slash at the end it would add it after a second slash.
    """
    scheme, host, path = _parts(url.rstrip("/"))
    lines = [f'[host."{scheme}://{host}{path}"]', 'capabilities = ["pull", "resolve"]']
    if "/v2/" in path:
        lines.append("override_path = true")
    if scheme == "https" and _is_insecure(host, insecure):
        lines.append("skip_verify = true")
    return "\n".join(lines) + "\n"


def _has_path(url: str) -> bool:
    return _parts(url)[2] not in {"", "/"}


def _parts(url: str) -> tuple[str, str, str]:
    """Scheme, host with port, and path of a mirror."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return scheme, host, slash + path


def _is_insecure(host: str, insecure: Iterable[str]) -> bool:
    """Whether a host is in `insecureRegistries`, by its name or by a range that has its address."""
    address = _address(re.sub(r":[0-9]+$", "", host).strip("[]"))
    return any(entry == host or (address is not None and _has(entry, address)) for entry in insecure)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _has(entry: str, address: IPv4Address | IPv6Address) -> bool:
    """Whether an entry of `insecureRegistries` is a range with the address."""
    try:
        return "/" in entry and address in ip_network(entry, strict=False)
    except ValueError:
        return False
