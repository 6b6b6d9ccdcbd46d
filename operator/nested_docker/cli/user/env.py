"""`nested-docker env`: statements for your shell, and a socket in the background."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from nested_docker.cli.user import options
from nested_docker.cli.user.exit_codes import ExitCode
from nested_docker.cli.user.forward import Idle
from nested_docker.cli.user.options import ReachOption
from nested_docker.cli.user.running import fail, invalid
from nested_docker.cli.user.shells import UNSET, Shell, hint, shell_of, statements


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
    target = shell or shell_of(os.environ.get("SHELL", ""))
    given = {"--namespace": namespace, "--context": context, "--kubeconfig": kubeconfig}
    further = [f"{key}={value}" for key, value in given.items() if value]
    environment = (
        {} if stop else agent_environment(name, [*further, f"--idle={idle}", f"--reach={reach.value}"], timeout, given)
    )
    if stop:
        stop_agent(name, given)
    unset = [*UNSET, *(["DOCKER_HOST"] if stop else [])]
    typer.echo(statements(target, environment, unset))
    typer.echo(hint(target, " ".join(["nested-docker env", name, *further, *(["--stop"] if stop else [])])))


def agent_environment(name: str, arguments: list[str], timeout: str, given: dict[str, str]) -> dict[str, str]:
    """The variables of the agent, which is started if it does not run."""
    from nested_docker.cli.user.durations import parse_duration
    from nested_docker.cli.user.forward import agent_of
    from nested_docker.cli.user.running import errors_reported
    from nested_docker.client.request import DaemonRequest

    with errors_reported():
        DaemonRequest(name).check()
    try:
        seconds = parse_duration(timeout)
        parse_duration(next(each.partition("=")[2] for each in arguments if each.startswith("--idle=")))
        agent = agent_of(name, *given.values())
    except (ValueError, OSError) as error:
        invalid(str(error))
    running = agent.environment()
    if running is not None:
        return running
    answer = agent.start([*arguments, f"--timeout={timeout}", name], seconds + 30)
    if "error" in answer:
        fail(answer["error"], answer["remedy"], ExitCode(answer["code"]))
    environment: dict[str, str] = answer["environment"]
    return environment


def stop_agent(name: str, given: dict[str, str]) -> None:
    """Stop the agent, if it runs; exits if its directory cannot be used."""
    from nested_docker.cli.user.forward import agent_of

    try:
        agent_of(name, *given.values()).stop()
    except OSError as error:
        invalid(str(error))
