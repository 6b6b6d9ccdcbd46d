"""Mounts that Sysbox does not answer any more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.unit.domain.modes.start_dockerd.container import DOCKERD, Container
from tests.unit.domain.modes.start_dockerd.processes import children, within

WITHOUT_MOUNT = """
import ctypes, os, platform, struct, sys
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ENOSYS = 38, 22, 2, 38
LOAD, EQUAL, RETURN, ERRNO, ALLOW = 0x20, 0x15, 0x06, 0x00050000, 0x7FFF0000
number = {"x86_64": 165, "aarch64": 40}[platform.machine()]
steps = [(LOAD, 0, 0, 0), (EQUAL, 0, 1, number), (RETURN, 0, 0, ERRNO | ENOSYS), (RETURN, 0, 0, ALLOW)]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
program = ctypes.create_string_buffer(struct.pack("HP", len(steps), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
for arguments in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0)):
    if libc.prctl(*arguments):
        sys.exit(os.strerror(ctypes.get_errno()))
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Starts a program for which mount(2) fails as it does once the service has gone that answers it."""

ENOSYS = "mount: mounting /dev/null/none on / failed: Function not implemented"


@contextmanager
def watched(
    container: Container, dockerd: str, *, under: str = "", init: bool = True
) -> Iterator[subprocess.Popen[str]]:
    """The script with its watch, which looks at once instead of after a second.

    Args:
        container: the container.
        dockerd: what dockerd does.
        under: a Python program that starts the script.
        init: whether the image has an init, and not only its shell.
    """
    for file in (container.root / "proc/self").iterdir():
        file.unlink()
    (container.root / "proc/self").rmdir()
    (container.root / "proc/self").symlink_to("/proc/self")
    container.write("dev/termination-log")
    container.program("touch", '#!/bin/sh\n: >"$1"\n')
    (container.root / "bin/sleep").rename(container.root / "bin/really-sleep")
    # The first look waits for dockerd, which a loaded machine may start later.
    wait = "while [ ! -e ROOT/up ]; do really-sleep 0.05; done"
    container.program("sleep", f"#!/bin/sh\necho . >>ROOT/looks\n{wait}\nexec really-sleep 0.05\n")
    container.program("dockerd", DOCKERD.replace("*) ", f"*) echo $$ >ROOT/var/run/docker.pid; {dockerd}\n"))
    container.write("var/run/docker.pid")
    if not init:
        (container.root / "bin/docker-init").unlink()
    start = [sys.executable, "-c", under] if under else []
    with (container.root / "stderr").open("w") as stderr:
        child = subprocess.Popen(
            [*start, "/bin/sh", "-ec", container.script, "start-dockerd"],
            env={"PATH": str(container.root / "bin"), "NESTED_DOCKER_WATCH_MOUNT": "1"},
            stderr=stderr,
            text=True,
            start_new_session=True,
        )
    try:
        within(60, (container.root / "up").exists)
        yield child
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


RUNS = "trap 'exit 0' TERM; touch ROOT/up; while :; do really-sleep 0.05; done"
HANGS = "trap '' TERM; touch ROOT/up; while :; do really-sleep 0.05; done"


@pytest.mark.parametrize("init", [True, False])
def test_a_daemon_whose_mounts_nobody_answers_any_more_ends(container: Container, init: bool) -> None:
    """With the machine's own mount program, so that its words are those that the script looks for."""
    (container.root / "bin/mount").unlink()
    (container.root / "bin/mount").symlink_to(
        next(path for path in ("/usr/bin/mount", "/bin/mount") if Path(path).exists())
    )
    with watched(container, RUNS, under=WITHOUT_MOUNT, init=init) as child:
        assert child.wait(60) == 0
    lost = "nested-docker: mount(2) is not implemented any more, so no inner container can start\n"
    assert container.read("dev/termination-log") == lost
    assert lost in container.read("stderr")


def test_a_daemon_that_does_not_end_then_is_killed(container: Container) -> None:
    container.program("mount", f"#!/bin/sh\necho '{ENOSYS}' >&2; exit 1\n")
    with watched(container, HANGS) as child:
        assert child.wait(60) in {-signal.SIGKILL, 128 + signal.SIGKILL}


def test_the_words_of_other_mount_programs_count(container: Container) -> None:
    words = "mount: /: mount(2) system call failed: Function not implemented."
    container.program("mount", f"#!/bin/sh\necho '{words}' >&2; exit 32\n")
    with watched(container, RUNS) as child:
        assert child.wait(60) == 0


EVERY_OTHER = "[ -e ROOT/odd ] && { rm ROOT/odd; exit 0; }; : >ROOT/odd; "
HEALTHY = {
    "a bind of what cannot exist": "echo 'mount: mounting /dev/null/none on / failed: Not a directory' >&2; exit 1",
    "a security module": "echo 'mount: permission denied (are you root?)' >&2; exit 1",
    "a full disk, or too many mounts": "echo 'mount: /: mount failed: No space left on device.' >&2; exit 32",
    "a memory limit": "echo 'mount: /: mount failed: Cannot allocate memory.' >&2; exit 32",
    "a memory limit that kills": "kill -KILL $$",
    "a limit of processes": "echo 'sh: cannot fork: Resource temporarily unavailable' >&2; exit 2",
    "a filesystem with errors": "echo 'mount: /: mount failed: Input/output error.' >&2; exit 32",
    "a mount namespace in which it works": "exit 0",
    "an image without the program": "echo 'sh: mount: not found' >&2; exit 127",
    "a failure now and then": f"{EVERY_OTHER} echo '{ENOSYS}' >&2; exit 1",
}


@pytest.mark.parametrize("mount", HEALTHY.values(), ids=HEALTHY)
def test_nothing_else_ends_a_daemon(container: Container, mount: str) -> None:
    container.program("mount", f"#!/bin/sh\n{mount}\n")
    with watched(container, RUNS) as child:
        within(60, lambda: len(container.read("looks").splitlines()) > 8)
        assert child.poll() is None
    assert container.read("dev/termination-log") == ""


def test_a_mount_that_hangs_on_a_slow_node_ends_no_daemon(container: Container) -> None:
    source = '#!/bin/sh\ncase "$*" in *none*) : >ROOT/hangs; exec really-sleep 60 ;; esac\n'
    container.program("mount", source)
    with watched(container, RUNS) as child:
        within(60, (container.root / "hangs").exists)
        time.sleep(0.5)
        assert child.poll() is None


def test_a_watch_that_the_kernel_kills_ends_no_daemon(container: Container) -> None:
    with watched(container, RUNS, init=False) as child:
        dockerd = int(container.read("var/run/docker.pid"))
        within(60, lambda: bool(container.read("looks")))
        (watch,) = set(children(child.pid)) - {dockerd}
        os.kill(watch, signal.SIGKILL)
        time.sleep(0.5)
        assert child.poll() is None


def test_only_sysbox_has_a_watch(container: Container) -> None:
    container.program("mount", f"#!/bin/sh\necho \"$@\" >>ROOT/mounts; echo '{ENOSYS}' >&2; exit 1\n")
    assert container.start().code == 0
    assert "--bind" not in container.read("mounts")
