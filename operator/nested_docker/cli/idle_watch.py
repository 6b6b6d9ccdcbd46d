"""`nested-docker idle-watch`: the container that exits when the daemon is idle."""

from __future__ import annotations

import signal
import sys
from datetime import UTC, datetime
from typing import Annotated

import typer


def idle_watch(
    timeout: Annotated[float, typer.Option(help="Seconds of idleness before it exits.", min=1)],
    socket: Annotated[str, typer.Option(help="The daemon's unix socket.")],
    port: Annotated[int, typer.Option(help="The daemon's TCP port.", min=1, max=65535)] = 2376,
    containers: Annotated[bool, typer.Option(help="Count a running container as use.")] = True,
) -> None:
    """Exit with code 0 once the daemon has been idle for the timeout, and for no other reason."""
    import asyncio

    from nested_docker.idle.termination_log import idle_since, leave
    from nested_docker.idle.watch import WatchOptions, watch

    # Process 1 of a container ignores signals without a handler, and a stopped daemon is not an idle one.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    idle = asyncio.run(watch(WatchOptions(timeout, socket, port, containers)))
    message = idle_since(datetime.now(UTC), idle)
    leave(message)
    typer.echo(message)
