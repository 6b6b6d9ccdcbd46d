"""`nested-docker ls`: the NestedDockers of a namespace."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from nested_docker.cli.user import options
from nested_docker.cli.user.options import OutputFormat
from nested_docker.cli.user.output import printed_list
from nested_docker.cli.user.running import ClusterOptions, connected, execute, say


def ls_command(
    all_namespaces: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="List those of all namespaces.")
    ] = False,
    output: options.Output = OutputFormat.TABLE,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """List NestedDockers."""
    cluster = ClusterOptions(namespace, context, kubeconfig)
    execute(lambda: _list(cluster, output, all_namespaces=all_namespaces))


async def _list(options_: ClusterOptions, output: OutputFormat, *, all_namespaces: bool) -> None:
    from nested_docker.client.lifecycle import list_all

    async with connected(options_) as cluster:
        found = await list_all(cluster.kube, None if all_namespaces else cluster.namespace)
        where = "in any namespace" if all_namespaces else f"in namespace {cluster.namespace}"
    _print(found, output, where, all_namespaces=all_namespaces)


def _print(found: list[dict[str, Any]], output: OutputFormat, where: str, *, all_namespaces: bool) -> None:
    from nested_docker.cli.user.listing import listing

    if printed_list(found, output):
        return
    if not found:
        say(f"no NestedDockers {where}; create one: nested-docker create NAME", err=True)
    else:
        wide = output is OutputFormat.WIDE
        say(listing(found, datetime.now(UTC), namespaces=all_namespaces, wide=wide))
