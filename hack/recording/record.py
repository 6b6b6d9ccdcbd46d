"""Records commands: what they print, and when, as an asciicast (version 2) of lines.

Usage: record.py CAST COMMAND...

The commands run in a shell, one after the other, in the current folder, with the output to a pipe: programs then print
lines, and no cursor movements. `make recording` has the commands of the README's.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

WIDTH = 96
PROMPT = "$ "
PAUSE_SECONDS = 1.0
"""Between two commands, so that a reader can follow."""


def events(commands: list[str], clock: Callable[[], float] = time.monotonic) -> Iterator[tuple[float, str]]:
    """Seconds since the start, and a line, for each line that is shown.

    Raises:
        SystemExit: a command failed, so that no failure is recorded by mistake.
    """
    started, pauses = clock(), 0.0
    for command in commands:
        yield clock() - started + pauses, f"{PROMPT}{command}"
        with subprocess.Popen(
            ["sh", "-c", command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            for line in process.stdout:
                yield clock() - started + pauses, line.rstrip()
        if process.returncode:
            raise SystemExit(f"{command!r} ended with status {process.returncode}: record commands that succeed")
        pauses += PAUSE_SECONDS


def cast(lines: Iterator[tuple[float, str]]) -> str:
    """The lines as an asciicast."""
    shown = [(round(at, 2), line) for at, line in lines]
    head = json.dumps({"version": 2, "width": WIDTH, "height": len(shown)})
    return "".join(f"{each}\n" for each in [head, *(json.dumps([at, "o", f"{line}\r\n"]) for at, line in shown)])


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(cast(events(sys.argv[2:])), encoding="utf-8")
