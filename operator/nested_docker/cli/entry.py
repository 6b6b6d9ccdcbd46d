"""Runs one command, and turns wrong usage into one line and a remedy."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from pathlib import PurePath
from typing import cast

import typer

from nested_docker.cli.standard_streams import CANNOT_WRITE

USAGE_ERROR = cast("type[Exception]", typer.BadParameter.__mro__[1])
"""Base of the errors about options and arguments; Typer exports only this subclass."""

KUBECTL_PLUGIN = "kubectl-nested_docker"


def run_command_line(arguments: Sequence[str], program: str = "nested-docker") -> int:
    """Run a command.

    Args:
        arguments: without the program.
        program: path of the program; as a plugin of kubectl, its messages say so.

    Returns:
        The exit code.
    """
    from nested_docker.cli.app import app

    name = "kubectl nested-docker" if PurePath(program).name == KUBECTL_PLUGIN else "nested-docker"
    stdout, stderr = sys.stdout, sys.stderr
    try:
        code = app(list(arguments), prog_name=name, standalone_mode=False)
        sys.stdout.flush()
    except USAGE_ERROR as error:
        return _wrong_usage(error, name)
    except (typer.Abort, KeyboardInterrupt):
        return 130
    except SystemExit:
        if sys.stdout is stdout:
            raise
        sys.stdout, sys.stderr = stdout, stderr  # Typer replaces them when nobody reads the output any more
        return _unwritten(BrokenPipeError(errno.EPIPE, ""))
    except OSError as error:
        if error.errno not in {errno.EPIPE, *CANNOT_WRITE}:
            raise
        return _unwritten(error)
    return code if isinstance(code, int) else 0


def _unwritten(error: OSError) -> int:
    from nested_docker.cli.user.running import report_output_error

    try:
        report_output_error(error)
    except typer.Exit as end:
        return end.exit_code


def _wrong_usage(error: BaseException, name: str) -> int:
    message: str = error.format_message()  # type: ignore[attr-defined]
    context = getattr(error, "ctx", None)
    if context is not None and message == context.get_help():  # a group without a command
        typer.echo(message, err=True)
        return 2
    command = context.command_path if context is not None else name
    typer.echo(f"error: {' '.join(message.split())}", err=True)
    typer.echo(f"hint: {_where_it_belongs(error, command)}{command} --help", err=True)
    return 2


def _where_it_belongs(error: BaseException, command: str) -> str:
    """For an option that is before the command which has it, as kubectl takes it; otherwise empty."""
    option = getattr(error, "option_name", "")
    commands = getattr(getattr(getattr(error, "ctx", None), "command", None), "commands", {})
    options = {name for each in commands.values() for parameter in each.params for name in parameter.opts}
    return f"options follow the command: {command} COMMAND {option}; " if option in options else ""
