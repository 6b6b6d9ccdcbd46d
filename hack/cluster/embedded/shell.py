"""Running other programs, so that each failure says what was run, where its output is, and its end."""

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from embedded.report import ClusterError, tail

Arg = str | os.PathLike[str]


def output(argv: Sequence[Arg], *, text: str | None = None, stdin: IO[bytes] | None = None) -> str:
    """Run a program to its end and give what it printed on stdout.

    Args:
        argv: The program and its arguments.
        text: What it reads on stdin.
        stdin: A file that it reads on stdin, instead of `text`.

    Raises:
        ClusterError: It isn't installed or its exit status isn't 0.
    """
    try:
        done = subprocess.run(
            argv,
            input=None if text is None else text.encode(),
            stdin=subprocess.DEVNULL if stdin is None and text is None else stdin,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise ClusterError(f"{argv[0]} is not installed; `cluster build` installs what is missing") from error
    if done.returncode:
        said = tail(done.stderr.decode(errors="replace") or done.stdout.decode(errors="replace"))
        raise ClusterError(f"{_line(argv)} failed with status {done.returncode}: {said}")
    return done.stdout.decode(errors="replace")


def logged(argv: Sequence[Arg], log: Path, *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> None:
    """Run a long program with all of its output in a new log file.

    Raises:
        ClusterError: It isn't installed or its exit status isn't 0; the message ends with the log's last lines.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as sink:
        sink.write(f"$ {_line(argv)}\n".encode())
        sink.flush()
        try:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                env=None if env is None else {**os.environ, **env},
                cwd=cwd,
                check=False,
            )
        except FileNotFoundError as error:
            raise ClusterError(f"{argv[0]} is not installed; `cluster build` installs what is missing") from error
    if done.returncode:
        said = tail(log.read_text(errors="replace"))
        raise ClusterError(f"{argv[0]} failed with status {done.returncode}; all of its output: {log}\n{said}")


def _line(argv: Sequence[Arg]) -> str:
    return shlex.join(os.fspath(arg) for arg in argv)
