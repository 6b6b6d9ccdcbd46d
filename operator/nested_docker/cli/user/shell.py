"""`nested-docker shell`: a shell with a daemon."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from nested_docker.cli.user import options
from nested_docker.cli.user.completion import complete_name
from nested_docker.cli.user.create import request_from_options
from nested_docker.cli.user.daemon import Keep, run_child, with_daemon
from nested_docker.cli.user.options import ProgressFormat, ReachOption


def shell_in_daemon(
    name: Annotated[
        str,
        typer.Argument(metavar="[NAME]", help="NestedDocker; default: a temporary one.", autocompletion=complete_name),
    ] = "",
    keep: Keep = False,
    class_name: options.ClassName = "",
    mode: options.ModeName = "",
    reach: options.ReachWay = ReachOption.AUTO,
    timeout: options.Timeout = "5m",
    progress: options.ProgressStyle = ProgressFormat.AUTO,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """Open your shell with DOCKER_HOST set to a daemon in the cluster; `exit` ends both."""
    _, seconds = request_from_options(name, class_name, mode, timeout)
    settings = {
        "name": name, "class_name": class_name, "mode": mode, "timeout": seconds, "keep": keep,
        "reach": reach.value, "namespace": namespace, "context": context, "kubeconfig": kubeconfig,
    }  # fmt: skip
    shell = os.environ.get("SHELL") or "/bin/sh"
    with_daemon(settings, progress, lambda environment: run_child([shell], environment))
