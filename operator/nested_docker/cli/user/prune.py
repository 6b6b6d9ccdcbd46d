"""`nested-docker prune`: deletes NestedDockers by filters."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from nested_docker.cli.user import options
from nested_docker.cli.user.exit_codes import ExitCode
from nested_docker.cli.user.running import ClusterOptions, connected, execute, invalid, print_error, say


def prune_command(
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            metavar="FILTER",
            help="Delete only those that match: finished=true|false, ready=true|false, age=DURATION, "
            "label=KEY[=VALUE]. May be repeated; default: finished=true.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", "-f", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print what would be deleted.")] = False,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """Delete the NestedDockers of a namespace that have finished, or that match filters."""
    from nested_docker.cli.user.selection import selected

    now = datetime.now(UTC)
    try:
        selected([], filters or [], now)
    except ValueError as error:
        invalid(str(error))
    cluster = ClusterOptions(namespace, context, kubeconfig)
    execute(lambda: _prune(cluster, filters or [], force=force, dry_run=dry_run))


async def _prune(options_: ClusterOptions, filters: list[str], *, force: bool, dry_run: bool) -> int:
    from nested_docker.cli.user.selection import selected
    from nested_docker.client.lifecycle import delete, list_all

    async with connected(options_) as cluster:
        found = selected(await list_all(cluster.kube, cluster.namespace), filters, datetime.now(UTC))
        if not found:
            say("nothing to delete", err=True)
        elif dry_run or not _agreed(found, cluster.namespace, force=force):
            for each in found:
                say(f"{each['metadata']['name']} would be deleted")
            return ExitCode.OK if dry_run else ExitCode.NO
        for each in found:
            await delete(cluster.kube, each)
            say(f"{each['metadata']['name']} deleted")
    return ExitCode.OK


def _agreed(found: list[dict[str, Any]], namespace: str, *, force: bool) -> bool:
    if force:
        return True
    if not sys.stdin.isatty():
        print_error("nothing was deleted: there is no terminal to ask", "repeat it with --force")
        return False
    return typer.confirm(f"Delete {len(found)} NestedDockers of namespace {namespace}?", err=True)
