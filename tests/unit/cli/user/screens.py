"""Runs the command line in a pseudo-terminal, and renders what a person sees there as text."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pyte

COLUMNS, LINES = 120, 40
OPERATOR = Path(__file__).parents[4] / "operator"
CHANGING = (
    (re.compile(r"\b\d+(\.\d+)?(ms|s|m|h|d|y)(\d+(s|m|h))?\b"), "<time>"),
    (re.compile(r"\b\d+ days?\b"), "<days>"),
    (re.compile(r"[⠁-⣿] "), ""),
    (re.compile(r" {2,}"), "  "),
)
"""What differs between two runs, with what is written for it; the width of columns follows the first."""


def screen_of(arguments: list[str], environment: dict[str, str]) -> tuple[int, str]:
    """Exit code of a command, and the terminal's text at its end.

    Args:
        arguments: of `nested-docker`.
        environment: variables in addition to PATH.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    variables = {
        "PATH": os.environ["PATH"],
        "TERM": "xterm",
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(OPERATOR),
    } | environment
    command = [sys.executable, "-m", "nested_docker", *arguments]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=variables) as process:
        os.close(theirs)
        written = _everything(ours)
    os.close(ours)
    screen = pyte.Screen(COLUMNS, LINES)
    pyte.ByteStream(screen).feed(written)
    return process.returncode, "\n".join(line.rstrip() for line in screen.display).rstrip() + "\n"


def _everything(terminal: int) -> bytes:
    """What is written until no process has the other end any more, which Linux reports as an error."""
    written = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:
            return written
        if not part:
            return written
        written += part


def steady(text: str, **known: str) -> str:
    """A screen without what differs between two runs; `known` has texts by what is written for them."""
    for name, value in known.items():
        text = text.replace(value, f"<{name}>")
    for pattern, replacement in CHANGING:
        text = pattern.sub(replacement, text)
    return text
