"""`nested-docker context`: a context of the docker CLI, which buildx and other tools know too."""

from __future__ import annotations

import json
import subprocess
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated

import typer

from nested_docker.cli.user import options
from nested_docker.cli.user.agent_target import Purpose
from nested_docker.cli.user.exit_codes import ExitCode
from nested_docker.cli.user.options import ReachOption
from nested_docker.cli.user.running import ClusterOptions, fail, say

if TYPE_CHECKING:
    from nested_docker.cli.user.agent_target import AgentTarget

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
    from nested_docker.cli.user.background import serving, stopped, target_of

    target, docker_context = target_of(name, ClusterOptions(namespace, context, kubeconfig)), as_name or name
    exists = _is_ours(docker_context, target)
    with serving(target, Purpose.CONTEXT, idle="0", reach=reach, timeout=timeout) as docker_host:
        settings = ["--description", f"NestedDocker {name}", "--docker", f"host={docker_host}"]
        _must(_docker("context", "update" if exists else "create", *settings, docker_context), docker_context)
    stopped(target, Purpose.CONTEXT, but=docker_host)
    say(f"context {docker_context} is ready; use it: docker --context {docker_context} version")


@context_group.command("rm")
def remove_context(
    name: options.NameArgument,
    as_name: ContextName = "",
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """Remove a docker context, and stop the process in the background; the NestedDocker stays."""
    from nested_docker.cli.user.background import stopped, target_of

    target, docker_context = target_of(name, ClusterOptions(namespace, context, kubeconfig)), as_name or name
    _is_ours(docker_context, target)
    _must(_docker("context", "rm", docker_context), docker_context)
    stopped(target, Purpose.CONTEXT)
    say(f"context {docker_context} removed")


def _is_ours(docker_context: str, target: AgentTarget) -> bool:
    """Whether the docker context exists; exits if it leads to something else than this NestedDocker."""
    inspected = _docker("context", "inspect", docker_context)
    if inspected.returncode:
        return False
    host = _host_of(inspected.stdout)
    if not PurePath(host).name.startswith(target.prefix(Purpose.CONTEXT)):
        fail(
            f"docker context {docker_context} exists, and leads to {host or 'no host'}",
            f"choose another name by --as, or remove it: docker context rm {docker_context}",
            ExitCode.NO,
        )
    return True


def _host_of(inspection: str) -> str:
    """Where a context leads; empty: nowhere, or the answer has another form."""
    try:
        return str(json.loads(inspection)[0]["Endpoints"]["docker"]["Host"])
    except (ValueError, LookupError, TypeError):
        return ""


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)  # noqa: S603, S607
    except OSError as error:
        fail(f"the docker CLI cannot be run: {error.strerror}", "install it, or use nested-docker env", ExitCode.NO)


def _must(ended: subprocess.CompletedProcess[str], context: str) -> None:
    if ended.returncode:
        what = " ".join(ended.stderr.split()) or f"exit code {ended.returncode}"
        fail(f"docker rejects context {context}: {what}", "choose another name by --as", ExitCode.NO)
