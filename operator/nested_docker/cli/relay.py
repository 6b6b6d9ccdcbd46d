"""`nested-docker relay`: the container of mode HostSocket."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer


def relay(
    upstream: Annotated[str, typer.Option(help="Path of the node's Docker socket.")],
    listen_unix: Annotated[str, typer.Option(help="Path of the socket for containers of the own pod.")],
    certificates: Annotated[str, typer.Option(help="Directory with ca.pem, cert.pem and key.pem.")],
    listen_tls: Annotated[str, typer.Option(help="HOST:PORT for mutual TLS.")] = "0.0.0.0:2376",
    health_port: Annotated[int, typer.Option(help="Port of /healthz.", min=0, max=65535)] = 8080,
    max_connections: Annotated[int, typer.Option(help="Connections served at the same time.", min=1)] = 512,
    log_level: Annotated[str, typer.Option(help="Least severity that is logged.")] = "INFO",
) -> None:
    """Serve the node's Docker socket over mutual TLS and on a unix socket."""
    from nested_docker.observability import logs
    from nested_docker.relay.listeners import Address
    from nested_docker.relay.main import Options, run
    from nested_docker.settings import LogFormat

    logs.configure(LogFormat.JSON, log_level)
    try:
        address = Address.parse(listen_tls)
        asyncio.run(run(Options(upstream, address, listen_unix, certificates, health_port, max_connections)))
    except (OSError, ValueError) as error:
        typer.echo(f"nested-docker relay: {error}", err=True)
        raise typer.Exit(1) from error
