"""The docker CLI through `nested-docker`'s socket and through `kubectl port-forward`, side by side.

    .venv/bin/python bench/port_forward.py [ROUNDS] [MIB]

Real kubelet, real dockerd. The two take turns, so that changes in the machine's load affect both.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import yaml
from lab import grant, laboratory, namespace, ours, spread
from tests.support.cluster import HOME, KUBECTL, run
from tests.support.manifests import nested_docker

from nested_docker.client import NestedDocker
from nested_docker.client.dialing import secret_data

CLASS, NAME, PORT = "bench", "build", 2376
CONNECTIONS = 50
SECONDS = 900.0
Way = Callable[[], contextlib.AbstractContextManager[Mapping[str, str]]]


@contextlib.contextmanager
def by_kubectl(kubeconfig: str, where: str) -> Iterator[dict[str, str]]:
    """Variables for docker while kubectl forwards the daemon's port."""
    with NestedDocker(NAME, namespace=where, kubeconfig=kubeconfig, attach=True) as ready:
        assert ready.docker_host
    kubectl = [str(KUBECTL), "--kubeconfig", kubeconfig, "-n", where]
    pod = run(*kubectl, "get", "nesteddocker", NAME, "-o", "jsonpath={.status.podName}")
    with tempfile.TemporaryDirectory() as folder:
        secret = yaml.safe_load(run(*kubectl, "get", "secret", f"{NAME}-docker", "-o", "yaml"))
        for key, value in secret_data(secret).items():
            Path(folder, key).write_bytes(value)
        with subprocess.Popen(
            [*kubectl, "port-forward", f"pod/{pod}", f":{PORT}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            assert process.stdout is not None
            port = process.stdout.readline().split("->")[0].rpartition(":")[2].strip()
            try:
                yield {
                    "DOCKER_HOST": f"tcp://127.0.0.1:{port}",
                    "DOCKER_TLS_VERIFY": "1",
                    "DOCKER_CERT_PATH": folder,
                }
            finally:
                process.terminate()


@contextlib.contextmanager
def by_nested_docker(kubeconfig: str, where: str) -> Iterator[dict[str, str]]:
    """Variables for docker while the Python API serves a socket."""
    with NestedDocker(NAME, namespace=where, kubeconfig=kubeconfig, attach=True) as ready:
        yield ready.environment()


def timed(script: str, variables: Mapping[str, str]) -> float:
    """Seconds that a script takes; infinite: it fails."""
    started = time.monotonic()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    try:
        subprocess.run(["bash", "-ec", script], env=os.environ | variables, check=True, timeout=SECONDS, **quiet)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return float("inf")
    return time.monotonic() - started


def shown(seconds: Sequence[float]) -> str:
    """Median and range of the runs that succeeded."""
    succeeded = [each for each in seconds if each < SECONDS]
    failed = f", {len(seconds) - len(succeeded)} of {len(seconds)} failed" if len(succeeded) < len(seconds) else ""
    return (spread(succeeded) if succeeded else "-") + failed


def scripts(context: Path, mib: int) -> dict[str, str]:
    """What is measured, by its name."""
    (context / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    with (context / "big").open("wb") as file:
        file.truncate(mib * 2**20)
    all_ = (
        f'for i in $(seq {CONNECTIONS}); do docker exec box true & all="$all $!"; done; for i in $all; do wait $i; done'
    )
    return {
        f"build context of {mib} MiB": f"DOCKER_BUILDKIT=0 docker build -q {context} 2>/dev/null",
        f"output of {mib} MiB": f"docker exec box head -c {mib}m /dev/zero",
        "input of 64 MiB, and its end": "head -c 64m /dev/zero | docker exec -i box wc -c",
        f"{CONNECTIONS} commands at once": all_,
        "20 commands in turn": "for i in $(seq 20); do docker version; done",
    }


def measure(ways: Mapping[str, Way], rounds: int, mib: int) -> None:
    """Take turns, and print."""
    found: dict[str, dict[str, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        todo = scripts(Path(folder), mib)
        for _ in range(rounds):
            for way, opened in ways.items():
                with opened() as variables:
                    for what, script in todo.items():
                        found.setdefault(what, {}).setdefault(way, []).append(timed(script, variables))
    print(f"{rounds} rounds, median [min-max]")
    for what, times in found.items():
        line = "   ".join(f"{way} {shown(seconds)}" for way, seconds in times.items())
        pairs = zip(times["nested-docker"], times["kubectl"], strict=True)
        ratios = [ours / theirs for ours, theirs in pairs if max(ours, theirs) < SECONDS]
        print(f"{what:30} {line}   ratio {statistics.median(ratios) if ratios else float('nan'):.2f}")


async def main(rounds: int, mib: int) -> None:
    """Start a daemon with busybox, and measure."""
    async with laboratory() as (cluster, api), ours(cluster.kubeconfig):
        await grant(api, CLASS)
        async with namespace(api) as where:
            await api.create(nested_docker(where, NAME, mode="Dind", className=CLASS))
            load = f"docker load -qi {HOME / 'images/busybox.tar'} && docker run -d --name box busybox sleep 36000"
            with by_nested_docker(cluster.kubeconfig, where) as variables:
                assert timed(load, variables) < SECONDS
            ways: dict[str, Way] = {
                "kubectl": lambda: by_kubectl(cluster.kubeconfig, where),
                "nested-docker": lambda: by_nested_docker(cluster.kubeconfig, where),
            }
            await asyncio.to_thread(measure, ways, rounds, mib)


if __name__ == "__main__":
    asyncio.run(main(*(int(given) for given in [*sys.argv[1:], *("3", "1024")[len(sys.argv) - 1 :]])))
