"""The operator as a process of its own, as its container starts it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from tests.support.cluster import ROOT
from tests.support.waiting import wait_for

START_SECONDS = 120.0
STOP_SECONDS = 20.0


class Operator:
    """One replica.

    Args:
        folder: for its log and kubeconfig.
        kubeconfig: how it reaches the API server.
        environment: its settings, without the prefix.
    """

    def __init__(self, folder: Path, kubeconfig: dict[str, Any], environment: dict[str, str]) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._kubeconfig = folder / "kubeconfig"
        self._kubeconfig.write_text(yaml.safe_dump(kubeconfig))
        self._environment = environment
        self._log = folder / "operator.log"
        self._process: asyncio.subprocess.Process | None = None
        self._port = 0

    # --- its life -------------------------------------------------------------------------------

    async def start(self, *, leads: bool = True) -> None:
        """Start, again if it ran before, and wait until it works."""
        self._port = _free_port()
        settings = {"HEALTH_PORT": str(self._port), "LEASE_SECONDS": "15"} | self._environment
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "nested_docker", "operator"),
                cwd=ROOT,
                env={
                    "PATH": os.environ["PATH"],
                    "PYTHONPATH": str(ROOT / "operator"),
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "KUBECONFIG": str(self._kubeconfig),
                    **{f"NESTED_DOCKER_{key}": value for key, value in settings.items()},
                },
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        await wait_for(self._is_ready, START_SECONDS, self.last_words)
        if leads:
            await wait_for(self.leading, START_SECONDS, self.last_words)

    async def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """SIGTERM, and wait for its end; its exit status."""
        return await self._end(signal.SIGTERM)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    async def ended(self) -> int:
        """Wait for its end by itself; its exit status."""
        assert self._process is not None
        return await asyncio.wait_for(self._process.wait(), STOP_SECONDS)

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.returncode is None

    async def _end(self, number: int) -> int:
        assert self._process is not None
        if self.running:
            self._process.send_signal(number)
        return await self.ended()

    # --- what it says ---------------------------------------------------------------------------

    async def http(self, path: str) -> tuple[int, str]:
        """An answer of its probes' server; status 0: none."""
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session,
                session.get(f"http://127.0.0.1:{self._port}{path}") as response,
            ):
                return response.status, await response.text()
        except (TimeoutError, aiohttp.ClientError):
            return 0, ""

    async def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        _, text = await self.http("/metrics")
        samples = [line.rsplit(" ", 1) for line in text.splitlines() if line.split("{")[0].split(" ")[0] == name]
        return sum(float(value) for _, value in samples)

    async def leading(self) -> bool:
        """Whether it says that it leads."""
        return await self.metric("nested_docker_leading") == 1

    async def _is_ready(self) -> bool:
        assert self.running, f"it ended with status {self._process.returncode if self._process else None}"
        return (await self.http("/readyz"))[0] == 200

    def log(self) -> list[dict[str, Any]]:
        """Its log lines.

        Raises:
            AssertionError: a line is not JSON.
        """
        lines = []
        whole, _, _cut_short_by_a_kill = self._log.read_text().rpartition("\n")
        for line in whole.splitlines():
            try:
                lines.append(json.loads(line))
            except ValueError:
                raise AssertionError(f"a log line is not JSON: {line!r}\n{self.last_words()}") from None
        return lines

    def last_words(self) -> str:
        """The end of its log, for the message of a failed test."""
        lines = self._log.read_text().splitlines()[-25:]
        return "\n".join(["the operator's log ends:", *(line[:600] for line in lines)])

    def check_log(self) -> None:
        """Every line is JSON, none has key material, and none tells of a defect."""
        text = self._log.read_text()
        assert "-----BEGIN" not in text, "key material in the log"
        defects = [line for line in self.log() if "a defect in the operator" in line["message"] or "exc_info" in line]
        assert defects == [], json.dumps(defects, indent=1)[:6000]


@asynccontextmanager
async def running(
    folder: Path, kubeconfig: dict[str, Any], environment: dict[str, str], *, leads: bool = True
) -> AsyncIterator[Operator]:
    """An operator for as long as the block lasts, and then it is killed; its log must be clean."""
    operator = Operator(folder, kubeconfig, environment)
    try:
        await operator.start(leads=leads)
        yield operator
    finally:
        if operator.running:
            await operator.kill()
    operator.check_log()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
