"""`nested-docker idle-watch`: the container that ends when nothing uses the daemon."""

from __future__ import annotations

import asyncio
import signal
import sys
from datetime import UTC, datetime
from typing import Annotated

import typer


def idle_watch(
    timeout: Annotated[float, typer.Option(help="Seconds of idleness after which to end.", min=1)],
    socket: Annotated[str, typer.Option(help="The daemon's unix socket.")],
    port: Annotated[int, typer.Option(help="The daemon's TCP port.", min=1, max=65535)] = 2376,
    containers: Annotated[bool, typer.Option(help="Whether running containers count as use.")] = True,
) -> None:
    """End with status 0 when nothing has used the daemon for long enough, and with no other cause."""
    from nested_docker.idle.termination_log import idle_since, leave
    from nested_docker.idle.watch import Options, watch

    # As process 1 of a container, a signal without a handler would be ignored; and being stopped is not being idle.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    idle = asyncio.run(watch(Options(timeout, socket, port, containers)))
    message = idle_since(datetime.now(UTC), idle)
    leave(message)
    typer.echo(message)
