"""Runs commands side by side, and prints each line of their output with the command's name before it.

Usage: side_by_side.py NAME=COMMAND [NAME=COMMAND ...]

A command that fails does not stop the others. The exit code is 1 if one has failed, and the last line names all that
have. Ctrl-C and SIGTERM interrupt every command, and wait until each has ended.
"""

from __future__ import annotations

import asyncio
import shlex
import signal
import sys
from dataclasses import dataclass
from typing import cast

LINE_BYTES = 1 << 26
"""The longest line of output that is read whole."""


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


async def run(command: Command, running: set[asyncio.subprocess.Process], width: int) -> int:
    """Run a command to its end.

    Args:
        command: what to run.
        running: has the process while it runs.
        width: of the column with the names.

    Returns:
        Its exit code; negative: the signal that ended it.
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
    async for line in cast("asyncio.StreamReader", process.stdout):
        print(f"{command.name:{width}} | {line.decode(errors='replace').rstrip()}", flush=True)
    code = await process.wait()
    running.discard(process)
    return code


async def run_all(commands: list[Command]) -> list[str]:
    """Run commands side by side; the names of those that failed."""
    running: set[asyncio.subprocess.Process] = set()

    def interrupt() -> None:
        for process in running:
            process.send_signal(signal.SIGINT)

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, interrupt)
    width = max(len(command.name) for command in commands)
    codes = await asyncio.gather(*(run(command, running, width) for command in commands))
    return [command.name for command, code in zip(commands, codes, strict=True) if code]


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
    failed = asyncio.run(run_all(commands))
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
