"""The server for probes and Prometheus: /healthz, /readyz, /metrics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from nested_docker.net.listening import listen_everywhere
from nested_docker.observability.health import HealthCheck

WebHandler = Callable[[web.Request], Awaitable[web.Response]]


async def start_server(
    port: int, *, healthy: HealthCheck, ready: HealthCheck, registry: CollectorRegistry
) -> web.AppRunner:
    """Start the server on every address; the caller calls `cleanup` of the runner."""
    app = web.Application()
    app.router.add_get("/healthz", _probe(healthy))
    app.router.add_get("/readyz", _probe(ready))
    app.router.add_get("/metrics", _metrics(registry))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.SockSite(runner, listen_everywhere(port)).start()
    return runner


def _probe(check: HealthCheck) -> WebHandler:
    async def handle(_request: web.Request) -> web.Response:
        failure = await check()
        return web.Response(text=failure or "ok", status=503 if failure else 200)

    return handle


def _metrics(registry: CollectorRegistry) -> WebHandler:
    async def handle(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return handle
