"""`nested-docker relay`: the container of mode HostSocket.

It runs in many pods and people do not start it, so it parses its options with the standard library and
imports only what it needs to serve.
"""

from __future__ import annotations

import argparse
import gc
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nested_docker.relay.handler import Handler


RELAY_SUMMARY = "Serve the node's Docker socket over mutual TLS and on a unix socket, raw or guarded."


def run_relay(arguments: Sequence[str]) -> None:
    """Serve until a signal stops it.

    Args:
        arguments: the command line after `relay`.

    Raises:
        SystemExit: the options are invalid, or it cannot serve; the message says why.
    """
    parsed = _parser().parse_args(arguments)
    try:
        _serve(parsed)
    except (OSError, ValueError) as error:
        raise SystemExit(f"nested-docker relay: {error}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nested-docker relay", description=RELAY_SUMMARY)
    option = parser.add_argument
    option("--upstream", required=True, metavar="PATH", help="The node's Docker socket.")
    option("--listen-unix", required=True, metavar="PATH", help="Unix socket to create for the containers of this pod.")
    option("--certificates", required=True, metavar="PATH", help="Directory with ca.pem, cert.pem and key.pem.")
    option("--listen-tls", default="[::]:2376", metavar="HOST:PORT", help="Address to listen on with mutual TLS.")
    option("--health-port", default=8080, type=int, metavar="PORT", help="Port that serves /healthz and /readyz.")
    option("--max-connections", default=512, type=int, metavar="N", help="Maximum number of concurrent connections.")
    option(
        "--guard-rules",
        default=os.environ.get("NESTED_DOCKER_GUARD_RULES", ""),
        metavar="FILE|JSON",
        help="The guard's rules; empty: no guard, the raw socket (NESTED_DOCKER_GUARD_RULES).",
    )
    option(
        "--owner-uid",
        default=os.environ.get("NESTED_DOCKER_OWNER_UID", ""),
        metavar="UID",
        help="UID in the owner label that the guard sets on what clients create (NESTED_DOCKER_OWNER_UID).",
    )
    option("--pod-uid", default="", metavar="UID", help="Replaces {podUID} in limits.cgroupParent of the rules.")
    option("--log-level", default="INFO", metavar="LEVEL", help="Lowest severity to log.")
    return parser


def _serve(parsed: argparse.Namespace) -> None:
    import asyncio

    from nested_docker.relay import logs
    from nested_docker.relay.listeners import Address
    from nested_docker.relay.main import RelayOptions, serve_until_stopped

    logs.configure_relay_logs(parsed.log_level)
    handler, metrics = _handler(parsed.guard_rules, parsed.owner_uid, parsed.pod_uid)
    options = RelayOptions(
        upstream=parsed.upstream,
        listen_tls=Address.parse(parsed.listen_tls),
        listen_unix=parsed.listen_unix,
        certificates=parsed.certificates,
        health_port=parsed.health_port,
        max_connections=parsed.max_connections,
        handler=handler,
        metrics=metrics,
    )
    gc.freeze()  # imported modules are never freed, so the collector need not scan them
    asyncio.run(serve_until_stopped(options))


def _handler(rules: str, uid: str, pod_uid: str) -> tuple[Handler, Callable[[], str]]:
    """The handler of connections, and what returns its metrics.

    Half of the guard's options is an error, never the raw socket.

    Raises:
        OSError: the rules cannot be read.
        ValueError: one option is given without the other, or the rules are invalid.
    """
    if not rules and not uid:
        from nested_docker.relay.splice import splice

        return splice, str
    if not rules or not uid:
        raise ValueError("--guard-rules and --owner-uid must be given together")
    from nested_docker.guard.proxy import Guard
    from nested_docker.guard.rules_flag import in_pod, read_rules

    guard = Guard(in_pod(read_rules(rules), pod_uid), uid)
    return guard, guard.verdicts.metrics
