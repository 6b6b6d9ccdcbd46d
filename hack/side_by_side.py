"""Runs commands side by side, and prints each line of their output with the command's name before it.

Usage: side_by_side.py NAME=COMMAND [NAME=COMMAND ...]

A command that fails does not stop the others. The exit code is 1 if one has failed; the last lines of each that has are
then printed once more, since other commands' lines came after them, and the very last line names them all. Ctrl-C and
SIGTERM interrupt every command, and wait until each has ended.
"""

from __future__ import annotations

import asyncio
import shlex
import signal
import sys
from collections import deque
from dataclasses import dataclass
from typing import cast

LINE_BYTES = 1 << 26
"""The longest line of output that is read whole."""
LAST_LINES = 30
"""How many lines of a command that has failed are printed once more."""


@dataclass(frozen=True)
class End:
    """How a command has ended.

    Attributes:
        code: its exit code; negative: the signal that ended it.
        last_lines: of its output, as printed.
    """

    code: int
    last_lines: tuple[str, ...]


@dataclass(frozen=True)
class Command:
    """A command with its name.

    Attributes:
        name: what its lines of output begin with.
        words: the program and its arguments.
    """

    name: str
    words: tuple[str, ...]


def parsed(argument: str) -> Command:
    """A command from `NAME=COMMAND`, whose words are split as a shell does.

    Raises:
        ValueError: a name, the sign or the command is missing, or a quotation mark is not closed.
    """
    name, _, command = argument.partition("=")
    words = tuple(shlex.split(command))
    if not name or not words:
        raise ValueError(f"{argument!r} is not NAME=COMMAND, such as unit='pytest tests/unit'")
    return Command(name, words)


async def run(command: Command, running: set[asyncio.subprocess.Process], width: int) -> End:
    """Run a command to its end.

    Args:
        command: what to run.
        running: has the process while it runs.
        width: of the column with the names.
    """
    process = await asyncio.create_subprocess_exec(
        *command.words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        limit=LINE_BYTES,
        start_new_session=True,
    )
    running.add(process)
    last_lines = deque[str](maxlen=LAST_LINES)
    async for line in cast("asyncio.StreamReader", process.stdout):
        last_lines.append(f"{command.name:{width}} | {line.decode(errors='replace').rstrip()}")
        print(last_lines[-1], flush=True)
    code = await process.wait()
    running.discard(process)
    return End(code, tuple(last_lines))


async def run_all(commands: list[Command]) -> list[End]:
    """Run commands side by side; how each has ended, in the same order."""
    running: set[asyncio.subprocess.Process] = set()

    def interrupt() -> None:
        for process in running:
            process.send_signal(signal.SIGINT)

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, interrupt)
    width = max(len(command.name) for command in commands)
    return await asyncio.gather(*(run(command, running, width) for command in commands))


def main(arguments: list[str]) -> int:
    """The exit code; 2: the arguments are wrong."""
    try:
        commands = [parsed(argument) for argument in arguments]
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if not commands:
        print(__doc__, file=sys.stderr)
        return 2
    ends = zip(commands, asyncio.run(run_all(commands)), strict=True)
    failed = [(command.name, end.last_lines) for command, end in ends if end.code]
    for name, last_lines in failed:
        print(f"the last lines of {name}, which has failed:", *last_lines, sep="\n", flush=True)
    if failed:
        print(f"failed: {', '.join(name for name, _ in failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
