"""A background process that serves a Docker socket after the command that started it has ended.

Its lock file is locked as long as it runs, and has its process id; the mark is there while it serves.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

STOP_SECONDS = 20.0
LOCK_PAUSE_SECONDS = 0.05


@dataclass(frozen=True)
class Agent:
    """The agent of one NestedDocker.

    Attributes:
        directory: where its files are; only this user can read it.
        key: which NestedDocker of which cluster it is for, and how it serves.
    """

    directory: Path
    key: str

    @property
    def socket(self) -> Path:
        """The Docker socket."""
        return self.directory / f"{self.key}.sock"

    @property
    def docker_host(self) -> str:
        """URL of the socket."""
        return f"unix://{self.socket}"

    @property
    def lock(self) -> Path:
        """The lock file."""
        return self.directory / f"{self.key}.lock"

    @property
    def mark(self) -> Path:
        """An empty file that says that it serves."""
        return self.directory / f"{self.key}.serves"

    def serves(self) -> bool:
        """Whether it runs, and clients can connect."""
        return self._pid() is not None and self.mark.exists()

    def start(self, arguments: Sequence[str], seconds: float) -> Mapping[str, Any]:
        """Start it, and wait until it serves.

        Args:
            arguments: of `nested-docker forward`.
            seconds: how long to wait.

        Returns:
            Nothing, or `error`, `remedy` and `code`.
        """
        command = [sys.executable, "-m", "nested_docker", "forward", *arguments]
        started = subprocess.Popen(  # noqa: S603 - this program itself
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            answer = _answer(started, seconds)
        except BaseException:
            started.terminate()
            started.wait()
            raise
        if answer is not None and "error" not in answer:
            started.returncode = 0  # it outlives this process, which need not wait for it
            return answer
        if answer is None:
            started.terminate()
        started.wait()
        return answer or {
            "error": "the process in the background did not start",
            "remedy": "nested-docker doctor",
            "code": 4,
        }

    def stop(self) -> bool:
        """Stop it, and wait until it has ended; False: it did not run."""
        pid = self._pid()
        if pid is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while self._pid() is not None and time.monotonic() < deadline:
            time.sleep(LOCK_PAUSE_SECONDS)
        return True

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Be the agent for the time of the block.

        Raises:
            BlockingIOError: another process is.
        """
        with self._locked() as file:
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            try:
                yield
            finally:
                self.mark.unlink(missing_ok=True)
                self.lock.unlink()

    def publish(self) -> None:
        """Say that clients can connect."""
        self.mark.touch(mode=0o600)

    def _locked(self) -> TextIO:
        """The lock file, locked; not one that an agent has removed at its end meanwhile."""
        while True:
            file = self.lock.open("a+", encoding="ascii")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                with contextlib.suppress(FileNotFoundError):
                    if os.path.samestat(self.lock.stat(), os.fstat(file.fileno())):
                        self.mark.unlink(missing_ok=True)  # of an agent that was killed
                        return file
            except BlockingIOError:
                file.close()
                raise
            file.close()

    def _pid(self) -> int | None:
        """The process that holds the lock; None: there is none."""
        try:
            with self.lock.open("r", encoding="ascii") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    text = file.read()
                    return int(text) if text.isdigit() else None
        except FileNotFoundError:
            return None
        return None


def agents_of(directory: Path, prefix: str) -> list[Agent]:
    """The agents whose keys begin so."""
    return [Agent(directory, path.stem) for path in sorted(directory.glob(f"{prefix}*.lock"))]


def _answer(started: subprocess.Popen[bytes], seconds: float) -> Mapping[str, Any] | None:
    assert started.stdout is not None  # noqa: S101 - it is a pipe
    with started.stdout:
        readable, _, _ = select.select([started.stdout], [], [], seconds)
        line = started.stdout.readline() if readable else b""
    answer: Mapping[str, Any] | None = json.loads(line) if line else None
    return answer
