"""A policy is narrowed while many NestedDockers run: how soon those that lost their grant are gone, at what cost.

    .venv/bin/python bench/policy_change.py [OBJECTS] [ROUNDS]

Half of the objects lose their grant. Real API server and etcd; pods and daemons only pretend. What is counted
is the operator's own requests, by the API server's audit log.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections import Counter
from typing import Any

from lab import grant, laboratory, namespace, ours
from settled import AUDIT, WRITES, Audit, all_ready
from tests.support.api import Api
from tests.support.kubelet import FakeKubelet
from tests.support.manifests import nested_docker

from nested_docker.domain.names import WATCH_SELECTOR

KEPT, LOST = "kept", "lost"
OBJECTS_EACH = 6
"""Pod, Service, NetworkPolicy and three Secrets; with the status that is seven writes at least."""


async def narrow(api: Api, name: str, modes: list[str]) -> None:
    await api.patch("NestedDockerPolicy", None, name, {"spec": {"allowedModes": modes}})


async def gone(api: Api, where: str) -> None:
    """Wait until nothing of ours is left but the NestedDockers."""
    for kind in ("Pod", "Service", "NetworkPolicy", "Secret"):
        while await api.list(kind, where, WATCH_SELECTOR):
            await asyncio.sleep(0.05)


async def told(api: Api, where: str) -> None:
    """Wait until every status says so."""
    while True:
        objects = await api.list("NestedDocker", where)
        reasons = Counter(c["reason"] for o in objects for c in o["status"]["conditions"] if c["type"] == "Accepted")
        if set(reasons) == {"NotGranted"}:
            return
        await asyncio.sleep(0.05)


def versions(objects: list[dict[str, Any]]) -> dict[str, str]:
    return {obj["metadata"]["uid"]: obj["metadata"]["resourceVersion"] for obj in objects}


async def children(api: Api, where: str) -> dict[str, str]:
    found = [await api.list(kind, where, WATCH_SELECTOR) for kind in ("Pod", "Service", "NetworkPolicy", "Secret")]
    return versions([obj for objects in found for obj in objects] + await api.list("NestedDocker", where))


async def main(count: int, rounds: int) -> None:
    half = count // 2
    async with laboratory("--audit") as (cluster, api):
        kubelet = FakeKubelet(api)
        await kubelet.start()
        for name in (KEPT, LOST):
            await grant(api, name, podTemplate={"spec": {"nodeName": kubelet.node}})
        async with (
            namespace(api) as where,
            ours(cluster.kubeconfig, NESTED_DOCKER_DENIAL_GRACE_SECONDS="0"),
            namespace(api) as there,
        ):
            for number in range(half):
                await api.create(nested_docker(where, f"nd-{number}", mode="Dind", className=KEPT))
                await api.create(nested_docker(there, f"nd-{number}", mode="Dind", className=LOST))
            await all_ready(api, where, half)
            await all_ready(api, there, half)
            await asyncio.sleep(5)
            times, writes, touched = [], [], 0
            audit = Audit(AUDIT)
            for _ in range(rounds):
                before = await children(api, where)
                audit.requests()
                started = time.monotonic()
                await narrow(api, LOST, ["Sysbox"])
                await asyncio.gather(gone(api, there), told(api, there))
                times.append(time.monotonic() - started)
                found = audit.requests()
                writes.append(sum(n for what, n in found.items() if what.split()[0] in WRITES) / half)
                touched += before != await children(api, where)
                await narrow(api, LOST, ["Dind"])
                await all_ready(api, there, half)
                await asyncio.sleep(3)
        await kubelet.stop()
    least = OBJECTS_EACH + 1
    print(f"{count} run, {half} lose their grant, {rounds} rounds")
    print(
        f"all of them stopped and reported after {statistics.median(times):.2f} s [{min(times):.2f}-{max(times):.2f}]"
    )
    each = statistics.median(writes)
    print(f"writes for each {each:.2f}, {each / least:.2f} x the least possible ({least})")
    print(f"rounds in which an object that keeps its grant was touched: {touched}")


if __name__ == "__main__":
    arguments = [int(word) for word in sys.argv[1:]]
    asyncio.run(main(*(arguments + [100, 3][len(arguments) :])))
