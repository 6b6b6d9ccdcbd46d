"""Builds with the classic builder; BuildKit uses tunnels, which the guard cannot inspect."""

from __future__ import annotations

from nested_docker.api.v1alpha1.guard import LimitRules
from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.hints import BUILDKIT_HINT
from nested_docker.guard.model import ApiRequest, ForwardPlan
from nested_docker.guard.ownership import (
    ObjectKind,
    Reference,
    Requirement,
    build_step_host,
    image_labels,
    with_owner_label,
)
from nested_docker.guard.rules.containers import extra_hosts
from nested_docker.guard.rules.images import tag_reference
from nested_docker.guard.rules.resources import RESOURCE_FIELDS, apply_limits
from nested_docker.guard.rules.schema import between, string_map
from nested_docker.guard.wire import strict_json
from nested_docker.guard.wire.query import Query, first_value, is_unset

FORWARDED_PARAMETERS = frozenset({"dockerfile", "q", "nocache", "pull", "buildargs", "target", "platform"})
"""Parameters that affect only the build."""

VALIDATED_PARAMETERS = frozenset(
    {"t", "labels", "networkmode", "cachefrom", "version", "rm", "forcerm", "memory", "memswap", "cpuperiod"}
    | {"cpuquota", "cpusetcpus", "cpusetmems", "extrahosts", "shmsize", "cpushares"}
)
EMPTY_PARAMETERS = frozenset({"remote", "squash", "outputs", "cgroupparent", "ulimits", "isolation", "securityopt"})
"""Parameters that clients send, and that must be empty or false."""
BUILDKIT_PARAMETERS = frozenset({"session", "buildid"})
BUILD_PARAMETERS = FORWARDED_PARAMETERS | VALIDATED_PARAMETERS | EMPTY_PARAMETERS | BUILDKIT_PARAMETERS


def validate_build(api_request: ApiRequest) -> ForwardPlan:
    """`POST /build`."""
    hosts = extra_hosts([*api_request.query.get("extrahosts", ())], "extrahosts")  # first, since it is never waived
    if not api_request.rules.build.allowed:
        raise GuardDenied("build.allowed", "images may not be built: the policy does not allow builds")
    _check_parameters(api_request.query)
    references: list[Reference] = []
    query = {key: api_request.query[key] for key in FORWARDED_PARAMETERS & api_request.query.keys()}
    query |= _network(api_request, references)
    query |= {"rm": ("1",), "forcerm": ("1",), "version": ("1",), "labels": (_labels(api_request),)}
    query |= _resources(api_request.query, api_request.rules.limits)
    tags = tuple(dict.fromkeys(_with_default_tag(tag) for tag in api_request.query.get("t", ()) if tag))
    references.extend(tag_reference(tag, api_request) for tag in tags)
    if cached := tuple(_cache_images(first_value(api_request.query, "cachefrom"))):
        references.extend(
            Reference(ObjectKind.IMAGE, image, Requirement.VISIBLE_OR_ABSENT, location=("query", "cachefrom", number))
            for number, image in enumerate(cached)
        )
        query["cachefrom"] = cached
    query["extrahosts"] = (*(each for each in hosts if each), build_step_host(api_request.uid))
    return ForwardPlan(query, references=tuple(references), tags=tags)


def added_steps(uid: str) -> tuple[str, ...]:
    """The instructions that the guard adds to a build, as the daemon prints them."""
    return tuple(f"LABEL {key}={value}" for key, value in image_labels(uid).items())


def _check_parameters(query: Query) -> None:
    if first_value(query, "version") not in {"", "1"} or any(first_value(query, key) for key in BUILDKIT_PARAMETERS):
        raise GuardDenied("buildkit", BUILDKIT_HINT)
    for key in EMPTY_PARAMETERS:
        value = first_value(query, key)
        if not is_unset(value) and (key, value) != ("isolation", "default"):
            raise GuardDenied(f"build.{key}", f"build parameter {key} may not be set")


def _network(api_request: ApiRequest, references: list[Reference]) -> dict[str, tuple[str, ...]]:
    mode = first_value(api_request.query, "networkmode")
    if mode in {"", "default", "bridge"}:
        if not api_request.rules.networks.bridge:
            raise GuardDenied("networks.bridge", "the default network is not allowed: use docker build --network none")
    elif mode.startswith("container:"):
        name = mode.removeprefix("container:")
        references.append(
            Reference(ObjectKind.CONTAINER, name, location=("query", "networkmode", 0), id_format="container:{}")
        )
    elif mode == "host":
        raise GuardDenied("networks", "a build may not use the node's own network")
    elif mode != "none":
        references.append(Reference(ObjectKind.NETWORK, mode, location=("query", "networkmode", 0)))
    return {"networkmode": (mode,)}


def _labels(api_request: ApiRequest) -> str:
    parsed = strict_json.parse_json((first_value(api_request.query, "labels") or "{}").encode(), free_keys=True)
    labels = string_map({} if parsed is None else parsed, "labels")
    with_owner_label(labels, api_request.uid, where="labels")  # denies reserved labels
    return strict_json.encode_json({**labels, **image_labels(api_request.uid)}).decode()


def _cache_images(value: str) -> list[str]:
    parsed = strict_json.parse_json((value or "[]").encode(), free_keys=True)
    if parsed is None:
        return []
    if not isinstance(parsed, list) or not all(isinstance(each, str) for each in parsed):
        raise GuardDenied("fields", "cachefrom is not an array of image names")
    return parsed


def _resources(query: Query, limits: LimitRules) -> dict[str, tuple[str, ...]]:
    """The limits of each container also apply to each build step; the builder has no parameter for pids."""
    names = {"memory": "Memory", "memswap": "MemorySwap", "cpuperiod": "CpuPeriod", "cpuquota": "CpuQuota"}
    host_config = {
        field: RESOURCE_FIELDS[field](_number(first_value(query, key), key), key)
        for key, field in names.items()
        if first_value(query, key)
    }
    limited = apply_limits(host_config, limits)
    if "NanoCpus" in limited:
        limited |= {"CpuPeriod": 100_000, "CpuQuota": limited.pop("NanoCpus") // 10_000}
    result: dict[str, tuple[str, ...]] = {
        key: (str(limited[field]),) for key, field in names.items() if limited.get(field)
    }
    for key, check in (("shmsize", between(0, 2**40)), ("cpushares", RESOURCE_FIELDS["CpuShares"])):
        if first_value(query, key):
            result[key] = (str(check(_number(first_value(query, key), key), key)),)
    for key in ("cpusetcpus", "cpusetmems"):
        if first_value(query, key):
            result[key] = (first_value(query, key),)
    if limits.cgroup_parent:
        result["cgroupparent"] = (limits.cgroup_parent,)
    return result


def _number(value: str, key: str) -> int:
    if not value.removeprefix("-").isdecimal() or not value.isascii():
        raise GuardDenied("fields", f"{key} is not an integer")
    return int(value)


def _with_default_tag(name: str) -> str:
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"
