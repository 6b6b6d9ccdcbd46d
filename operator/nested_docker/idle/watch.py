"""The watch: looks into the kernel's tables and asks the daemon for running containers."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from nested_docker.idle.clock import IdleClock
from nested_docker.idle.daemon import containers_run
from nested_docker.idle.kernel import connected_unix, established_tcp


@dataclass(frozen=True)
class Options:
    """What to watch.

    Attributes:
        timeout: seconds of idleness after which the watch ends.
        socket: the daemon's unix socket in this pod.
        port: the daemon's TCP port in this pod.
        containers: whether running containers count; not where they are other people's too.
    """

    timeout: float
    socket: str
    port: int
    containers: bool

    @property
    def interval(self) -> float:
        """Seconds between looks: often enough to be at most a tenth late."""
        return min(5.0, max(0.5, self.timeout / 10))


async def watch(options: Options) -> float:
    """Return when nothing has used the daemon for `options.timeout` seconds; the seconds that it was really idle."""
    clock = IdleClock(options.timeout, time.monotonic())
    while not clock.observe(time.monotonic(), in_use=await in_use(options)):
        await asyncio.sleep(options.interval)
    return clock.idle


async def in_use(options: Options) -> bool | None:
    """Whether a client is connected or a container runs; None: the daemon does not answer, so nobody can tell.

    Connections are counted before the daemon is asked, while we have none ourselves.
    """
    if connections(options):
        return True
    return await containers_run(options.socket) if options.containers else False


def connections(options: Options) -> int:
    """Open connections of clients; a build is one too, since its client waits for it."""
    tcp = sum(established_tcp(_lines(f"/proc/net/{table}"), options.port) for table in ("tcp", "tcp6"))
    return tcp + connected_unix(_lines("/proc/net/unix"), options.socket)


def _lines(path: str) -> list[str]:
    """A table's lines; a kernel without IPv6 has no such table."""
    table = Path(path)
    return table.read_text(encoding="utf-8", errors="replace").splitlines() if table.exists() else []
