"""Options that several commands have."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

import typer

from nested_docker.cli.user.completion import complete_class, complete_mode, complete_name


class OutputFormat(StrEnum):
    """How objects are printed."""

    TABLE = "table"
    WIDE = "wide"
    NAME = "name"
    JSON = "json"
    YAML = "yaml"


class ProgressFormat(StrEnum):
    """How progress is printed, on standard error."""

    AUTO = "auto"
    """`tty` on a terminal, else `plain`."""
    TTY = "tty"
    PLAIN = "plain"
    JSON = "json"
    QUIET = "quiet"


class ReachOption(StrEnum):
    """How to reach the daemon; the values of `nested_docker.client.Reach`, without its imports."""

    AUTO = "auto"
    DIRECT = "direct"
    PORT_FORWARD = "port-forward"


def _namespace(value: str) -> str:
    """Refuse what cannot be a namespace, before it becomes a part of a request's path."""
    from nested_docker.domain.names import NAMESPACE_PATTERN

    if value and not re.fullmatch(NAMESPACE_PATTERN, value):
        raise typer.BadParameter(f"{value!r} is not a name of a namespace: use lower-case letters, digits and -")
    return value


NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the NestedDocker.", autocompletion=complete_name)
]
Namespace = Annotated[
    str,
    typer.Option(
        "--namespace",
        "-n",
        metavar="NAMESPACE",
        help="Namespace; default: that of the kubeconfig's context.",
        callback=_namespace,
    ),
]
Context = Annotated[
    str, typer.Option("--context", metavar="CONTEXT", help="Context of the kubeconfig; default: the current one.")
]
Kubeconfig = Annotated[
    str, typer.Option("--kubeconfig", metavar="FILE", help="Kubeconfig; default: KUBECONFIG, else ~/.kube/config.")
]
Output = Annotated[OutputFormat, typer.Option("--output", "-o", help="Output format.")]
ProgressStyle = Annotated[ProgressFormat, typer.Option("--progress", help="How progress is shown, on standard error.")]
Timeout = Annotated[
    str, typer.Option("--timeout", metavar="DURATION", help="How long to wait until it is ready, such as 90s or 5m.")
]
ReachWay = Annotated[ReachOption, typer.Option("--reach", help="How to reach the daemon.")]
ClassName = Annotated[
    str,
    typer.Option(
        "--class",
        metavar="CLASS",
        help="NestedDockerClass; default: the cluster's default class.",
        autocompletion=complete_class,
    ),
]
ModeName = Annotated[
    str,
    typer.Option(
        "--mode",
        metavar="MODE",
        help="Mode, such as Dind; default: the least privileged one that is allowed.",
        autocompletion=complete_mode,
    ),
]
Cpu = Annotated[str, typer.Option("--cpu", metavar="QUANTITY", help="Limit of CPU, such as 2 or 500m.")]
Memory = Annotated[str, typer.Option("--memory", metavar="QUANTITY", help="Limit of memory, such as 4Gi.")]
IdleTimeout = Annotated[
    str, typer.Option("--idle-timeout", metavar="DURATION", help="Stop it after so long without use, such as 30m.")
]
Lifetime = Annotated[
    str, typer.Option("--lifetime", metavar="DURATION", help="Stop it so long after its creation, such as 4h.")
]
SetFields = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="A field of the spec, such as engine.image=docker:29-dind; values are YAML. May be repeated.",
    ),
]
