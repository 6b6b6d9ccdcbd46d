"""Requests, counted by the API server's audit log: from apply to Ready, and when nothing is left to do.

    .venv/bin/python bench/settled.py [OBJECTS]

Events, Leases and watches do not count. A restart may read; what it must not do is write.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path

from lab import grant, laboratory, namespace, ours
from tests.support.api import Api
from tests.support.cluster import HOME
from tests.support.kubelet import FakeKubelet
from tests.support.manifests import nested_docker

CLASS = "settled"
AUDIT = HOME / "clusters/bench/logs/audit.log"
AGENT = "nested-docker-operator"
UNCOUNTED = {"events", "leases"}
WRITES = {"create", "update", "patch", "delete"}


class Audit:
    """The operator's requests since the last look."""

    def __init__(self, path: Path) -> None:
        self._file = path.open(encoding="utf-8")
        self.requests()

    def requests(self) -> Counter[str]:
        """What has come since, by verb and resource."""
        found: Counter[str] = Counter()
        for line in self._file:
            event = json.loads(line)
            reference = event.get("objectRef", {})
            resource = reference.get("resource", "")
            counted = resource not in UNCOUNTED and event["verb"] != "watch"
            if counted and event.get("userAgent", "").startswith(AGENT):
                subresource = f"/{reference['subresource']}" if "subresource" in reference else ""
                found[f"{event['verb']} {resource}{subresource}"] += 1
        return found


async def all_ready(api: Api, where: str, count: int) -> None:
    while True:
        objects = await api.list("NestedDocker", where)
        ready = [obj for obj in objects if any(_is_ready(each) for each in obj.get("status", {}).get("conditions", []))]
        if len(ready) == count:
            return
        await asyncio.sleep(1)


def _is_ready(condition: dict[str, str]) -> bool:
    return condition["type"] == "Ready" and condition["status"] == "True"


async def main(count: int) -> None:
    async with laboratory("--audit") as (cluster, api):
        kubelet = FakeKubelet(api)
        await kubelet.start()
        await grant(api, CLASS, podTemplate={"spec": {"nodeName": kubelet.node}})
        async with namespace(api) as where:
            async with ours(cluster.kubeconfig) as operator:
                audit = Audit(AUDIT)
                gate = asyncio.Semaphore(8)

                async def post(number: int) -> None:
                    async with gate:
                        await api.create(nested_docker(where, f"nd-{number}", mode="Dind", className=CLASS))

                await asyncio.gather(*(post(number) for number in range(count)))
                await all_ready(api, where, count)
                await asyncio.sleep(5)
                report(f"from apply to Ready, {count} objects", audit.requests(), count)
                print(f"memory with {count} settled objects: {operator.rss_mib():.0f} MiB")
            audit.requests()
            async with ours(cluster.kubeconfig):
                await asyncio.sleep(20)
                report(f"a restart with {count} settled objects", audit.requests(), 1)
            async with ours(cluster.kubeconfig, NESTED_DOCKER_RESYNC_SECONDS="10"):
                await asyncio.sleep(12)
                audit.requests()
                await asyncio.sleep(20)
                report("resyncs", audit.requests(), 1)
        await kubelet.stop()


def report(title: str, requests: Counter[str], per: int) -> None:
    writes = sum(number for what, number in requests.items() if what.split()[0] in WRITES)
    print(f"{title}: {writes / per:.2f} writes, {(requests.total() - writes) / per:.2f} reads")
    for what, number in sorted(requests.items()):
        print(f"    {what}: {number / per:.2f}")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
