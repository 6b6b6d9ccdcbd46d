"""Resource limits of containers: defaults, maximums and totals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nested_docker.api.v1alpha1.guard import LimitRules, Resources
from nested_docker.domain import quantities
from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.model import ContainerLimits
from nested_docker.guard.rules.schema import OMIT, FieldTable, any_integer, array_of, between, one_of, unset
from nested_docker.guard.rules.values import CPU_SET

NANO = 10**9
DEFAULT_PERIOD = 100_000
"""Microseconds; the daemon's default of CpuPeriod."""

MINIMUM_QUOTA = 1000
"""Microseconds; the minimum CpuQuota of the kernel."""

MINIMUM_NANO_CPUS = MINIMUM_QUOTA * NANO // DEFAULT_PERIOD

ULIMITS = ("core", "cpu", "data", "fsize", "nofile", "nproc", "stack")


def _swappiness(value: Any, where: str) -> Any:
    return OMIT if any_integer(value, where) == -1 else between(0, 100)(value, where)


def _nano_cpus(value: Any, where: str) -> Any:
    """Zero, or what the daemon does not round down to a quota of zero, which is unlimited."""
    return 0 if any_integer(value, where) == 0 else between(MINIMUM_NANO_CPUS, 10**6 * NANO)(value, where)


RESOURCE_FIELDS: FieldTable = {
    "BlkioDeviceReadBps": unset,
    "BlkioDeviceReadIOps": unset,
    "BlkioDeviceWriteBps": unset,
    "BlkioDeviceWriteIOps": unset,
    "BlkioWeight": between(0, 1000),
    "BlkioWeightDevice": unset,
    "CpuCount": unset,
    "CpuPercent": unset,
    "CpuPeriod": between(0, 1_000_000),
    "CpuQuota": between(0, 2**40),
    "CpuRealtimePeriod": unset,
    "CpuRealtimeRuntime": unset,
    "CpuShares": between(0, 262_144),
    "CpusetCpus": CPU_SET,
    "CpusetMems": CPU_SET,
    "IOMaximumBandwidth": unset,
    "IOMaximumIOps": unset,
    "KernelMemory": unset,
    "KernelMemoryTCP": unset,
    "Memory": between(0, 2**60),
    "MemoryReservation": between(0, 2**60),
    "MemorySwap": between(-1, 2**60),
    "MemorySwappiness": _swappiness,
    "NanoCpus": _nano_cpus,
    "OomKillDisable": unset,
    "PidsLimit": between(-1, 2**31),
    "Ulimits": array_of({"Name": one_of(*ULIMITS), "Soft": between(-1, 2**63 - 1), "Hard": between(-1, 2**63 - 1)}),
}
"""The fields of HostConfig for resources; an update has them too."""


def apply_limits(host: Mapping[str, Any], limits: LimitRules) -> dict[str, Any]:
    """HostConfig with the rules' limits, which are the default and the maximum of each container.

    Raises:
        GuardDenied: a limit exceeds the rules, or is removed.
    """
    maximum = _limits(limits.per_container)
    result = dict(host)
    if maximum.memory is not None:
        _limit_memory(result, maximum.memory)
    if maximum.cpu is not None:
        _limit_cpu(result, maximum.cpu)
    if maximum.pids is not None:
        _limit_pids(result, maximum.pids)
    if limits.cgroup_parent:
        result["CgroupParent"] = limits.cgroup_parent
    return result


def check_update(host: Mapping[str, Any], limits: LimitRules) -> None:
    """Check an update of a container. Zero leaves a limit unchanged, except for PidsLimit.

    Raises:
        GuardDenied: a limit exceeds the rules, or is removed.
    """
    maximum = _limits(limits.per_container)
    if (maximum.cpu or limits.total.cpu) and (host.get("CpuQuota") or host.get("CpuPeriod")):
        raise GuardDenied("limits.perContainer.cpu", "CpuQuota and CpuPeriod may not be updated: set NanoCpus (--cpus)")
    if (maximum.pids or limits.total.pids) and "PidsLimit" in host and host["PidsLimit"] < 1:
        raise GuardDenied("limits.perContainer.pids", "PidsLimit may not be removed")
    if limits.total.memory and host.get("MemorySwap") == -1:
        raise GuardDenied("limits.total.memory", "the limit of swap may not be removed")
    apply_limits({key: value for key, value in host.items() if value != 0}, limits)


