"""`nested-docker forward`: serves a Docker socket until it is stopped."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nested_docker.cli.user import options
from nested_docker.cli.user.agent_target import Purpose, resolve_target
from nested_docker.cli.user.exit_codes import ExitCode
from nested_docker.cli.user.options import ReachOption
from nested_docker.cli.user.running import ClusterOptions, end_on_signals, errors_reported, exit_code_of, invalid

if TYPE_CHECKING:
    from nested_docker.cli.user.agent import Agent
    from nested_docker.client.session import NestedDocker

LOOK_SECONDS = 1.0
LOCK_SECONDS = 0.1

Idle = Annotated[
    str, typer.Option("--idle", metavar="DURATION", help="End after so long without a connection; 0: never.")
]


def forward_command(
    name: options.NameArgument,
    idle: Idle = "0",
    agent: Annotated[Purpose | None, typer.Option("--agent", hidden=True)] = None,
    reach: options.ReachWay = ReachOption.AUTO,
    timeout: options.Timeout = "5m",
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
) -> None:
    """Serve a Docker socket for a NestedDocker until Ctrl-C; `env` does so in the background."""
    from nested_docker.cli.user.durations import parse_duration
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
    if agent is None:
        with errors_reported(), NestedDocker(**settings) as daemon:
            typer.echo(f"DOCKER_HOST={daemon.docker_host}")
            _serve(daemon, idle_seconds)
        return
    with _said_errors() as said:
        target = resolve_target(name, ClusterOptions(namespace, context, kubeconfig))
        _be_agent(target.agent(agent, idle_seconds, reach), settings, idle_seconds, said)


def _be_agent(agent: Agent, settings: dict[str, Any], idle_seconds: float, said: _Said) -> None:
    from nested_docker.client.session import NestedDocker

    deadline = time.monotonic() + settings["timeout"]
    with contextlib.ExitStack() as stack:
        if not _is_held(agent, stack, deadline):
            said.say({})
            return
        left = max(1.0, deadline - time.monotonic())
        daemon = stack.enter_context(NestedDocker(**settings | {"timeout": left}, socket=str(agent.socket)))
        agent.publish()
        said.say({})
        _serve(daemon, idle_seconds)


def _is_held(agent: Agent, stack: contextlib.ExitStack, deadline: float) -> bool:
    """Become the agent; False: another process is, and serves.

    Raises:
        NotReadyError: another process is, and does not serve in time.
    """
    from nested_docker.client.errors import NotReadyError

    while True:
        try:
            stack.enter_context(agent.held())
        except BlockingIOError:
            if agent.serves():
                return False
        else:
            return True
        if time.monotonic() > deadline:
            raise NotReadyError("", "another process in the background does not serve yet", "try again")
        time.sleep(LOCK_SECONDS)


class _Said:
    """Writes one line for the process that waits, and no second one: nobody reads it."""

    def __init__(self) -> None:
        self._done = False

    def say(self, answer: dict[str, Any]) -> None:
        if not self._done:
            self._done = True
            with contextlib.suppress(BrokenPipeError):
                sys.stdout.write(json.dumps(answer) + "\n")
                sys.stdout.flush()


@contextlib.contextmanager
def _said_errors() -> Iterator[_Said]:
    """Say whatever goes wrong inside: standard error leads nowhere."""
    from nested_docker.client.errors import NestedDockerError

    said = _Said()
    try:
        yield said
    except NestedDockerError as error:
        said.say({"error": error.message, "remedy": error.remedy, "code": int(exit_code_of(error))})
    except OSError as error:
        said.say({"error": str(error), "remedy": "correct that file or directory", "code": int(ExitCode.INVALID)})
    except (SystemExit, KeyboardInterrupt):
        said.say(
            {"error": "the process in the background was stopped", "remedy": "try again", "code": int(ExitCode.NO)}
        )
        raise
    except Exception as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        said.say({"error": what, "remedy": "this is a defect: report it", "code": int(ExitCode.DEFECT)})
        raise


def _serve(daemon: NestedDocker, idle_seconds: float) -> None:
    used = time.monotonic()
    while not idle_seconds or time.monotonic() - used < idle_seconds:
        if daemon.open_connections:
            used = time.monotonic()
        time.sleep(LOOK_SECONDS)
