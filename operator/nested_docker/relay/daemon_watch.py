"""Notices that another daemon answers on the node's socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from nested_docker.docker_api.client import MAX_ANSWER, Connect, DockerApi
from nested_docker.docker_api.engine import EngineFacts, read_engine
from nested_docker.docker_api.errors import DockerApiError
from nested_docker.relay.upstream import NODE_DAEMON, PING_SECONDS, ping_failure

ENGINE_SECONDS = 5.0
"""For a new connection, and for what is read of the daemon; with the ping less than the kubelet's timeout."""

NOTICE_SECONDS = 15.0
"""Enough for two of the kubelet's readiness probes, which must fail for a pod that is not ready any more."""

REPLACED = (
    f"{NODE_DAEMON} is another one than before, or has other settings: the pod is ready again when the operator knows"
)


class DaemonWatch:
    """Whether the pod is ready: the daemon answers, and is the one that the operator knows.

    One connection stays open from one look to the next, and as long as it does, the daemon is the same. After it has
    ended, the daemon is asked what it is. If it is another one, the pod is not ready until the kubelet has noticed:
    its status is all by which the operator can learn of it.

    Args:
        connect: connects to the daemon.
        monotonic: seconds of a clock that never goes back.
    """

    def __init__(self, connect: Connect, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._connect, self._monotonic = connect, monotonic
        self._line: DockerApi | None = None
        self._engine: EngineFacts | None = None
        self._failing_since: float | None = None
        self._replaced = False
        self._lock = asyncio.Lock()

    async def failure(self) -> str:
        """Why the pod is not ready; empty: it is."""
        async with self._lock:
            failure, now = await self._look(), self._monotonic()
            if failure or self._replaced:
                self._failing_since = now if self._failing_since is None else self._failing_since
                if not failure and now - self._failing_since < NOTICE_SECONDS:
                    return REPLACED
            if not failure:
                self._failing_since, self._replaced = None, False
            return failure

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._line is not None:
            self._line.close()

    async def _look(self) -> str:
        if self._line is not None:
            try:
                async with self._line.within(PING_SECONDS):
                    return ping_failure(await self._line.request("GET", "/_ping"))
            except DockerApiError:  # the reason is what follows on a new connection
                self._line.close()
        try:
            await self._meet()
        except DockerApiError as error:
            return str(error)
        return ""

    async def _meet(self) -> None:
        """Connect, and ask the daemon what it is."""
        self._line, line = None, DockerApi(self._connect, NODE_DAEMON, MAX_ANSWER)
        try:
            async with line.within(ENGINE_SECONDS):
                engine = await read_engine(line)
        except BaseException:
            line.close()
            raise
        self._replaced |= self._engine is not None and engine != self._engine
        self._engine = engine
        if line.open:
            self._line = line
        else:
            line.close()
