"""The daemon's answers about all of the node, narrowed to what is one's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from nested_docker.api.v1alpha1.guard import GuardRules
from nested_docker.guard.ownership import is_own, sees_image
from nested_docker.guard.wire.target import MAX_VERSION

INFO = frozenset(
    {
        "Architecture",
        "CgroupDriver",
        "CgroupVersion",
        "CpuCfsPeriod",
        "CpuCfsQuota",
        "CPUSet",
        "CPUShares",
        "DefaultRuntime",
        "Driver",
        "ID",
        "IPv4Forwarding",
        "IndexServerAddress",
        "KernelVersion",
        "LoggingDriver",
        "MemTotal",
        "MemoryLimit",
        "NCPU",
        "OSType",
        "OSVersion",
        "OomKillDisable",
        "OperatingSystem",
        "PidsLimit",
        "SecurityOptions",
        "ServerVersion",
        "SwapLimit",
        "SystemTime",
    }
)
"""What of the daemon's information says nothing of others, nor of where the node is and what it trusts."""

_ID = re.compile(rb"[0-9a-f]{64}")

NOTHING: dict[str, Any] = {
    "BuildCache": [],
    "BuilderSize": 0,
    "LayersSize": 0,
}


def conflict(data: bytes) -> bytes:
    """An answer that says that a name is taken, without the id of the container that has it."""
    return _ID.sub(b"another", data)


def info(answer: Any, rules: GuardRules, uid: str) -> Any:
    """`GET /info`."""
    del rules, uid
    counts = dict.fromkeys(("Containers", "ContainersRunning", "ContainersPaused", "ContainersStopped", "Images"), 0)
    kept = {key: value for key, value in _object(answer).items() if key in INFO}
    return {**kept, **counts, "Name": "guarded", "Swarm": {"LocalNodeState": "inactive"}, "Warnings": []}


def version(answer: Any, rules: GuardRules, uid: str) -> Any:
    """`GET /version`: clients negotiate by it."""
    del rules, uid
    result = dict(_object(answer))
    if "ApiVersion" in result:
        result["ApiVersion"] = capped(str(result["ApiVersion"]))
    for component in result.get("Components") or ():
        details = component.get("Details") or {}
        if "ApiVersion" in details:
            details["ApiVersion"] = capped(str(details["ApiVersion"]))
    return result


def capped(api_version: str) -> str:
    """An API version, or the newest that the guard knows."""
    major, _, minor = api_version.partition(".")
    if not (major.isdigit() and minor.isdigit()) or (int(major), int(minor)) <= MAX_VERSION:
        return api_version
    return f"{MAX_VERSION[0]}.{MAX_VERSION[1]}"


def images(answer: Any, rules: GuardRules, uid: str) -> Any:
    """`GET /images/json`."""
    return [_uncounted(each) for each in answer or () if sees_image(each, rules, uid)]


def image(answer: Any, rules: GuardRules, uid: str) -> Any:
    """`GET /images/{name}/json`."""
    del rules, uid
    return _uncounted(_object(answer))


def network(answer: Any, rules: GuardRules, uid: str) -> Any:
    """`GET /networks/{id}`."""
    del rules
    return answer if is_own(_object(answer).get("Labels"), uid) else {**_object(answer), "Containers": {}}


def disk_usage(answer: Any, rules: GuardRules, uid: str) -> Any:
    """`GET /system/df`, of which the daemon filters nothing: in the form that it has had up to API 1.51."""
    given, result = _object(answer), dict(NOTHING)
    sieves: dict[str, Callable[[Any], bool]] = {
        "Containers": lambda each: is_own(each.get("Labels"), uid),
        "Volumes": lambda each: is_own(each.get("Labels"), uid),
        "Images": lambda each: sees_image(each, rules, uid),
    }
    for key, keeps in sieves.items():
        result[key] = [each for each in given.get(key) or () if keeps(each)]
    return result


def _uncounted(each: Mapping[str, Any]) -> dict[str, Any]:
    """An image without the number of containers that use it, since these may be others'."""
    result = {**each, "Containers": -1} if "Containers" in each else dict(each)
    for manifest in result.get("Manifests") or ():
        if isinstance(manifest.get("ImageData"), dict):
            manifest["ImageData"]["Containers"] = []
    return result


def _object(answer: Any) -> Mapping[str, Any]:
    return answer if isinstance(answer, dict) else {}
