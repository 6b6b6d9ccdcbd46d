"""What containers may use: maxima put where there is none, and sums of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nested_docker.api.v1alpha1.guard import LimitRules, Resources
from nested_docker.domain import quantities
from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.model import Usage
from nested_docker.guard.rules.schema import DROP, Table, between, integer, nothing, objects, one_of, text

NANO = 10**9
DEFAULT_PERIOD = 100_000
"""Microseconds; what a quota refers to where no period is given."""

ULIMITS = ("core", "cpu", "data", "fsize", "nofile", "nproc", "stack")


def _not_killed(value: Any, where: str) -> Any:
    """Only that the kernel may kill, which is the default."""
    return nothing(value, where)


def _swappiness(value: Any, where: str) -> Any:
    return DROP if integer(value, where) == -1 else between(0, 100)(value, where)


FIELDS: Table = {
    "BlkioDeviceReadBps": nothing,
    "BlkioDeviceReadIOps": nothing,
    "BlkioDeviceWriteBps": nothing,
    "BlkioDeviceWriteIOps": nothing,
    "BlkioWeight": between(0, 1000),
    "BlkioWeightDevice": nothing,
    "CpuCount": nothing,
    "CpuPercent": nothing,
    "CpuPeriod": between(0, 1_000_000),
    "CpuQuota": between(0, 2**40),
    "CpuRealtimePeriod": nothing,
    "CpuRealtimeRuntime": nothing,
    "CpuShares": between(0, 262_144),
    "CpusetCpus": text,
    "CpusetMems": text,
    "IOMaximumBandwidth": nothing,
    "IOMaximumIOps": nothing,
    "KernelMemory": nothing,
    "KernelMemoryTCP": nothing,
    "Memory": between(0, 2**60),
    "MemoryReservation": between(0, 2**60),
    "MemorySwap": between(-1, 2**60),
    "MemorySwappiness": _swappiness,
    "NanoCpus": between(0, 10**6 * NANO),
    "OomKillDisable": _not_killed,
    "PidsLimit": between(-1, 2**31),
    "Ulimits": objects({"Name": one_of(*ULIMITS), "Soft": integer, "Hard": integer}),
}
"""The part of HostConfig that is about resources; what an update may change, too."""


def limited(host: Mapping[str, Any], limits: LimitRules) -> dict[str, Any]:
    """HostConfig with a maximum wherever the rules have one.

    Raises:
        Refusal: it asks for more than the rules allow each container, or for no limit where there must be one.
    """
    most = _limits(limits.per_container)
    result = dict(host)
    if most.memory is not None:
        _limit_memory(result, most.memory)
    if most.cpu is not None:
        _limit_cpu(result, most.cpu)
    if most.pids is not None:
        _limit_pids(result, most.pids)
    if limits.cgroup_parent:
        result["CgroupParent"] = limits.cgroup_parent
    return result


def within(host: Mapping[str, Any], limits: LimitRules) -> None:
    """Look at an update, in which zeros mean that nothing changes, but for processes.

    Raises:
        Refusal: it asks for more than the rules allow each container.
    """
    most = _limits(limits.per_container)
    if (most.cpu or limits.total.cpu) and (host.get("CpuQuota") or host.get("CpuPeriod")):
        raise GuardDenied("limits.perContainer.cpu", "CpuQuota and CpuPeriod may not be changed: give a number of cpus")
    if (most.pids or limits.total.pids) and "PidsLimit" in host and host["PidsLimit"] < 1:
        raise GuardDenied("limits.perContainer.pids", "the limit of processes may not be taken away")
    if limits.total.memory and host.get("MemorySwap") == -1:
        raise GuardDenied("limits.total.memory", "the limit of swap may not be taken away")
    limited({key: value for key, value in host.items() if value != 0}, limits)


def usage(host: Mapping[str, Any]) -> Usage:
    """What a container with this HostConfig may use."""
    return Usage(_cpus(host), host.get("Memory") or None, _positive(host.get("PidsLimit")))


def merged(now: Usage, update: Usage) -> Usage:
    """What a container may use after an update, which leaves alone what it does not name."""
    return Usage(update.cpu or now.cpu, update.memory or now.memory, update.pids or now.pids)


def check_total(usages: Iterable[Usage], total: Resources) -> None:
    """Look at all containers together.

    Raises:
        Refusal: together they may use more than the rules allow, or one of them has no limit.
    """
    most, all_ = _limits(total), list(usages)
    for name in ("cpu", "memory", "pids"):
        allowed = getattr(most, name)
        if allowed is None:
            continue
        values = [getattr(each, name) for each in all_]
        if None in values:
            raise GuardDenied(f"limits.total.{name}", f"a container must have a limit of {name}")
        if sum(values) > allowed:
            raise GuardDenied(
                f"limits.total.{name}",
                f"all containers together would have {sum(values):g} of {name}, and {allowed:g} is allowed: remove "
                "containers, or ask for less",
            )


def has_total(total: Resources) -> bool:
    """Whether anything is to be summed up."""
    return _limits(total) != Usage()


def _limits(resources: Resources) -> Usage:
    cpu, memory = resources.cpu, resources.memory
    return Usage(
        None if cpu is None else float(quantities.parse(cpu)),
        None if memory is None else int(quantities.parse(memory)),
        resources.pids,
    )


def _limit_memory(host: dict[str, Any], most: int) -> None:
    memory = host.get("Memory") or most
    _check("memory", memory, most)
    swap = host.get("MemorySwap") or memory
    if swap == -1 or swap > most:
        raise GuardDenied("limits.perContainer.memory", f"MemorySwap may not exceed {most}")
    host |= {"Memory": memory, "MemorySwap": max(swap, memory)}


def _limit_cpu(host: dict[str, Any], most: float) -> None:
    cpus = _cpus(host)
    if cpus is None:
        host["NanoCpus"] = int(most * NANO)
    else:
        _check("cpu", cpus, most)


def _limit_pids(host: dict[str, Any], most: int) -> None:
    pids = host.get("PidsLimit") or most
    if pids == -1:
        raise GuardDenied("limits.perContainer.pids", f"PidsLimit must be {most} at most")
    _check("pids", pids, most)
    host["PidsLimit"] = pids


def _cpus(host: Mapping[str, Any]) -> float | None:
    if host.get("NanoCpus"):
        return float(host["NanoCpus"]) / NANO
    quota = host.get("CpuQuota") or 0
    return quota / (host.get("CpuPeriod") or DEFAULT_PERIOD) if quota > 0 else None


def _positive(value: int | None) -> int | None:
    return value if value and value > 0 else None


def _check(name: str, value: float, most: float) -> None:
    if value > most:
        raise GuardDenied(
            f"limits.perContainer.{name}", f"{value:g} of {name} is more than the {most:g} that are allowed"
        )
