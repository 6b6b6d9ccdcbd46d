"""`nested-docker forward`: serves a Docker socket until it is stopped."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nested_docker.cli.user import options
from nested_docker.cli.user.options import ReachOption
from nested_docker.cli.user.running import end_on_signals, errors_reported, exit_code_of, invalid

if TYPE_CHECKING:
    from nested_docker.cli.user.agent import Agent
    from nested_docker.client.session import NestedDocker

LOOK_SECONDS = 1.0

Idle = Annotated[
    str, typer.Option("--idle", metavar="DURATION", help="End after so long without a connection; 0: never.")
]


def forward_command(
    name: options.NameArgument,
    idle: Idle = "0",
    agent: Annotated[bool, typer.Option("--agent", hidden=True)] = False,
    reach: options.ReachWay = ReachOption.AUTO,
    timeout: options.Timeout = "5m",
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """Serve a Docker socket for a NestedDocker until Ctrl-C; `env` does so in the background."""
    from nested_docker.cli.user.durations import parse_duration
    from nested_docker.client.errors import NestedDockerError
    from nested_docker.client.session import NestedDocker

    try:
        idle_seconds, seconds = parse_duration(idle), parse_duration(timeout)
    except ValueError as error:
        invalid(str(error))
    settings: dict[str, Any] = {
        "name": name, "attach": True, "reach": reach.value, "timeout": float(seconds), "namespace": namespace,
        "context": context, "kubeconfig": kubeconfig,
    }  # fmt: skip
    end_on_signals()
    if not agent:
        with errors_reported(), NestedDocker(**settings) as daemon:
            typer.echo(f"DOCKER_HOST={daemon.docker_host}")
            _serve(daemon, idle_seconds)
        return
    try:
        _be_agent(agent_of(name, namespace, context, kubeconfig), settings, idle_seconds)
    except NestedDockerError as error:
        _say({"error": error.message, "remedy": error.remedy, "code": int(exit_code_of(error))})


def agent_of(name: str, namespace: str, context: str, kubeconfig: str) -> Agent:
    """The agent of a NestedDocker, as the options name it."""
    import os

    from nested_docker.cli.user.agent import Agent
    from nested_docker.client.private_files import shared_directory
    from nested_docker.domain.names import digest

    config = kubeconfig or os.environ.get("KUBECONFIG", "")
    return Agent(shared_directory(), digest([config, context, namespace, name]))


def _be_agent(agent: Agent, settings: dict[str, Any], idle_seconds: float) -> None:
    from nested_docker.client.session import NestedDocker

    with agent.held(), NestedDocker(**settings, socket=str(agent.socket)) as daemon:
        environment = daemon.environment()
        agent.publish(environment)
        _say({"environment": environment})
        _serve(daemon, idle_seconds)


def _serve(daemon: NestedDocker, idle_seconds: float) -> None:
    used = time.monotonic()
    while not idle_seconds or time.monotonic() - used < idle_seconds:
        if daemon.open_connections:
            used = time.monotonic()
        time.sleep(LOOK_SECONDS)


def _say(answer: dict[str, Any]) -> None:
    """One line for the process that waits."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
