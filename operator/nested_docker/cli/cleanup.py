"""`nested-docker cleanup`: the container that removes the objects that a guard's clients created on a node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from nested_docker.guard.daemon.removal import Removed


def cleanup(
    socket: Annotated[str, typer.Option(help="Path of the node's Docker socket.")],
    owner_uid: Annotated[str, typer.Option(help="UID in the guard's owner label; objects with it are removed.")],
    log_level: Annotated[str, typer.Option(help="Lowest severity to log.")] = "INFO",
) -> None:
    """Remove one owner's containers, networks, volumes and images from a node; exit code 1 if any remains."""
    from nested_docker.guard.daemon.removal import NotCleanError, remove_all
    from nested_docker.idle.termination_log import leave
    from nested_docker.observability import logs
    from nested_docker.settings import LogFormat

    logs.configure(LogFormat.JSON, log_level)
    if not owner_uid:
        raise typer.BadParameter("must not be empty: it selects the objects to remove", param_hint="--owner-uid")
    try:
        message = summary(remove_all(socket, owner_uid))
    except NotCleanError as error:
        typer.echo(f"nested-docker cleanup: {error}", err=True)
        raise typer.Exit(1) from error
    leave(message)
    typer.echo(message)


def summary(removed: Removed) -> str:
    """What was removed, such as `removed 2 containers, 1 network`."""
    parts = [f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in removed.items()]
    return f"removed {', '.join(parts)}" if parts else "nothing was left"
