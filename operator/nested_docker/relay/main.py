"""The relay as a process."""

from __future__ import annotations

import asyncio
import functools
import signal
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Gauge

from nested_docker.observability import server as probes
from nested_docker.relay import upstream
from nested_docker.relay.server import Address, Relay
from nested_docker.relay.splice import splice
from nested_docker.relay.streams import server_context

DRAIN_SECONDS = 20.0
"""How long open streams may go on after SIGTERM; less than the pod's grace period."""


@dataclass(frozen=True)
class Options:
    """Where to listen and what to relay to.

    Attributes:
        upstream: path of the node's socket.
        listen_tls: address for other pods.
        listen_unix: path of the socket for the own pod.
        certificates: directory with ca.pem, cert.pem and key.pem.
        health_port: port of /healthz.
    """

    upstream: str
    listen_tls: Address
    listen_unix: str
    certificates: str
    health_port: int


async def run(options: Options) -> None:
    """Relay until SIGTERM or SIGINT, then let open streams end.

    Raises:
        SocketForbiddenError: the node's socket may not be used; the message says how to mend that.
        OSError: an address cannot be listened on, or a certificate cannot be read.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await upstream.check_permission(options.upstream)
    relay = Relay(functools.partial(upstream.connect, options.upstream), splice)
    registry = CollectorRegistry()
    gauge = Gauge("nested_docker_relay_connections", "Open connections.", registry=registry)
    gauge.set_function(lambda: relay.open_connections)
    healthy = functools.partial(upstream.trouble, options.upstream)
    runner = await probes.serve(options.health_port, healthy=healthy, ready=healthy, registry=registry)
    try:
        await relay.listen_unix(options.listen_unix)
        await relay.listen_tls(options.listen_tls, server_context(options.certificates))
        await stop.wait()
        await relay.drain(DRAIN_SECONDS)
    finally:
        await runner.cleanup()
