"""A terminal with a program in it, as people use it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from typing import Self

SECONDS = 60.0


class Terminal:
    """A program whose standard streams are a separate pseudo-terminal.

    Args:
        command: the program with its arguments.
        rows: the window's height.
        columns: its width.
        env: the program's environment.
    """

    def __init__(self, command: list[str], *, rows: int = 24, columns: int = 80, env: dict[str, str]) -> None:
        self._keyboard, inner = pty.openpty()
        self.received = b""
        try:
            self.resize(rows, columns)
            # a program gets signals for keys and sizes only from its controlling terminal
            self._process = subprocess.Popen(
                ["setsid", "--ctty", *command], stdin=inner, stdout=inner, stderr=inner, env=env
            )
        finally:
            os.close(inner)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._keyboard)

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._keyboard, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def follows(self, rows: int, columns: int, pattern: bytes) -> None:
        """Resize the window until the program shows it.

        The docker CLI begins to watch for signals of a new size some time after it has begun to show what runs.
        """
        deadline = time.monotonic() + SECONDS
        while not re.search(pattern, self.received):
            assert time.monotonic() < deadline, f"no {pattern!r} in {self.received!r}"
            self.resize(rows, columns - 1)
            self.resize(rows, columns)
            assert self._read(1.0), f"the program ended without {pattern!r}: {self.received!r}"

    def type(self, keys: bytes) -> None:
        os.write(self._keyboard, keys)

    def shows(self, pattern: bytes) -> bytes:
        """Wait for a pattern, and consume the output up to its end.

        The terminal echoes what is typed, so the pattern should not stand there.
        """
        deadline = time.monotonic() + SECONDS
        while not (found := re.search(pattern, self.received)):
            left = deadline - time.monotonic()
            assert left > 0, f"no {pattern!r} in {self.received!r}"
            assert self._read(left), f"the program ended without {pattern!r}: {self.received!r}"
        self.received = self.received[found.end() :]
        return found[0]

    def ends(self) -> int:
        """Wait until the program exits, and return its exit code."""
        deadline = time.monotonic() + SECONDS
        while self._read(deadline - time.monotonic()):
            assert time.monotonic() < deadline, f"it goes on: {self.received!r}"
        return self._process.wait(timeout=SECONDS)

    def _read(self, seconds: float) -> bool:
        """Receive more output; return whether the program still has the terminal."""
        ready, _, _ = select.select([self._keyboard], [], [], max(seconds, 0))
        if not ready:
            return True
        try:
            data = os.read(self._keyboard, 65536)
        except OSError:  # how Linux says that nobody is on the other side any more
            return False
        self.received += data
        return bool(data)
