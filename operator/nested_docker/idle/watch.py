"""The watch: it reads the kernel's connection tables and asks the daemon for running containers."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from nested_docker.idle.clock import IdleClock
from nested_docker.idle.daemon import containers_run
from nested_docker.idle.kernel import connected_unix, established_tcp


@dataclass(frozen=True)
class WatchOptions:
    """What to watch.

    Attributes:
        timeout: seconds of idleness after which the watch ends.
        socket: the daemon's unix socket in this pod.
        port: the daemon's TCP port in this pod.
        containers: whether running containers count as use; False where other users' containers run on the daemon too.
    """

    timeout: float
    socket: str
    port: int
    containers: bool

    @property
    def interval(self) -> float:
        """Seconds between observations: at most a tenth of the timeout."""
        return min(5.0, max(0.5, self.timeout / 10))


async def watch(options: WatchOptions) -> float:
    """Wait until nothing has used the daemon for `options.timeout` seconds.

    Returns:
        The seconds that it has been idle.
    """
    clock = IdleClock(options.timeout, time.monotonic())
    while not clock.observe(time.monotonic(), in_use=await in_use(options)):
        await asyncio.sleep(options.interval)
    return clock.idle


async def in_use(options: WatchOptions) -> bool | None:
    """Whether a client is connected or a container runs; None: unknown, since the daemon does not answer.

    Connections are counted before the watch opens its connection to the daemon.
    """
    if connections(options):
        return True
    return await containers_run(options.socket) if options.containers else False


def connections(options: WatchOptions) -> int:
    """Number of open client connections; a build has one, since its client waits for it."""
    tcp = sum(established_tcp(_lines(f"/proc/net/{table}"), options.port) for table in ("tcp", "tcp6"))
    return tcp + connected_unix(_lines("/proc/net/unix"), options.socket)


def _lines(path: str) -> list[str]:
    """Lines of a table; a kernel without IPv6 lacks some tables."""
    table = Path(path)
    return table.read_text(encoding="utf-8", errors="replace").splitlines() if table.exists() else []
