"""What the shell may complete: names that the cluster and the kubeconfig have.

A cluster that does not answer soon, or an error, completes nothing: no message may appear in a half-written line.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

import typer

COMPLETION_SECONDS = 3.0


def complete_name(context: typer.Context, incomplete: str) -> list[str]:
    """NestedDockers of the namespace that the line names."""
    return _starting(incomplete, _names_in_cluster(context, "NestedDocker"))


def complete_class(context: typer.Context, incomplete: str) -> list[str]:
    """NestedDockerClasses."""
    return _starting(incomplete, _names_in_cluster(context, "NestedDockerClass", namespaced=False))


def complete_mode(incomplete: str) -> list[str]:
    """Modes."""
    from nested_docker.api.meta import Mode

    return _starting(incomplete, Mode)


def _starting(incomplete: str, names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))


def _names_in_cluster(context: typer.Context, kind: str, *, namespaced: bool = True) -> list[str]:
    import asyncio

    from nested_docker.cli.user.running import ClusterOptions, connected

    async def names() -> list[str]:
        given = {key: context.params.get(key) or "" for key in ("namespace", "context", "kubeconfig")}
        async with connected(ClusterOptions(**given)) as cluster, asyncio.timeout(COMPLETION_SECONDS):
            found = await cluster.kube.list(kind, cluster.namespace if namespaced else None)
        return [each["metadata"]["name"] for each in found]

    with contextlib.suppress(Exception):
        return asyncio.run(names())
    return []
