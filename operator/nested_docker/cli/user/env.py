"""`nested-docker env`: statements for your shell, and a socket in the background."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from nested_docker.cli.user import options
from nested_docker.cli.user.agent_target import Purpose
from nested_docker.cli.user.forward import Idle
from nested_docker.cli.user.options import ReachOption
from nested_docker.cli.user.running import ClusterOptions, connected, execute
from nested_docker.cli.user.shells import UNSET, Shell, hint, shell_of, statements

if TYPE_CHECKING:
    from nested_docker.adapters.kube import KubeClient
    from nested_docker.cli.user.agent_target import AgentTarget


def env_command(
    name: options.NameArgument,
    shell: Annotated[Shell | None, typer.Option("--shell", help="Shell to write for; default: that of SHELL.")] = None,
    stop: Annotated[bool, typer.Option("--stop", help="Stop the socket, and write what unsets the variables.")] = False,
    idle: Idle = "1h",
    reach: options.ReachWay = ReachOption.AUTO,
    timeout: options.Timeout = "5m",
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """Print statements that set DOCKER_HOST in your shell; a process in the background serves the socket.

    Run this: eval "$(nested-docker env NAME)". The process ends by --stop, or after --idle without a connection.
    """
    from nested_docker.cli.user.background import serving, stopped, target_of

    target_shell = shell or shell_of(os.environ.get("SHELL", ""))
    cluster_options = ClusterOptions(namespace, context, kubeconfig)
    target = target_of(name, cluster_options)
    command = " ".join(["nested-docker env", name, *cluster_options.arguments])
    if stop:
        stopped(target, Purpose.ENV)
        typer.echo(statements(target_shell, {}, [*UNSET, "DOCKER_HOST"]))
        typer.echo(hint(target_shell, f"{command} --stop"))
        return

    async def write() -> None:
        # This process connects too, before the other one, whose plugins cannot ask anybody to log in.
        async with connected(target.options) as cluster:
            with serving(target, Purpose.ENV, idle=idle, reach=reach, timeout=timeout) as docker_host:
                environment = await _credentials(target, cluster.kube)
        typer.echo(statements(target_shell, environment | {"DOCKER_HOST": docker_host}, UNSET))
        typer.echo(hint(target_shell, command))

    execute(write)


async def _credentials(target: AgentTarget, kube: KubeClient) -> dict[str, str]:
    """Read each time: they change, and no file should have them."""
    from nested_docker.client.dialing import connection_environment

    return await connection_environment(kube, target.options.namespace, target.name)
