"""`nested-docker relay`: the container of mode HostSocket."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from nested_docker.relay.handler import Handler


def relay(
    upstream: Annotated[str, typer.Option(help="Path of the node's Docker socket.")],
    listen_unix: Annotated[str, typer.Option(help="Path of the socket for containers of the own pod.")],
    certificates: Annotated[str, typer.Option(help="Directory with ca.pem, cert.pem and key.pem.")],
    listen_tls: Annotated[str, typer.Option(help="HOST:PORT for mutual TLS.")] = "0.0.0.0:2376",
    health_port: Annotated[int, typer.Option(help="Port of /healthz.", min=0, max=65535)] = 8080,
    max_connections: Annotated[int, typer.Option(help="Connections served at the same time.", min=1)] = 512,
    guard_rules: Annotated[
        str, typer.Option(envvar="NESTED_DOCKER_GUARD_RULES", metavar="FILE|JSON", help="The guard's rules; none: raw.")
    ] = "",
    owner_uid: Annotated[
        str, typer.Option(envvar="NESTED_DOCKER_OWNER_UID", help="UID that the guard labels what is made with.")
    ] = "",
    log_level: Annotated[str, typer.Option(help="Least severity that is logged.")] = "INFO",
) -> None:
    """Serve the node's Docker socket over mutual TLS and on a unix socket, raw or guarded."""
    from nested_docker.observability import logs
    from nested_docker.relay.listeners import Address
    from nested_docker.relay.main import Options, run
    from nested_docker.settings import LogFormat

    logs.configure(LogFormat.JSON, log_level)
    try:
        address = Address.parse(listen_tls)
        handler = _handler(guard_rules, owner_uid)
        asyncio.run(run(Options(upstream, address, listen_unix, certificates, health_port, max_connections, handler)))
    except (OSError, ValueError) as error:
        typer.echo(f"nested-docker relay: {error}", err=True)
        raise typer.Exit(1) from error


def _handler(rules: str, uid: str) -> Handler:
    """What serves connections; half a guard is none, and nobody gets the raw socket by leaving an option out.

    Raises:
        ValueError: one option is given without the other, or the rules are wrong.
    """
    from nested_docker.cli.guard import read_rules
    from nested_docker.guard.proxy import Guard
    from nested_docker.relay.splice import splice

    if not rules and not uid:
        return splice
    if not rules or not uid:
        raise ValueError("--guard-rules and --owner-uid belong together")
    return Guard(read_rules(rules), uid)
