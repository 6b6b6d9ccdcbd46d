"""Starts and stops the processes that serve sockets in the background."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from typing import NoReturn

from nested_docker.cli.user.agent_target import AgentTarget, Purpose, resolve_target
from nested_docker.cli.user.durations import parse_duration
from nested_docker.cli.user.exit_codes import ExitCode
from nested_docker.cli.user.options import ReachOption
from nested_docker.cli.user.running import ClusterOptions, errors_reported, fail, invalid
from nested_docker.client.platform import check_platform
from nested_docker.client.private_files import WRITABLE
from nested_docker.client.request import check_name

START_SECONDS = 30
"""How long the start of a process may take, besides the time until the daemon is ready."""


def target_of(name: str, options: ClusterOptions) -> AgentTarget:
    """What the options mean now; exits if they are invalid."""
    with errors_reported():
        check_platform()
        check_name(name)
        return resolve_target(name, options)


@contextlib.contextmanager
def serving(target: AgentTarget, purpose: Purpose, *, idle: str, reach: ReachOption, timeout: str) -> Iterator[str]:
    """URL of the socket of an agent, which is started if it does not run; exits if that fails.

    An agent that was started is stopped if the block fails.
    """
    try:
        seconds, idle_seconds = parse_duration(timeout), parse_duration(idle)
        agent = target.agent(purpose, idle_seconds, reach)
    except ValueError as error:
        invalid(str(error))
    except OSError as error:
        _no_directory(error)
    if agent.serves():
        yield agent.docker_host
        return
    settings = [f"--agent={purpose}", f"--idle={idle_seconds}", f"--reach={reach}", f"--timeout={seconds}"]
    with _interruptible():
        answer = agent.start([*target.options.arguments, *settings, target.name], seconds + START_SECONDS)
    if "error" in answer:
        fail(answer["error"], answer["remedy"], ExitCode(answer["code"]))
    try:
        yield agent.docker_host
    except BaseException:
        agent.stop()
        raise


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C end what blocks the event loop, whose own handler would wait for the loop."""
    handler = signal.getsignal(signal.SIGINT)
    if handler is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def stopped(target: AgentTarget, purpose: Purpose, *, but: str = "") -> None:
    """Stop the agents for a purpose, but not that with this socket; exits if their directory cannot be used."""
    try:
        for agent in target.agents(purpose):
            if agent.docker_host != but:
                agent.stop()
    except OSError as error:
        _no_directory(error)


def _no_directory(error: OSError) -> NoReturn:
    what = f"{error.filename} cannot be made: {error.strerror}" if error.filename else str(error)
    invalid(what, WRITABLE)
