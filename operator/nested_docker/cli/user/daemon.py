"""A daemon for as long as a child process runs."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, NoReturn

import typer

from nested_docker.cli.user.exit_codes import ExitCode
from nested_docker.cli.user.options import ProgressFormat
from nested_docker.cli.user.running import end_on_signals, errors_reported, print_error

Keep = Annotated[bool, typer.Option("--keep", help="Do not delete a NestedDocker that this command creates.")]


def with_daemon(
    settings: dict[str, Any], progress: ProgressFormat, run: Callable[[Mapping[str, str]], int]
) -> NoReturn:
    """Run something with the environment of a daemon, delete what was created, and exit with its code.

    Args:
        settings: of `nested_docker.client.NestedDocker`.
        progress: how waiting is shown.
        run: gets the whole environment, and returns the exit code.
    """
    from nested_docker.cli.user.progress_display import shown_progress
    from nested_docker.client.session import LOCAL_VARIABLES, NestedDocker

    end_on_signals(ExitCode.RUN_FAILED)
    with errors_reported(ExitCode.RUN_FAILED), contextlib.ExitStack() as stack:
        with shown_progress(progress) as on_progress:
            daemon = NestedDocker(**settings, on_progress=on_progress)
            stack.push(daemon)  # before it opens, so that no signal is between the two
            daemon.__enter__()
        kept = {key: value for key, value in os.environ.items() if key not in LOCAL_VARIABLES}
        code = run(kept | daemon.environment())
    raise typer.Exit(code)


def run_child(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command in the foreground to its end; the exit code is as a shell has it.

    Ctrl-C reaches the command from the terminal, so this process ignores it meanwhile; it passes on SIGTERM and SIGHUP.
    The command inherits what is ignored already, as under `nohup`.
    """
    import subprocess

    before: dict[int, Any] = {}

    def handle(number: int, handler: Callable[[int, Any], object]) -> None:
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, handler)

    handle(signal.SIGINT, lambda *_: None)  # a handler does not outlast exec
    try:
        child = subprocess.Popen(command, env=dict(environment))  # noqa: S603 - the user's own command
    except FileNotFoundError:
        print_error(f"{command[0]}: command not found", "install it, or correct PATH")
        return ExitCode.COMMAND_NOT_FOUND
    except OSError as error:
        print_error(f"{command[0]}: {error.strerror}", "")
        return ExitCode.NOT_EXECUTABLE
    else:
        for number in (signal.SIGTERM, signal.SIGHUP):
            handle(number, lambda got, _: child.send_signal(got))
        code = child.wait()
        return code if code >= 0 else 128 - code
    finally:
        for changed, handler in before.items():
            signal.signal(changed, handler)
