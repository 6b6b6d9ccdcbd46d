"""The relay's /healthz, /readyz and /metrics, without a web framework in every pod."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from nested_docker.observability.health import HealthCheck
from nested_docker.relay.listeners import EVERY_HOST, Address, listen_tcp

HEAD_SECONDS = 5.0
"""How long a request's head may take to arrive."""

METRICS = """\
# HELP nested_docker_relay_connections Open connections.
# TYPE nested_docker_relay_connections gauge
nested_docker_relay_connections {}
"""


class Probes:
    """Answers the kubelet and Prometheus, one request per connection.

    Args:
        healthy: why the container should be restarted, for /healthz; empty: nothing is wrong.
        ready: why the pod is not ready, for /readyz; empty: it is.
        connections: returns the number of open connections.
        more_metrics: returns what else /metrics has, in Prometheus' text format.
    """

    def __init__(
        self,
        healthy: HealthCheck,
        ready: HealthCheck,
        connections: Callable[[], int],
        more_metrics: Callable[[], str] = str,
    ) -> None:
        self._checks, self._connections = {b"/healthz": healthy, b"/readyz": ready}, connections
        self._more_metrics = more_metrics

    async def serve(self, port: int) -> asyncio.Server:
        """Listen on every address; the caller closes the server."""
        return await asyncio.start_server(self._answer, sock=listen_tcp(Address(EVERY_HOST, port)))

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(HEAD_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
            status, text = await self._respond(head.split(b" ", 2)[:2])
            data = text.encode()
            kind = "text/plain; charset=utf-8"
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n"
                "Connection: close\r\n\r\n".encode()
                + data
            )
            await writer.drain()
        writer.close()

    async def _respond(self, request: list[bytes]) -> tuple[str, str]:
        check = self._checks.get(request[-1])
        if check is not None and request[0] == b"GET":
            failure = await check()
            return ("503 Service Unavailable", failure) if failure else ("200 OK", "ok")
        if request == [b"GET", b"/metrics"]:
            return "200 OK", METRICS.format(self._connections()) + self._more_metrics()
        return "404 Not Found", "this server has only GET /healthz, /readyz and /metrics\n"
