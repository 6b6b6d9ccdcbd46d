"""Responses about the whole node, filtered to what the owner may see."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from nested_docker.api.v1alpha1.guard import GuardRules
from nested_docker.guard.ownership import is_owned, is_visible_image
from nested_docker.guard.rules.containers import LOG_DRIVERS
from nested_docker.guard.wire.api_version import MIN_VERSION, cap_version, format_version

INFO_FIELDS = frozenset(
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
        "ExperimentalBuild",
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
"""Fields of `GET /info` that reveal nothing of other owners, of the node's location, or of what it trusts."""

_NO_COMMIT = {"ID": "", "Expected": ""}
INFO_CONSTANTS: Mapping[str, Any] = {
    **dict.fromkeys(("Debug", "LiveRestoreEnabled", "BridgeNfIptables", "BridgeNfIp6tables"), False),
    **dict.fromkeys(("KernelMemory", "KernelMemoryTCP"), False),
    "CDISpecDirs": [],
    **dict.fromkeys(("NFd", "NGoroutines", "NEventsListener"), 0),
    **dict.fromkeys(("DockerRootDir", "HttpProxy", "HttpsProxy", "NoProxy", "Isolation", "InitBinary"), ""),
    **dict.fromkeys(("ContainerdCommit", "RuncCommit", "InitCommit"), _NO_COMMIT),
    "DriverStatus": [],
    "GenericResources": None,
    "Labels": [],
    "Name": "guarded",
    "Plugins": {"Volume": ["local"], "Network": ["bridge", "null"], "Authorization": None, "Log": [*LOG_DRIVERS]},
    "RegistryConfig": {"InsecureRegistryCIDRs": [], "IndexConfigs": {}, "Mirrors": []},
    "Runtimes": {},
    "Swarm": {"LocalNodeState": "inactive"},
    "Warnings": [],
}
"""What clients get for other fields: some of them end with an error if a field is absent."""

_ID = re.compile(rb"[0-9a-f]{64}")

EMPTY_DISK_USAGE: dict[str, Any] = {
    "BuildCache": [],
    "BuilderSize": 0,
    "LayersSize": 0,
}


def hide_container_id(data: bytes) -> bytes:
    """A conflict response without the ID of the container that has the name."""
    return _ID.sub(b"another", data)


def filter_info(response: Any, rules: GuardRules, uid: str) -> Any:
    """`GET /info`."""
    info = _object(response)
    kept = {key: value for key, value in info.items() if key in INFO_FIELDS}
    states = [each.get("State") for each in info.get("Containers") or ()]  # by now lists and not numbers
    images = [each for each in info.get("Images") or () if is_visible_image(each, rules, uid)]
    running, paused = sum(each in {"running", "restarting"} for each in states), states.count("paused")
    counts = {
        "Containers": len(states),
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": len(states) - running - paused,
        "Images": len(images),
    }
    return {**INFO_CONSTANTS, **kept, **counts}


def filter_version(response: Any, rules: GuardRules, uid: str) -> Any:
    """`GET /version`, from which clients negotiate the API version."""
    del rules, uid
    result = _with_guard_versions(_object(response))
    for component in result.get("Components") or ():
        component["Details"] = _with_guard_versions(component.get("Details") or {})
    return result


def _with_guard_versions(response: Mapping[str, Any]) -> dict[str, Any]:
    """The oldest version is the guard's, which translates for clients that are too old for the daemon."""
    result = dict(response)
    if "ApiVersion" in result:
        result["ApiVersion"] = cap_version(str(result["ApiVersion"]))
    if "MinAPIVersion" in result:
        result["MinAPIVersion"] = format_version(MIN_VERSION)
    return result


def filter_image_list(response: Any, rules: GuardRules, uid: str) -> Any:
    """`GET /images/json`."""
    return [_without_containers(each) for each in response or () if is_visible_image(each, rules, uid)]


def filter_image(response: Any, rules: GuardRules, uid: str) -> Any:
    """`GET /images/{name}/json`."""
    del rules, uid
    return _without_containers(_object(response))


def filter_network(response: Any, rules: GuardRules, uid: str) -> Any:
    """`GET /networks/{id}`."""
    del rules
    network = _object(response)
    if is_owned(network.get("Labels"), uid):
        return response
    # The status, which API 1.52 adds, counts the addresses that all owners use.
    return {**{key: value for key, value in network.items() if key != "Status"}, "Containers": {}}


def filter_disk_usage(response: Any, rules: GuardRules, uid: str) -> Any:
    """`GET /system/df`, which the daemon cannot filter; in the form that it has up to API 1.51."""
    usage = _object(response)
    result = {**EMPTY_DISK_USAGE, "Containers": usage.get("Containers") or []}  # by now only the owner's
    predicates: dict[str, Callable[[Any], bool]] = {
        "Volumes": lambda each: is_owned(each.get("Labels"), uid),
        "Images": lambda each: is_visible_image(each, rules, uid),
    }
    for key, predicate in predicates.items():
        result[key] = [each for each in usage.get(key) or () if predicate(each)]
    return result


def _without_containers(each: Mapping[str, Any]) -> dict[str, Any]:
    """An image without the containers that use it, which may be other owners'."""
    result = {**each, "Containers": -1} if "Containers" in each else dict(each)
    for manifest in result.get("Manifests") or ():
        if isinstance(manifest.get("ImageData"), dict):
            manifest["ImageData"]["Containers"] = []
    return result


def _object(response: Any) -> Mapping[str, Any]:
    return response if isinstance(response, dict) else {}
