"""The relay as a process."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import resource
import signal
from collections.abc import Callable
from dataclasses import dataclass

from nested_docker.relay import upstream
from nested_docker.relay.daemon_watch import DaemonWatch
from nested_docker.relay.handler import Handler, UpstreamError
from nested_docker.relay.listeners import Address, listen_tcp, listen_unix
from nested_docker.relay.probes import Probes
from nested_docker.relay.server import Relay
from nested_docker.relay.splice import splice
from nested_docker.relay.tls import server_context

logger = logging.getLogger(__package__)

DRAIN_SECONDS = 20.0
"""How long open streams may continue after SIGTERM; less than the pod's grace period."""

OTHER_FILES = 64
"""Open files in addition to the two of each connection."""


@dataclass(frozen=True)
class RelayOptions:
    """Where the relay listens and connects.

    Attributes:
        upstream: path of the node's socket.
        listen_tls: address for other pods.
        listen_unix: path of the socket for containers of the same pod.
        certificates: directory with ca.pem, cert.pem and key.pem.
        health_port: port of /healthz and /readyz.
        max_connections: connections served at the same time.
        handler: serves a connection; without a guard, it is the plain splice.
        metrics: returns the handler's metrics, in Prometheus' text format.
    """

    upstream: str
    listen_tls: Address
    listen_unix: str
    certificates: str
    health_port: int
    max_connections: int
    handler: Handler = splice
    metrics: Callable[[], str] = str


async def serve_until_stopped(options: RelayOptions) -> None:
    """Relay until SIGTERM or SIGINT, then let open streams end.

    Raises:
        SocketForbiddenError: this process may not use the node's socket; the message says how to fix that.
        OSError: an address is not available, or a certificate cannot be read.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await _try_upstream(options.upstream)
    _allow_open_files(2 * options.max_connections + OTHER_FILES)
    connect = functools.partial(upstream.connect_upstream, options.upstream)
    relay = Relay(connect, options.handler, max_connections=options.max_connections)
    watch = DaemonWatch(connect)
    healthy = functools.partial(upstream.failure, options.upstream)
    probes = Probes(healthy, watch.failure, lambda: relay.open_connections, options.metrics)
    with contextlib.closing(watch):
        async with await probes.serve(options.health_port):
            relay.serve_plain(listen_unix(options.listen_unix))
            relay.serve_tls(listen_tcp(options.listen_tls), server_context(options.certificates))
            logger.info("relaying to the node's Docker socket")
            await stop.wait()
            await relay.drain(DRAIN_SECONDS)


async def _try_upstream(path: str) -> None:
    """Fail at once if a retry cannot help; a daemon may start later, and /healthz reports it until then."""
    try:
        (await upstream.connect_upstream(path)).close()
    except upstream.SocketForbiddenError:
        raise
    except UpstreamError as error:
        logger.warning("%s", error)


def _allow_open_files(number: int) -> None:
    """Raise the soft limit, which many container runtimes set to 1024, as far as needed and allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number if hard == resource.RLIM_INFINITY else min(number, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
