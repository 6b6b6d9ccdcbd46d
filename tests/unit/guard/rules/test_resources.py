"""Limits of containers and build steps: none of them is removed by a value that means "none"."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.guard.decisions import created, denial, forwarded, not_created, rules

from nested_docker.guard.model import ContainerLimits
from nested_docker.guard.rules.resources import limits_of

LIMITED = rules(limits={"perContainer": {"cpu": "2", "memory": "1Gi", "pids": 100}})
TOTAL = rules(limits={"total": {"cpu": "2", "memory": "1Gi", "pids": 100}})
IN_FORCE = {"NanoCpus": 2 * 10**9, "Memory": 2**30, "MemorySwap": 2**30, "PidsLimit": 100}


@pytest.mark.parametrize(
    "host",
    [
        {"NanoCpus": 0},
        {"CpuQuota": 0},
        {"Memory": 0},
        {"MemorySwap": 0},
        {"PidsLimit": 0},
        {"PidsLimit": None},
        {"NanoCpus": None, "Memory": None, "MemorySwap": None},
        {"BlkioWeight": 0, "MemoryReservation": 0, "CpuShares": 0},
    ],
)
def test_zero_does_not_override_the_maximum(host: dict[str, Any]) -> None:
    body = created(host, by=LIMITED).body
    assert body is not None
    assert {key: body["HostConfig"][key] for key in IN_FORCE} == IN_FORCE


@pytest.mark.parametrize("nano_cpus", [1, 9_999, 10_000, 9_999_999, -1])
@pytest.mark.parametrize("by", [LIMITED, TOTAL, rules()])
def test_cpus_that_the_daemon_rounds_down_to_unlimited_are_denied(nano_cpus: int, by: Any) -> None:
    denied = not_created({"NanoCpus": nano_cpus}, by=by)
    assert f"HostConfig.NanoCpus may not be {nano_cpus}; allowed: 10000000 to " in denied.message
    denied = denial("POST", "/containers/x1/update", {"NanoCpus": nano_cpus}, by=by)
    assert f"NanoCpus may not be {nano_cpus}; allowed: 10000000 to " in denied.message


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ({"CpuQuota": 1}, "CpuQuota may not be 1: use at least 1000, or set --cpus"),
        ({"CpuQuota": 999}, "CpuQuota may not be 999: use at least 1000, or set --cpus"),
        ({"CpuQuota": -1}, "HostConfig.CpuQuota may not be -1"),
        ({"Memory": -1}, "HostConfig.Memory may not be -1"),
        ({"Memory": 2**25, "MemorySwap": -1}, "MemorySwap may not exceed"),
        ({"MemorySwap": -2}, "HostConfig.MemorySwap may not be -2"),
        ({"PidsLimit": -1}, "PidsLimit may not exceed 100"),
        ({"PidsLimit": -2}, "HostConfig.PidsLimit may not be -2"),
        ({"ShmSize": -1}, "HostConfig.ShmSize may not be -1"),
        ({"BlkioWeight": -1}, "HostConfig.BlkioWeight may not be -1"),
    ],
)
def test_other_values_that_mean_none_are_denied(host: dict[str, Any], message: str) -> None:
    assert message in not_created(host, by=LIMITED).message


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"memory": "-1", "memswap": "1"}, "memory may not be -1"),
        ({"memory": "-1"}, "memory may not be -1"),
        ({"memswap": "-2", "memory": "33554432"}, "memswap may not be -2"),
        ({"memswap": "-1"}, "MemorySwap may not exceed 1073741824"),
        ({"cpuquota": "-1"}, "cpuquota may not be -1"),
        ({"cpuquota": "1"}, "CpuQuota may not be 1: use at least 1000"),
        ({"cpuperiod": "-1"}, "cpuperiod may not be -1"),
        ({"cpuquota": "1000", "cpuperiod": "1000001"}, "cpuperiod may not be 1000001"),
        ({"shmsize": "-1"}, "shmsize may not be -1"),
        ({"cpushares": "-1"}, "cpushares may not be -1"),
        ({"shmsize": "x"}, "shmsize is not an integer"),
    ],
)
def test_build_steps_keep_their_limits(query: dict[str, str], message: str) -> None:
    assert message in denial("POST", "/build", by=LIMITED, **query).message


@pytest.mark.parametrize("key", ["memory", "memswap", "cpuquota", "cpuperiod", "shmsize", "cpushares"])
@pytest.mark.parametrize("by", [LIMITED, TOTAL.model_copy(update={"limits": LIMITED.limits})])
def test_zero_leaves_a_build_step_its_limits(key: str, by: Any) -> None:
    query = forwarded("POST", "/build", by=by, **{key: "0"}).query
    assert (query["cpuquota"], query["cpuperiod"]) == (("200000",), ("100000",))
    assert query["memory"] == query["memswap"] == (str(2**30),)


@pytest.mark.parametrize(
    "host",
    [{}, {"NanoCpus": 0}, {"NanoCpus": 9_999}, {"NanoCpus": 9_999_999}, {"CpuQuota": 999}, {"CpuQuota": -1}],
)
def test_what_is_not_in_force_counts_as_no_limit(host: dict[str, Any]) -> None:
    assert limits_of({**host, "Memory": 0, "PidsLimit": 0}) == ContainerLimits()
