"""Many policies in many namespaces: what a change of one costs, and how long a new NestedDocker takes.

    .venv/bin/python bench/many_policies.py [POLICIES] [NAMESPACES]

Each namespace has one running NestedDocker; pods and daemons only pretend. All policies are changed once: first a
label of each, then a field of each spec that no NestedDocker uses. The cost is CPU time of the operator. A new
NestedDocker is timed with one policy, and with all of them.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
import uuid
from typing import Any

from lab import Contender, ensure, grant, laboratory, ours
from settled import all_ready
from tests.support.api import Api
from tests.support.kubelet import FakeKubelet
from tests.support.manifests import GENEROUS, nested_docker, policy

CLASS = "many"
QUIET_SECONDS = 1.0
"""The operator is done when it uses less than a twentieth of a CPU for so long."""


async def quiet(operator: Contender) -> float:
    """Wait until the operator has nothing to do; CPU seconds that it has used so far."""
    before = operator.cpu_seconds()
    while True:
        await asyncio.sleep(QUIET_SECONDS)
        now = operator.cpu_seconds()
        if now - before < QUIET_SECONDS / 20:
            return now
        before = now


async def cost(operator: Contender, api: Api, names: list[str], change: dict[str, Any]) -> float:
    """CPU seconds for one change of each policy."""
    before = await quiet(operator)
    for name in names:
        await api.patch("NestedDockerPolicy", None, name, change)
    return await quiet(operator) - before


async def ready_after(api: Api, where: str, rounds: int = 5) -> float:
    """Median seconds from the creation of a NestedDocker to Ready."""
    times = []
    for _ in range(rounds):
        name = f"new-{uuid.uuid4().hex[:6]}"
        started = time.monotonic()
        await api.create(nested_docker(where, name, mode="Dind", className=CLASS))
        while True:
            found = await api.get("NestedDocker", where, name)
            conditions = (found or {}).get("status", {}).get("conditions", [])
            if any(each["type"] == "Ready" and each["status"] == "True" for each in conditions):
                break
            await asyncio.sleep(0.02)
        times.append(time.monotonic() - started)
        await api.delete("NestedDocker", where, name)
    return statistics.median(times)


async def main(policies: int, namespaces: int) -> None:
    async with laboratory() as (cluster, api):
        kubelet = FakeKubelet(api)
        await kubelet.start()
        await grant(api, CLASS, podTemplate={"spec": {"nodeName": kubelet.node}})
        places = [f"many-{number}" for number in range(namespaces)]
        await ensure(api, *({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": each}} for each in places))
        async with ours(cluster.kubeconfig) as operator:
            for place in places:
                await api.create(nested_docker(place, "build", mode="Dind", className=CLASS))
            for place in places:
                await all_ready(api, place, 1)
            await quiet(operator)
            with_one = await ready_after(api, places[0])
            names = [f"many-{number}" for number in range(policies)]
            for name in names:
                selector = {"matchLabels": {"team": name}}
                spec = GENEROUS | {"allowedClasses": [f"class-{name}"], "allowedModes": ["Dind"]}
                await ensure(api, policy(name, namespaceSelector=selector, **spec))
            await quiet(operator)
            with_all = await ready_after(api, places[0])
            labels = await cost(operator, api, names, {"metadata": {"labels": {"example.com/changed": "true"}}})
            specs = await cost(operator, api, names, {"spec": {"allowedNames": ["a", "b"]}})
        await kubelet.stop()
    print(f"{policies} policies, {namespaces} namespaces with a NestedDocker each")
    print(f"a label of each policy changed:    {labels:6.2f} s of CPU")
    print(f"the spec of each policy changed:   {specs:6.2f} s of CPU")
    print(f"label / spec                       {labels / specs:6.2f} x")
    print(f"new NestedDocker Ready after       {with_one:6.2f} s with one policy, {with_all:.2f} s with all")
    print(f"all / one                          {with_all / with_one:6.2f} x")


if __name__ == "__main__":
    arguments = [int(word) for word in sys.argv[1:]]
    asyncio.run(main(*(arguments + [300, 200][len(arguments) :])))