def limits_of(host: Mapping[str, Any]) -> ContainerLimits:
    """The limits of a container with this HostConfig."""
    return ContainerLimits(_cpus(host), host.get("Memory") or None, _positive(host.get("PidsLimit")))


def after_update(present: ContainerLimits, update: ContainerLimits) -> ContainerLimits:
    """The limits of a container after an update, which keeps the limits that it does not set."""
    return ContainerLimits(update.cpu or present.cpu, update.memory or present.memory, update.pids or present.pids)


def check_total(containers: Iterable[ContainerLimits], total: Resources) -> None:
    """Check the limits of all containers against the total.

    Raises:
        GuardDenied: their sum exceeds the total, or one of them has no limit.
    """
    maximum, limits = _limits(total), list(containers)
    for name in ("cpu", "memory", "pids"):
        allowed = getattr(maximum, name)
        if allowed is None:
            continue
        values = [getattr(each, name) for each in limits]
        if None in values:
            raise GuardDenied(f"limits.total.{name}", f"each container must have a {name} limit: set one")
        if sum(values) > allowed:
            raise GuardDenied(
                f"limits.total.{name}",
                f"the {name} limits of all containers would be {sum(values):g}, which exceeds the total of "
                f"{allowed:g}: remove containers, or lower their limits",
            )


def has_total_limits(total: Resources) -> bool:
    """Whether the rules have a total."""
    return _limits(total) != ContainerLimits()


def _limits(resources: Resources) -> ContainerLimits:
    cpu, memory = resources.cpu, resources.memory
    return ContainerLimits(
        None if cpu is None else float(quantities.parse(cpu)),
        None if memory is None else int(quantities.parse(memory)),
        resources.pids,
    )


def _limit_memory(host: dict[str, Any], maximum: int) -> None:
    memory = host.get("Memory") or maximum
    _check("memory", memory, maximum)
    swap = host.get("MemorySwap") or memory
    if swap == -1 or swap > maximum:
        raise GuardDenied("limits.perContainer.memory", f"MemorySwap may not exceed {maximum}")
    host |= {"Memory": memory, "MemorySwap": max(swap, memory)}


def _limit_cpu(host: dict[str, Any], maximum: float) -> None:
    cpus, quota = _cpus(host), host.get("CpuQuota") or 0
    if quota and quota < MINIMUM_QUOTA:
        raise GuardDenied(
            "limits.perContainer.cpu", f"CpuQuota may not be {quota}: use at least {MINIMUM_QUOTA}, or set --cpus"
        )
    if cpus is None:
        host["NanoCpus"] = int(maximum * NANO)
    else:
        _check("cpu", cpus, maximum)


def _limit_pids(host: dict[str, Any], maximum: int) -> None:
    pids = host.get("PidsLimit") or maximum
    if pids == -1:
        raise GuardDenied("limits.perContainer.pids", f"PidsLimit may not exceed {maximum}")
    _check("pids", pids, maximum)
    host["PidsLimit"] = pids


def _cpus(host: Mapping[str, Any]) -> float | None:
    """The limit of CPUs; None: none, or one that is too small to be in force."""
    if host.get("NanoCpus"):
        return float(host["NanoCpus"]) / NANO if host["NanoCpus"] >= MINIMUM_NANO_CPUS else None
    quota = host.get("CpuQuota") or 0
    return quota / (host.get("CpuPeriod") or DEFAULT_PERIOD) if quota >= MINIMUM_QUOTA else None


def _positive(value: int | None) -> int | None:
    return value if value and value > 0 else None


def _check(name: str, value: float, maximum: float) -> None:
    if value > maximum:
        raise GuardDenied(
            f"limits.perContainer.{name}", f"the {name} limit {value:g} exceeds the maximum of {maximum:g}"
        )
