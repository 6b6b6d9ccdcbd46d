"""`nested-docker run`: a command with a daemon."""

from __future__ import annotations

from typing import Annotated

import typer

from nested_docker.cli.user import options
from nested_docker.cli.user.completion import complete_name
from nested_docker.cli.user.create import request_from_options
from nested_docker.cli.user.daemon import Keep, run_child, with_daemon
from nested_docker.cli.user.options import ProgressFormat, ReachOption

Name = Annotated[
    str,
    typer.Option(
        "--name",
        metavar="NAME",
        help="NestedDocker to use, or to create under that name; default: a temporary one.",
        autocompletion=complete_name,
    ),
]


def run_in_daemon(
    command: Annotated[
        list[str],
        typer.Argument(metavar="COMMAND...", help="Command to run, such as: docker build .", show_default=False),
    ],
    name: Name = "",
    keep: Keep = False,
    class_name: options.ClassName = "",
    mode: options.ModeName = "",
    cpu: options.Cpu = "",
    memory: options.Memory = "",
    fields: options.SetFields = None,
    reach: options.ReachWay = ReachOption.AUTO,
    timeout: options.Timeout = "5m",
    progress: options.ProgressStyle = ProgressFormat.AUTO,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """Run a command whose DOCKER_HOST is a daemon in the cluster.

    The daemon is a temporary one, or that of --name. What this command creates, it deletes at its end. The exit code
    is the command's.
    """
    request, seconds = request_from_options(
        name, class_name, mode, timeout, cpu=cpu, memory=memory, fields=fields or ()
    )
    settings = {
        "name": name, "class_name": class_name, "mode": mode, "spec": request.spec, "timeout": seconds, "keep": keep,
        "reach": reach.value, "namespace": namespace, "context": context, "kubeconfig": kubeconfig,
    }  # fmt: skip
    with_daemon(settings, progress, lambda environment: run_child(command, environment))
