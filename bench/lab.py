"""What the benchmarks share: a cluster, contenders as processes, and what a process has used."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

import yaml

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "operator")]

from tests.support.api import Api  # noqa: E402
from tests.support.cluster import KUBECTL, TOOL, Cluster, run  # noqa: E402
from tests.support.manifests import GENEROUS, nested_docker_class, policy  # noqa: E402

from nested_docker.api.crd import definitions  # noqa: E402

NAME = "bench"
SYSTEM = "bench-system"
TICK = os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def laboratory(*flags: str) -> AsyncIterator[tuple[Cluster, Api]]:
    """A separate cluster with the CRDs, stopped at the end; `flags` are for `cluster up`."""
    kubeconfig = run(str(TOOL), "up", "--name", NAME, *flags, timeout=1800).strip()
    cluster = Cluster(kubeconfig, str(KUBECTL))
    try:
        cluster.kubectl("apply", "--server-side", "-f", "-", stdin=yaml.safe_dump_all(definitions()))
        cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        async with Api.connect(kubeconfig) as api:
            await ensure(api, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}})
            yield cluster, api
    finally:
        run(str(TOOL), "down", "--name", NAME, timeout=120)


async def ensure(api: Api, *manifests: dict[str, Any]) -> None:
    """Apply manifests."""
    for manifest in manifests:
        await api.apply(manifest)


async def grant(api: Api, class_name: str, **spec: Any) -> None:
    """A class, and a policy that grants it everywhere."""
    await ensure(
        api,
        nested_docker_class(class_name, modes=["Dind"], **spec),
        policy(class_name, namespaceSelector={}, allowedClasses=[class_name], allowedModes=["Dind"], **GENEROUS),
    )


@asynccontextmanager
async def namespace(api: Api) -> AsyncIterator[str]:
    """A fresh namespace, whose deletion is not waited for."""
    name = f"bench-{uuid.uuid4().hex[:8]}"
    await ensure(api, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    await api.delete("Namespace", None, name)


@dataclass(frozen=True)
class Contender:
    """An operator under measurement."""

    name: str
    pid: int

    def cpu_seconds(self) -> float:
        """CPU time used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def rss_mib(self) -> float:
        """Resident memory."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@asynccontextmanager
async def contender(name: str, command: Sequence[str], kubeconfig: str, **env: str) -> AsyncIterator[Contender]:
    """A contender as a process; what it prints is shown if it ends by itself."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(  # noqa: ASYNC220 - ours to wait for below, and quick to start
            command,
            env={**os.environ, "KUBECONFIG": kubeconfig, "PYTHONPATH": f"{ROOT}:{ROOT / 'operator'}", **env},
            stdout=log,
            stderr=log,
        )
        watch = asyncio.create_task(_fail_when_ended(name, process, log))
        try:
            await asyncio.sleep(4)
            yield Contender(name, process.pid)
        finally:
            watch.cancel()
            process.terminate()
            process.wait(30)


async def _fail_when_ended(name: str, process: subprocess.Popen[bytes], log: IO[bytes]) -> NoReturn:
    """End the benchmark when the contender has ended, because a benchmark would wait for it for ever."""
    while process.poll() is None:
        await asyncio.sleep(1)
    log.seek(0)
    raise SystemExit(f"{name} ended: {log.read().decode()[-3000:]}")


def ours(kubeconfig: str, **env: str) -> Any:
    """This project's operator."""
    return contender(
        "nested-docker",
        [sys.executable, "-m", "nested_docker", "operator"],
        kubeconfig,
        NESTED_DOCKER_OPERATOR_NAMESPACE=SYSTEM,
        NESTED_DOCKER_HEALTH_PORT="18180",
        NESTED_DOCKER_LOG_LEVEL="WARNING",
        **env,
    )


def spread(values: Sequence[float], unit: str = "s", scale: float = 1) -> str:
    """Median and range."""
    return f"{statistics.median(values) * scale:.2f} {unit} [{min(values) * scale:.2f}-{max(values) * scale:.2f}]"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
