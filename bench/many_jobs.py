"""CI jobs with a label, all at once: each builds an image with its own daemon and runs it.

    .venv/bin/python bench/many_jobs.py [JOBS] [--without-requests] [FORM ...]

Real kubelet, scheduler and dockerd; the operator runs in the cluster, as users install it. By default daemons and jobs
request processor time, so the scheduler bounds how many run at once, as it does for users; with --without-requests only
the queue of the namespace does, and that doubles with each step. A pod that fails, starts a container again or leaves
something behind ends the script with an error. Without FORM both.
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lab import NAME
from tests.e2e import ci_jobs
from tests.e2e.environment import SYSTEM, Environment
from tests.e2e.injecting import enable, let_use_classes
from tests.e2e.installation import govern, install, namespace_of, started
from tests.support.cluster import TOOL, run

from nested_docker.api.v1alpha1.nested_docker_class import InjectionForm

TIMEOUT = 1800.0
EVERY = 2.0
"""Seconds between two looks at the node."""


@dataclass
class Usage:
    """What the kubelet says.

    Attributes:
        pods: bytes that all pods of the node have in use.
        operator_cpu: seconds of all replicas.
        operator: bytes of the replica that has most.
    """

    pods: int
    operator_cpu: float
    operator: int


def usage(env: Environment) -> Usage:
    """The present usage."""
    node = env.list("nodes")[0]["metadata"]["name"]
    stats = json.loads(env.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/stats/summary"))
    (pods,) = (each for each in stats["node"]["systemContainers"] if each["name"] == "pods")
    replicas: list[dict[str, Any]] = [pod for pod in stats["pods"] if pod["podRef"]["namespace"] == SYSTEM]
    return Usage(
        pods["memory"]["workingSetBytes"],
        sum(pod["cpu"]["usageCoreNanoSeconds"] for pod in replicas) / 1e9,
        max(pod["memory"]["workingSetBytes"] for pod in replicas),
    )


@contextmanager
def watched(env: Environment) -> Iterator[list[Usage]]:
    """The usage during the block, from its beginning to its end."""
    found, ended = [usage(env)], threading.Event()

    def look() -> None:
        while not ended.wait(EVERY):
            found.append(usage(env))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()
        found.append(usage(env))


def measure(cluster: Environment, form: str, count: int) -> None:
    """Run the jobs and print a line."""
    with namespace_of(cluster) as env:
        enable(env)
        let_use_classes(env)
        with watched(env) as seen:
            ended = ci_jobs.run_at_once(env, form, count, TIMEOUT)
    waited, cpu = [each.waited for each in ended], seen[-1].operator_cpu - seen[0].operator_cpu
    print(
        f"{form}: {count} of {count} succeeded, the last after {max(each.took for each in ended):.0f} s; "
        f"started after {statistics.median(waited):.0f} s [{min(waited):.0f}-{max(waited):.0f}]; "
        f"memory of all pods {max(each.pods for each in seen) / 2**20:.0f} MiB; "
        f"operator {cpu:.1f} s of CPU, {max(each.operator for each in seen) / 2**20:.0f} MiB",
        flush=True,
    )


def main(count: int, forms: list[str], *, requests: bool) -> None:
    """Measure and print."""
    cluster = started(NAME, "--docker")
    try:
        install(cluster, "--set=injection.enabled=true")
        govern(cluster, *ci_jobs.governing(requests=requests))
        for form in forms:
            measure(cluster, form, count)
    finally:
        run(str(TOOL), "down", "--name", NAME, timeout=120)


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[1:] if each.isdigit()]
    forms = [each.value for each in InjectionForm if each in sys.argv[1:]] or [each.value for each in InjectionForm]
    main(numbers[0] if numbers else 50, forms, requests="--without-requests" not in sys.argv)
