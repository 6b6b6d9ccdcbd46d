"""Builds by the classic builder; BuildKit's go through tunnels that nobody can look into."""

from __future__ import annotations

from nested_docker.api.v1alpha1.guard import LimitRules
from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.hints import BUILDKIT
from nested_docker.guard.model import ApiRequest, ForwardPlan
from nested_docker.guard.ownership import Kind, Need, Reference, build_mark, extra_hosts, image_labels, labels
from nested_docker.guard.rules.images import named
from nested_docker.guard.rules.resources import limited
from nested_docker.guard.rules.schema import text_map
from nested_docker.guard.wire import strict_json as bodies
from nested_docker.guard.wire.query import Query, one, truth

PASSED = frozenset({"dockerfile", "q", "nocache", "pull", "buildargs", "shmsize", "target", "platform", "cpushares"})
"""Parameters that reach no further than the build."""

VALIDATED = frozenset(
    {"t", "labels", "networkmode", "cachefrom", "version", "rm", "forcerm", "memory", "memswap", "cpuperiod"}
    | {"cpuquota", "cpusetcpus", "cpusetmems", "extrahosts"}
)
EMPTY_ONLY = frozenset({"remote", "squash", "outputs", "cgroupparent", "ulimits", "isolation", "securityopt"})
"""Parameters that clients send for nothing, and that may be nothing only."""
BUILDKITS_OWN = frozenset({"session", "buildid"})
KNOWN = PASSED | VALIDATED | EMPTY_ONLY | BUILDKITS_OWN


def build(api_request: ApiRequest) -> ForwardPlan:
    """`POST /build`."""
    hosts = extra_hosts(api_request.query.get("extrahosts", ()), "extrahosts")  # first: it is never waived
    if not api_request.rules.build.allowed:
        raise GuardDenied("build.allowed", "images may not be built")
    _refuse(api_request.query)
    found: list[Reference] = []
    query = {key: api_request.query[key] for key in PASSED & api_request.query.keys()}
    query |= _network(api_request, found)
    query |= {"rm": ("1",), "forcerm": ("1",), "version": ("1",), "labels": (_labels(api_request),)}
    query |= _resources(api_request.query, api_request.rules.limits)
    if tags := tuple(tag for tag in api_request.query.get("t", ()) if tag):
        found.extend(named(_tagged(tag), api_request) for tag in tags)
        query["t"] = tags
    if cached := _cache(one(api_request.query, "cachefrom")):
        found.extend(Reference(Kind.IMAGE, image, Need.VISIBLE) for image in cached)
        query["cachefrom"] = (bodies.write(cached).decode(),)
    query["extrahosts"] = (*(each for each in hosts if each), build_mark(api_request.uid))
    return ForwardPlan(query, references=tuple(found))


def _refuse(query: Query) -> None:
    if one(query, "version") not in {"", "1"} or any(one(query, key) for key in BUILDKITS_OWN):
        raise GuardDenied("buildkit", BUILDKIT)
    for key in EMPTY_ONLY:
        value = one(query, key)
        if value not in {"", "null", "[]", "{}"} and truth(value):
            raise GuardDenied(f"build.{key}", f"the build parameter {key} may not be set")


def _network(api_request: ApiRequest, found: list[Reference]) -> dict[str, tuple[str, ...]]:
    mode = one(api_request.query, "networkmode")
    if mode in {"", "default", "bridge"}:
        if not api_request.rules.networks.bridge:
            raise GuardDenied("networks.bridge", "the default network is not allowed: use docker build --network none")
    elif mode.startswith("container:"):
        name = mode.removeprefix("container:")
        found.append(Reference(Kind.CONTAINER, name, place=("query", "networkmode"), form="container:{}"))
    elif mode == "host":
        raise GuardDenied("networks", "a build may not be in the node's own network")
    elif mode != "none":
        found.append(Reference(Kind.NETWORK, mode, place=("query", "networkmode")))
    return {"networkmode": (mode,)}


def _labels(api_request: ApiRequest) -> str:
    given = bodies.parse((one(api_request.query, "labels") or "{}").encode(), maps_only=True)
    labels_ = text_map({} if given is None else given, "labels")
    labels(labels_, api_request.uid, where="labels")
    return bodies.write({**labels_, **image_labels(api_request.uid)}).decode()


def _cache(value: str) -> list[str]:
    given = bodies.parse((value or "[]").encode(), maps_only=True)
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise GuardDenied("fields", "cachefrom is not a list of images")
    return given


def _resources(query: Query, limits: LimitRules) -> dict[str, tuple[str, ...]]:
    """A step's container has a container's maxima; the builder has no parameter for processes."""
    names = {"memory": "Memory", "memswap": "MemorySwap", "cpuperiod": "CpuPeriod", "cpuquota": "CpuQuota"}
    host = {field: _number(one(query, key), key) for key, field in names.items() if one(query, key)}
    api_request = limited(host, limits)
    if "NanoCpus" in api_request:
        api_request |= {"CpuPeriod": 100_000, "CpuQuota": api_request.pop("NanoCpus") // 10_000}
    result: dict[str, tuple[str, ...]] = {
        key: (str(api_request[field]),) for key, field in names.items() if api_request.get(field)
    }
    for key in ("cpusetcpus", "cpusetmems"):
        if one(query, key):
            result[key] = (one(query, key),)
    if limits.cgroup_parent:
        result["cgroupparent"] = (limits.cgroup_parent,)
    return result


def _number(value: str, key: str) -> int:
    if not value.removeprefix("-").isdecimal() or not value.isascii():
        raise GuardDenied("fields", f"{key} is not a number")
    return int(value)


def _tagged(name: str) -> str:
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"
