"""`nested-docker logs`: the output of the daemon, across replaced pods."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nested_docker.cli.user import options
from nested_docker.cli.user.running import ClusterOptions, Connected, connected, execute, say

if TYPE_CHECKING:
    from nested_docker.domain.ports import KubeError

NEXT_POD_SECONDS = 1.0


def logs_command(
    name: options.NameArgument,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on, also with the next pod.")] = False,
    tail: Annotated[int, typer.Option("--tail", min=-1, help="Lines from the end; -1: all.")] = -1,
    container: Annotated[
        str, typer.Option("--container", "-c", help="Container; default: the daemon, or the guard in its place.")
    ] = "",
    previous: Annotated[bool, typer.Option("--previous", "-p", help="Of the container's run before.")] = False,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """Print the output of the daemon, or of the guard in front of the node's."""
    cluster = ClusterOptions(namespace, context, kubeconfig)
    query = {
        "container": container,
        "tailLines": str(tail) if tail >= 0 else "",
        "previous": "true" if previous else "",
    }
    execute(lambda: _logs(name, cluster, query, follow=follow))


async def _logs(name: str, options_: ClusterOptions, query: dict[str, str], *, follow: bool) -> None:
    import asyncio

    from nested_docker.client.errors import NotReadyError
    from nested_docker.client.lifecycle import find

    async with connected(options_) as cluster:
        printed = ""
        while True:
            found = await find(cluster.kube, cluster.namespace, name)
            pod = str((found.get("status") or {}).get("podName") or "")
            if pod and pod != printed:
                if printed:
                    say(f"--- pod {printed} was replaced by {pod}", err=True)
                printed = pod
                await _copy(cluster, found, query | {"follow": "true" if follow else ""})
            elif not pod and not follow:
                raise NotReadyError("", f"NestedDocker {name} has no pod", f"nested-docker why {name}")
            if not follow or (found.get("status") or {}).get("completionTime"):
                return
            await asyncio.sleep(NEXT_POD_SECONDS)


async def _copy(cluster: Connected, nested_docker: dict[str, Any], query: dict[str, str]) -> None:
    from nested_docker.cli.user.gates import DAEMON_CONTAINER
    from nested_docker.client.errors import user_error
    from nested_docker.domain.ports import KubeError

    status = nested_docker["status"]
    where, pod = status.get("podNamespace") or cluster.namespace, status["podName"]
    query = query | {"container": query["container"] or DAEMON_CONTAINER}
    try:
        async for block in cluster.kube.stream_log(where, pod, query):
            sys.stdout.buffer.write(block)
            sys.stdout.buffer.flush()
    except KubeError as error:
        if _is_gone(error) and query["follow"]:
            return
        raise user_error(error, f"read the logs of pod {pod}") from error


def _is_gone(error: KubeError) -> bool:
    return error.status == 404
