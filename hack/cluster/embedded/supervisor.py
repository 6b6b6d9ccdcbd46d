"""The node's first process, once its namespaces are ready: it starts, signals, stops and reaps.

It is asked through a Unix socket: one connection, one JSON object in, one JSON object out. A caller
knows the process by the connection itself (see `node_client`), so there is no file of its pid that
could be stale.
"""

import json
import os
import select
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from embedded.report import Clock

STOP_SECONDS = 2.0
SHUTDOWN_SECONDS = 1.0  # the API server would take a minute to let its watchers go


@dataclass
class Process:
    """A component: its command, its pid in the node, and how it ended if it did by itself."""

    argv: list[str]
    pid: int
    ended: str = ""


class RequestError(Exception):
    """A request that can't be fulfilled; the text goes back to the asker."""


class Supervisor:
    """Keeps the table of components and acts on requests, one at a time."""

    def __init__(self, logs: Path, clock: Clock) -> None:
        self.logs = logs
        self.clock = clock
        self.processes: dict[str, Process] = {}

    def serve(self, listener: socket.socket) -> None:
        """Answer requests and reap until SIGTERM, then stop all components."""
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        stopping: list[int] = []
        signal.signal(signal.SIGTERM, lambda number, _: stopping.append(number))
        signal.signal(signal.SIGCHLD, lambda *_: None)  # any handler, for the wake-up
        while not stopping:
            ready, _, _ = select.select([listener.fileno(), wake_read], [], [])
            if wake_read in ready:
                os.read(wake_read, 4096)
                self.reap()
            if listener.fileno() in ready:
                self._converse(listener)
        self.shutdown()

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Fulfil one request.

        Raises:
            RequestError: It makes no sense in the present state.
        """
        verb, name = request.get("verb"), request.get("name", "")
        if verb == "start":
            if name in self.processes and not self.processes[name].ended:
                raise RequestError(f"{name} is running already")
            self._start(name, request["argv"])
        elif verb == "stop":
            self._stop(name, request.get("patience", STOP_SECONDS))
        elif verb == "restart":
            argv = request.get("argv") or self._known(name).argv
            self._stop(name, request.get("patience", STOP_SECONDS))
            self._start(name, argv)
        elif verb == "signal":
            process = self._known(name)
            if process.ended:
                raise RequestError(f"{name} has ended: {process.ended}")
            os.kill(process.pid, request["signal"])
        elif verb != "status":
            raise RequestError(f"no verb {verb!r}")
        return {"components": {name: asdict(process) for name, process in self.processes.items()}}

    def reap(self) -> None:
        """Collect every child that has ended, adopted orphans too, and note components among them."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for name, process in self.processes.items():
                if process.pid == pid and not process.ended:
                    process.ended = describe(os.waitstatus_to_exitcode(status))
                    self.clock.say("ENDED", name, process.ended)

    def shutdown(self) -> None:
        """Ask every component to end and wait a little; the kernel ends the rest with this process."""
        self.clock.say("stopping")
        for process in self.processes.values():
            if not process.ended:
                os.kill(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + SHUTDOWN_SECONDS
        while time.monotonic() < deadline and any(not process.ended for process in self.processes.values()):
            self.reap()
            time.sleep(0.02)

    def _converse(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(5.0)  # an asker that says nothing mustn't hold up the reaping
            try:
                with connection.makefile("r") as lines:
                    line = lines.readline()
                if not line:
                    return  # someone who only wanted to know whether the node is up
                reply = self.answer(json.loads(line))
            except (RequestError, OSError, ValueError, KeyError) as error:
                self.clock.say("refused:", error)
                reply = {"error": str(error) or repr(error)}
            try:
                connection.sendall(json.dumps(reply).encode() + b"\n")
            except OSError as error:
                self.clock.say("an asker left before the reply:", error)

    def _known(self, name: str) -> Process:
        if name not in self.processes:
            raise RequestError(f"no component {name!r}; there are: {' '.join(sorted(self.processes))}")
        return self.processes[name]

    def _start(self, name: str, argv: list[str]) -> None:
        log = str(self.logs / f"{name}.log")
        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        pid = os.posix_spawnp(
            argv[0],
            argv,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, append, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
        self.processes[name] = Process(argv, pid)
        self.clock.say("started", name)

    def _stop(self, name: str, patience: float) -> None:
        process = self._known(name)
        if not process.ended:
            os.kill(process.pid, signal.SIGTERM)
            if not self._awaited(process, patience):
                self.clock.say(f"{name} is still there {patience:.0f} s after SIGTERM: killing it")
                os.kill(process.pid, signal.SIGKILL)
                os.waitpid(process.pid, 0)
        del self.processes[name]
        self.clock.say("stopped", name)

    @staticmethod
    def _awaited(process: Process, patience: float) -> bool:
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if os.waitpid(process.pid, os.WNOHANG)[0]:
                return True
            time.sleep(0.02)
        return False


def describe(code: int) -> str:
    """An exit code in words; negative ones are signals, as in `subprocess`."""
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"


def listen(path: Path) -> socket.socket:
    """Listen on a Unix socket at a path of any length, in place of one that a crash left."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    with socket_address(path) as address:
        listener.bind(address)
    listener.listen(16)
    return listener


@contextmanager
def socket_address(path: Path) -> Iterator[str]:
    """The address of a Unix socket whose path may be longer than the 107 bytes that the kernel takes."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
