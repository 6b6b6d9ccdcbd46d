"""`nested-docker context`: a context of the docker CLI, which buildx and other tools know too."""

from __future__ import annotations

import subprocess
from typing import Annotated

import typer

from nested_docker.cli.user import options
from nested_docker.cli.user.env import agent_environment, stop_agent
from nested_docker.cli.user.exit_codes import ExitCode
from nested_docker.cli.user.options import ReachOption
from nested_docker.cli.user.running import fail

context_group = typer.Typer(name="context", help="Manage contexts of the docker CLI.", no_args_is_help=True)

ContextName = Annotated[
    str, typer.Option("--as", metavar="CONTEXT", help="Name of docker's context; default: that of the NestedDocker.")
]


@context_group.command("create")
def create_context(
    name: options.NameArgument,
    as_name: ContextName = "",
    reach: options.ReachWay = ReachOption.AUTO,
    timeout: options.Timeout = "5m",
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """Create a docker context for a NestedDocker, or correct it; a process in the background serves its socket.

    After a restart of your machine run this command again. Use it as: docker --context NAME build .
    """
    given = {"--namespace": namespace, "--context": context, "--kubeconfig": kubeconfig}
    further = [f"{key}={value}" for key, value in given.items() if value]
    environment = agent_environment(name, [*further, "--idle=0", f"--reach={reach.value}"], timeout, given)
    target = as_name or name
    settings = ["--description", f"NestedDocker {name}", "--docker", f"host={environment['DOCKER_HOST']}"]
    if _docker("context", "inspect", target).returncode == 0:
        _must(_docker("context", "update", *settings, target), target)
    else:
        _must(_docker("context", "create", *settings, target), target)
    typer.echo(f"context {target} is ready; use it: docker --context {target} version")


@context_group.command("rm")
def remove_context(
    name: options.NameArgument,
    as_name: ContextName = "",
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """Remove a docker context, and stop the process in the background; the NestedDocker stays."""
    stop_agent(name, {"--namespace": namespace, "--context": context, "--kubeconfig": kubeconfig})
    target = as_name or name
    _must(_docker("context", "rm", target), target)
    typer.echo(f"context {target} removed")


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607
    except OSError as error:
        fail(f"the docker CLI cannot be run: {error.strerror}", "install it, or use nested-docker env", ExitCode.NO)


def _must(ended: subprocess.CompletedProcess[str], context: str) -> None:
    if ended.returncode:
        what = " ".join(ended.stderr.split()) or f"exit code {ended.returncode}"
        fail(f"docker rejects context {context}: {what}", "choose another name by --as", ExitCode.NO)
