"""Terminals through the guard: keys, window sizes, and streams that end when they should."""

from __future__ import annotations

import os
import signal
import subprocess
import uuid
from collections.abc import Iterator

import pytest
from tests.guard.owner import Owner
from tests.guard.terminal import Terminal

CTRL_C, CTRL_P, CTRL_Q, CTRL_X = b"\x03", b"\x10", b"\x11", b"\x18"


@pytest.fixture
def name(alice: Owner) -> Iterator[str]:
    """The name of a container that the test creates."""
    chosen = f"terminal-{uuid.uuid4().hex[:8]}"
    yield chosen
    alice.run("rm", "-f", chosen)


def at_terminal(owner: Owner, *args: str, rows: int = 24, columns: int = 80) -> Terminal:
    command = ["docker", "--host", f"unix://{owner.socket}", *args]
    return Terminal(command, rows=rows, columns=columns, env=dict(os.environ))


def until_size(rows: int, columns: int) -> bytes:
    """A shell command that exits when its terminal has that size; its echo differs from its output."""
    return f'until [ "$(stty size)" = "{rows} {columns}" ]; do sleep 0.05; done; echo "size""-{rows}"\n'.encode()


def follows_its_window(terminal: Terminal) -> None:
    """Check that a shell's terminal has the window's 31 rows and 97 columns, and follows changes."""
    terminal.type(until_size(31, 97))
    terminal.shows(rb"size-31")
    terminal.type(until_size(40, 132))
    terminal.follows(40, 132, rb"size-40")


def test_a_containers_terminal_has_the_windows_size_and_follows_it(alice: Owner, name: str) -> None:
    with at_terminal(alice, "run", "--name", name, "-it", "busybox", "sh", rows=31, columns=97) as terminal:
        follows_its_window(terminal)
        terminal.type(b"exit 7\n")
        assert terminal.ends() == 7


def test_a_terminal_of_exec_has_the_windows_size_and_follows_it(alice: Owner, name: str) -> None:
    alice.docker("run", "-d", "--name", name, "busybox", "sleep", "300")
    with at_terminal(alice, "exec", "-it", name, "sh", rows=31, columns=97) as terminal:
        follows_its_window(terminal)
        terminal.type(b"exit 3\n")
        assert terminal.ends() == 3


def test_a_later_attached_terminal_has_the_size_of_its_window(alice: Owner, name: str) -> None:
    alice.docker("run", "-dit", "--name", name, "busybox", "sh")
    with at_terminal(alice, "attach", name, rows=33, columns=101) as terminal:
        terminal.type(until_size(33, 101))
        terminal.shows(rb"size-33")
        terminal.type(b"exit 5\n")
        assert terminal.ends() == 5


def test_detach_keys_leave_the_container_running(alice: Owner, name: str) -> None:
    with at_terminal(alice, "run", "--name", name, "-it", "busybox", "sh") as terminal:
        terminal.type(b'here=kept; echo "rea""dy"\n')
        terminal.shows(rb"ready")
        terminal.type(CTRL_P + CTRL_Q)
        assert terminal.ends() == 0
    assert alice.docker("inspect", "--format", "{{.State.Running}}", name) == "true"
    with at_terminal(alice, "attach", name) as terminal:
        terminal.type(b'echo "is"-$here\n')
        terminal.shows(rb"is-kept")
        terminal.type(CTRL_P + CTRL_Q)
        terminal.shows(rb"read escape sequence")
    assert alice.docker("inspect", "--format", "{{.State.Running}}", name) == "true"


def test_custom_detach_keys(alice: Owner, name: str) -> None:
    alice.docker("run", "-dit", "--name", name, "busybox", "sh")
    for command in (("attach", "--detach-keys=ctrl-x", name), ("exec", "--detach-keys=ctrl-x", "-it", name, "sh")):
        with at_terminal(alice, *command) as terminal:
            terminal.type(b'echo "rea""dy"\n')
            terminal.shows(rb"ready")
            terminal.type(CTRL_X)
            terminal.ends()
    assert alice.docker("inspect", "--format", "{{.State.Running}}", name) == "true"


LOOP = 'trap "echo caught; exit 9" INT; echo ready; while :; do sleep 0.05; done'


def test_ctrl_c_reaches_the_process(alice: Owner, name: str) -> None:
    with at_terminal(alice, "run", "--name", name, "-it", "busybox", "sh", "-c", LOOP) as terminal:
        terminal.shows(rb"ready")
        terminal.type(CTRL_C)
        terminal.shows(rb"caught")
        assert terminal.ends() == 9


def test_ctrl_c_reaches_the_process_of_exec(alice: Owner, name: str) -> None:
    alice.docker("run", "-d", "--name", name, "busybox", "sleep", "300")
    with at_terminal(alice, "exec", "-it", name, "sh", "-c", LOOP) as terminal:
        terminal.shows(rb"ready")
        terminal.type(CTRL_C)
        terminal.shows(rb"caught")
        assert terminal.ends() == 9


def test_a_signal_to_a_client_without_a_terminal_reaches_the_process(alice: Owner, name: str) -> None:
    command = ["docker", "--host", f"unix://{alice.socket}", "run", "--name", name, "busybox", "sh", "-c", LOOP]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"ready\n"
        client.send_signal(signal.SIGINT)
        assert client.stdout.read() == b"caught\n"
        assert client.wait(timeout=60) == 9


def test_a_terminal_that_hangs_up_leaves_the_container_running(alice: Owner, name: str) -> None:
    alice.docker("run", "-dit", "--name", name, "busybox", "sh")
    with at_terminal(alice, "attach", name) as terminal:
        terminal.type(b'echo "rea""dy"\n')
        terminal.shows(rb"ready")
    with at_terminal(alice, "attach", name) as terminal:
        terminal.type(b'echo "aga""in"\n')
        terminal.shows(rb"again")


@pytest.mark.parametrize("ending", [("stop", "-t", "0"), ("kill",), ("rm", "-f")], ids=lambda words: words[0])
def test_followed_logs_end_when_the_container_ends(alice: Owner, name: str, ending: tuple[str, ...]) -> None:
    alice.docker("run", "-d", "--name", name, "busybox", "sh", "-c", "echo first; sleep 300")
    command = ["docker", "--host", f"unix://{alice.socket}", "logs", "-f", name]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"first\n"
        alice.docker(*ending, name)
        assert client.stdout.read() == b""
        assert client.wait(timeout=60) == 0


def test_a_container_answers_after_its_input_has_ended(alice: Owner, name: str) -> None:
    lines = [f"{number:08}" for number in range(200_000, 0, -1)]
    answered = alice.docker(
        "run", "--name", name, "-i", "busybox", "sh", "-c", "sort; echo end", stdin="\n".join(lines)
    )
    assert answered.split("\n") == [*reversed(lines), "end"]


def test_a_started_container_takes_input_to_its_end(alice: Owner, name: str) -> None:
    alice.docker("create", "-i", "--name", name, "busybox", "sh", "-c", "cat; echo; echo end; exit 4")
    ran = alice.run("start", "-ai", name, stdin=b"given")
    assert (ran.returncode, ran.stdout) == (4, b"given\nend\n")
