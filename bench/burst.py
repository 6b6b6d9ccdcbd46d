"""Many at once, on a simulated kubelet: this operator against a naive one that makes the same objects.

    .venv/bin/python bench/burst.py [OBJECTS] [ROUNDS]

The two take turns on the same cluster. Real API server and etcd; pods and daemons only pretend. All of it,
this driver included, shares the machine's cores: read ratios, not times.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import Contender, contender, grant, laboratory, namespace, ours, percentile
from tests.support.api import Api
from tests.support.kubelet import FakeKubelet
from tests.support.manifests import nested_docker

CLASS = "burst"
IN_FLIGHT = 8
NAIVE = str(Path(__file__).with_name("naive.py"))
TIMEOUT = 300.0


@dataclass
class Result:
    """One round."""

    rate: float
    median: float
    p99: float
    cpu: float
    rss: float


async def ready_times(api: Api, where: str, count: int, seen: dict[str, float]) -> None:
    """Watch until so many NestedDockers are Ready."""
    while len(seen) < count:
        async for _, obj in api.watch("NestedDocker"):
            conditions = obj.get("status", {}).get("conditions", [])
            ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
            if ready and obj["metadata"]["namespace"] == where:
                seen.setdefault(obj["metadata"]["name"], time.monotonic())
            if len(seen) >= count:
                return


async def measure(api: Api, node: str, competitor: Contender, count: int) -> Result:
    async with namespace(api) as where:
        sent: dict[str, float] = {}
        seen: dict[str, float] = {}
        watching = asyncio.create_task(ready_times(api, where, count, seen))
        gate, cpu, started = asyncio.Semaphore(IN_FLIGHT), competitor.cpu_seconds(), time.monotonic()

        async def post(number: int) -> None:
            async with gate:
                name = f"nd-{number}"
                sent[name] = time.monotonic()
                annotations = {"bench/node": node}
                spec = {"mode": "Dind", "className": CLASS, "scheduling": {"podAnnotations": annotations}}
                await api.create(nested_docker(where, name, **spec))

        await asyncio.gather(*(post(number) for number in range(count)))
        await asyncio.wait_for(watching, TIMEOUT)
        took = time.monotonic() - started
        used, rss = competitor.cpu_seconds() - cpu, competitor.rss_mib()
        latencies = [seen[name] - sent[name] for name in sent]
    while await api.list("NestedDocker"):
        await asyncio.sleep(0.5)
    return Result(count / took, statistics.median(latencies), percentile(latencies, 0.99), used / count, rss)


async def main(count: int, rounds: int) -> None:
    async with laboratory() as (cluster, api):
        kubelet = FakeKubelet(api)
        await kubelet.start()
        await grant(api, CLASS, podTemplate={"spec": {"nodeName": kubelet.node}})
        contenders: dict[str, Callable[[], Any]] = {
            "naive kopf": lambda: contender(
                "naive kopf",
                [sys.executable, "-m", "kopf", "run", "--standalone", "-A", NAIVE, "-q"],
                cluster.kubeconfig,
                PYTHONPATH=":".join(sys.path[:3]),
            ),
            "nested-docker": lambda: ours(cluster.kubeconfig),
        }
        results: dict[str, list[Result]] = {name: [] for name in contenders}
        for _ in range(rounds):
            for name, start in contenders.items():
                async with start() as competitor:
                    results[name].append(await measure(api, kubelet.node, competitor, count))
                    print(name, results[name][-1], file=sys.stderr)
        await kubelet.stop()
    report(results, count, rounds)


def report(results: dict[str, list[Result]], count: int, rounds: int) -> None:
    print(f"{count} at once, {rounds} rounds each, medians")
    print(f"{'':14} {'rate/s':>8} {'p50 s':>8} {'p99 s':>8} {'CPU ms each':>12} {'RSS MiB':>8}")
    medians = {}
    for name, rows in results.items():
        medians[name] = Result(
            *(statistics.median(getattr(row, field) for row in rows) for field in Result.__dataclass_fields__)
        )
        row = medians[name]
        print(f"{name:14} {row.rate:8.1f} {row.median:8.2f} {row.p99:8.2f} {row.cpu * 1000:12.1f} {row.rss:8.0f}")
    a, b = medians["nested-docker"], medians["naive kopf"]
    print(f"rate {a.rate / b.rate:.2f} x (goal 1.0 at least), p50 {a.median / b.median:.2f} x (goal 0.5 at most)")
    print(f"CPU {a.cpu / b.cpu:.2f} x (goal 0.5 at most), RSS {a.rss / b.rss:.2f} x (goal 0.65 at most)")


if __name__ == "__main__":
    arguments = [int(word) for word in sys.argv[1:]]
    asyncio.run(main(*(arguments + [200, 3][len(arguments) :])))
