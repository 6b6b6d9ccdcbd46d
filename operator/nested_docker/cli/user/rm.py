"""`nested-docker rm`: deletes NestedDockers."""

from __future__ import annotations

from typing import Annotated

import typer

from nested_docker.cli.user import options
from nested_docker.cli.user.completion import complete_name
from nested_docker.cli.user.exit_codes import ExitCode
from nested_docker.cli.user.running import ClusterOptions, connected, execute, exit_code_of, invalid, print_error, say


def rm_command(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="Names of NestedDockers.", autocompletion=complete_name)
    ],
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait until they are gone.")] = True,
    timeout: Annotated[str, typer.Option("--timeout", metavar="DURATION", help="How long to wait, such as 2m.")] = "2m",
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """Delete NestedDockers with their pods and Secrets; a data claim stays if its storage says so."""
    from nested_docker.cli.user.durations import parse_duration

    try:
        seconds = parse_duration(timeout)
    except ValueError as error:
        invalid(str(error))
    cluster = ClusterOptions(namespace, context, kubeconfig)
    execute(lambda: _remove(names, cluster, seconds if wait else 0))


async def _remove(names: list[str], options_: ClusterOptions, seconds: float) -> int:
    """All that exist are deleted, also if one of them does not; the exit code is that of the first error."""
    from nested_docker.client.errors import NestedDockerError
    from nested_docker.client.lifecycle import delete, find

    code = ExitCode.OK
    async with connected(options_) as cluster:
        for name in names:
            try:
                await delete(cluster.kube, await find(cluster.kube, cluster.namespace, name), seconds=seconds)
            except NestedDockerError as error:
                print_error(error.message, error.remedy)
                code = code or exit_code_of(error)
            else:
                say(f"{name} deleted")
    return code
