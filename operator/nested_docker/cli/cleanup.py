"""`nested-docker cleanup`: the container that removes from a node what was made there through a guard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from nested_docker.guard.daemon.removal import Removed


def cleanup(
    socket: Annotated[str, typer.Option(help="Path of the node's Docker socket.")],
    owner_uid: Annotated[str, typer.Option(help="UID that the guard has labelled what it made with.")],
    log_level: Annotated[str, typer.Option(help="Least severity that is logged.")] = "INFO",
) -> None:
    """Remove containers, networks, volumes and images of one owner from a node; exit status 1 if something stays."""
    from nested_docker.guard.daemon.removal import NotCleanError, remove_all
    from nested_docker.idle.termination_log import leave
    from nested_docker.observability import logs
    from nested_docker.settings import LogFormat

    logs.configure(LogFormat.JSON, log_level)
    if not owner_uid:
        raise typer.BadParameter("it is empty, and what nobody owns is nobody's to remove", param_hint="--owner-uid")
    try:
        told = summary(remove_all(socket, owner_uid))
    except NotCleanError as error:
        typer.echo(f"nested-docker cleanup: {error}", err=True)
        raise typer.Exit(1) from error
    leave(told)
    typer.echo(told)


def summary(removed: Removed) -> str:
    """What was removed, for a reader."""
    parts = [f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in removed.items()]
    return f"removed {', '.join(parts)}" if parts else "nothing was left"
