"""`nested-docker relay`: the container of mode HostSocket.

It is started by manifests and not by people, and runs in many pods: it parses its options by the
standard library and imports what it serves with, and nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nested_docker.relay.handler import Handler


SUMMARY = "Serve the node's Docker socket over mutual TLS and on a unix socket, raw or guarded."


def main(arguments: Sequence[str]) -> None:
    """Serve until a signal ends it.

    Args:
        arguments: the command line's, without `relay`.

    Raises:
        SystemExit: the options are wrong, or it cannot serve; what is wrong has been told.
    """
    given = _options().parse_args(arguments)
    try:
        _serve(given)
    except (OSError, ValueError) as error:
        raise SystemExit(f"nested-docker relay: {error}") from error


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nested-docker relay", description=SUMMARY)
    option = parser.add_argument
    option("--upstream", required=True, metavar="PATH", help="The node's Docker socket.")
    option("--listen-unix", required=True, metavar="PATH", help="The socket for containers of the own pod.")
    option("--certificates", required=True, metavar="PATH", help="Directory with ca.pem, cert.pem and key.pem.")
    option("--listen-tls", default="0.0.0.0:2376", metavar="HOST:PORT", help="Where to listen for mutual TLS.")
    option("--health-port", default=8080, type=int, metavar="PORT", help="Port of /healthz.")
    option("--max-connections", default=512, type=int, metavar="N", help="Connections served at the same time.")
    option(
        "--guard-rules",
        default=os.environ.get("NESTED_DOCKER_GUARD_RULES", ""),
        metavar="FILE|JSON",
        help="The guard's rules; none: raw (NESTED_DOCKER_GUARD_RULES).",
    )
    option(
        "--owner-uid",
        default=os.environ.get("NESTED_DOCKER_OWNER_UID", ""),
        metavar="UID",
        help="What the guard labels what is made with (NESTED_DOCKER_OWNER_UID).",
    )
    option("--pod-uid", default="", metavar="UID", help="What {podUID} stands for in limits.cgroupParent of the rules.")
    option("--log-level", default="INFO", metavar="LEVEL", help="Least severity that is logged.")
    return parser


def _serve(given: argparse.Namespace) -> None:
    from nested_docker.relay import logs
    from nested_docker.relay.listeners import Address
    from nested_docker.relay.main import Options, run

    logs.configure(given.log_level)
    options = Options(
        upstream=given.upstream,
        listen_tls=Address.parse(given.listen_tls),
        listen_unix=given.listen_unix,
        certificates=given.certificates,
        health_port=given.health_port,
        max_connections=given.max_connections,
        handler=_handler(given.guard_rules, given.owner_uid, given.pod_uid),
    )
    gc.freeze()  # what is imported stays: nobody need look at it again
    asyncio.run(run(options))


def _handler(rules: str, uid: str, pod_uid: str) -> Handler:
    """What serves connections; half a guard is none, and nobody gets the raw socket by leaving an option out.

    Raises:
        OSError: the rules cannot be read.
        ValueError: one option is given without the other, or the rules are wrong.
    """
    if not rules and not uid:
        from nested_docker.relay.splice import splice

        return splice
    if not rules or not uid:
        raise ValueError("--guard-rules and --owner-uid belong together")
    from nested_docker.guard.proxy import Guard
    from nested_docker.guard.rules_flag import in_pod, read_rules

    return Guard(in_pod(read_rules(rules), pod_uid), uid)
