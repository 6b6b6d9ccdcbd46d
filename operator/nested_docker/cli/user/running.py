"""Runs a command: connects to the cluster, and turns every error into one line, its remedy and an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from nested_docker.cli.user.exit_codes import ExitCode

if TYPE_CHECKING:
    from nested_docker.adapters.kube import KubeClient
    from nested_docker.adapters.user_cluster import UserCluster


TRACEBACK = "NESTED_DOCKER_TRACEBACK"
"""Variable that makes a defect print its traceback."""


@dataclass(frozen=True)
class ClusterOptions:
    """Which cluster and namespace a command is for; empty: as the kubeconfig says."""

    namespace: str = ""
    context: str = ""
    kubeconfig: str = ""

    @property
    def arguments(self) -> list[str]:
        """The options as a command has them."""
        return [f"--{name}={value}" for name, value in vars(self).items() if value]


@dataclass(frozen=True)
class Connected:
    """A cluster, and the namespace that a command is for."""

    cluster: UserCluster
    namespace: str

    @property
    def kube(self) -> KubeClient:
        """The API server."""
        return self.cluster.kube


@contextlib.asynccontextmanager
async def connected(options: ClusterOptions) -> AsyncIterator[Connected]:
    """A connection to the cluster of the options.

    Raises:
        ClusterError: there is no usable kubeconfig.
    """
    from nested_docker.adapters.kubeconfig import KubeconfigError
    from nested_docker.adapters.user_cluster import connect_as_user
    from nested_docker.client.errors import ClusterError
    from nested_docker.client.private_files import process_directory

    try:
        cluster = await connect_as_user(options.kubeconfig, options.context, private_directory=str(process_directory()))
    except KubeconfigError as error:
        raise ClusterError(str(error), "name another file by --kubeconfig, or a context by --context") from error
    try:
        yield Connected(cluster, options.namespace or cluster.namespace)
    finally:
        await cluster.close()


def execute(command: Callable[[], Coroutine[Any, Any, int | None]]) -> None:
    """Run a command to its end.

    Raises:
        typer.Exit: with its exit code, if that is not 0.
    """
    import asyncio

    end_on_signals()
    with errors_reported():
        code = asyncio.run(command())
        if code:
            raise typer.Exit(code)


def end_on_signals(code_of_all: ExitCode | None = None) -> None:
    """Make SIGTERM and SIGHUP end this process as `exit` does, so that it leaves nothing behind.

    What is ignored already, as under `nohup`, stays so.

    Args:
        code_of_all: exit code if the system has no such signals; None: that of the error.

    Raises:
        typer.Exit: the system has none.
    """
    from nested_docker.client.platform import check_platform

    with errors_reported(code_of_all):
        check_platform()

    def end(number: int, _: object) -> NoReturn:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)


@contextlib.contextmanager
def errors_reported(code_of_all: ExitCode | None = None) -> Iterator[None]:
    """Print what goes wrong inside, and exit.

    Args:
        code_of_all: exit code of every error; None: that of the error.

    Raises:
        typer.Exit: there was an error.
    """
    from nested_docker.client.errors import NestedDockerError, user_error
    from nested_docker.domain.ports import KubeError

    try:
        yield
    except NestedDockerError as error:
        fail(error.message, error.remedy, code_of_all or exit_code_of(error))
    except KubeError as error:
        explained = user_error(error, "read the cluster's objects")
        fail(explained.message, explained.remedy, code_of_all or exit_code_of(explained))
    except KeyboardInterrupt:
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except typer.Exit:
        raise
    except OSError as error:
        report_output_error(error, code_of_all)
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        _report_defect(error)


def report_output_error(error: OSError, code_of_all: ExitCode | None = None) -> NoReturn:
    """Exit because the output cannot be written; another error is a defect.

    Args:
        error: of a stream or a file.
        code_of_all: exit code if a file cannot be written; None: that of the error.

    Raises:
        typer.Exit: always.
    """
    from nested_docker.cli.standard_streams import CANNOT_WRITE, discard_output

    discard_output()
    if error.errno == errno.EPIPE:
        raise typer.Exit(ExitCode.OUTPUT_CLOSED) from None
    if error.errno not in CANNOT_WRITE:
        if os.environ.get(TRACEBACK):
            raise error
        _report_defect(error)
    with contextlib.suppress(OSError):
        where = error.filename or "the output"
        print_error(f"{where} cannot be written: {error.strerror}", "free some space, or write to another place")
    raise typer.Exit(code_of_all or ExitCode.UNWRITABLE) from None


def _report_defect(error: Exception) -> NoReturn:
    """A defect: the user needs to know that it is none of theirs, and not where it is."""
    what = " ".join(f"{type(error).__name__}: {error}".split())
    fail(what, f"this is a defect of nested-docker: report it with what {TRACEBACK}=1 prints", ExitCode.DEFECT)


def exit_code_of(error: Exception) -> ExitCode:
    """The exit code of an error of the Python API."""
    from nested_docker.client import errors

    if isinstance(error, errors.InvalidRequestError):
        return ExitCode.INVALID
    if isinstance(error, errors.NotFoundError):
        return ExitCode.NOT_FOUND
    if isinstance(error, errors.ClusterError | errors.UnreachableError):
        return ExitCode.CLUSTER
    return ExitCode.NO


def fail(message: str, remedy: str, code: ExitCode) -> NoReturn:
    """Print an error and its remedy on standard error, and exit."""
    print_error(message, remedy)
    raise typer.Exit(code) from None


def print_error(message: str, remedy: str) -> None:
    """Print an error and its remedy on standard error."""
    from nested_docker.domain.shown import one_line

    typer.echo(f"error: {one_line(message)}", err=True)
    if remedy:
        typer.echo(f"hint: {one_line(remedy)}", err=True)


def say(text: str, *, err: bool = False) -> None:
    """Print lines that may have texts of others: no line steers the terminal."""
    from nested_docker.domain.shown import one_line

    typer.echo("\n".join(map(one_line, text.split("\n"))), err=err)


def invalid(message: str, remedy: str = "") -> NoReturn:
    """Reject the user's input."""
    fail(message, remedy, ExitCode.INVALID)
