"""The first process of the container, which reaps what inner containers leave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.unit.domain.modes.start_dockerd.container import DOCKERD, INIT, Container
from tests.unit.domain.modes.start_dockerd.processes import children, within


@pytest.mark.parametrize("name", ["docker-init", "tini", "catatonit"])
def test_an_init_is_the_first_process(container: Container, name: str) -> None:
    (container.root / "bin/docker-init").unlink()
    container.program(name, INIT)
    assert container.start().code == 0
    assert container.read("init") == f"{name}\n"


AS_REAPER = """
import ctypes, os, sys
PR_SET_CHILD_SUBREAPER = 36
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Starts a program that gets the orphans of its children, as the first process of a container does."""


@contextmanager
def as_first_process(container: Container, dockerd: str) -> Iterator[subprocess.Popen[str]]:
    """The script, with a parent's duty to reap like that of a container's first process."""
    (container.root / "bin/docker-init").unlink()
    container.program("dockerd", DOCKERD.replace("*) ", f"*) {dockerd}\n"))
    child = subprocess.Popen(
        [sys.executable, "-c", AS_REAPER, "/bin/sh", "-ec", container.script, "start-dockerd"],
        env={"PATH": str(container.root / "bin")},
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield child
    finally:
        child.kill()
        child.wait()


ORPHANS = "for i in 1 2 3; do (sleep 0.1 & echo $! >>ROOT/orphans); done; touch ROOT/up; "


def test_without_an_init_the_shell_reaps_what_containers_leave(container: Container) -> None:
    container.program("touch", '#!/bin/sh\n: >"$1"\n')
    with as_first_process(container, ORPHANS + "exec sleep 30") as shell:
        within(10, (container.root / "up").exists)
        within(10, lambda: len(children(shell.pid)) == 1)
        assert "Z" not in children(shell.pid).values()
        (dockerd,) = children(shell.pid)
        os.kill(dockerd, signal.SIGKILL)
        assert shell.wait(10) == 128 + signal.SIGKILL


def test_without_an_init_a_stop_reaches_dockerd_and_waits_for_it(container: Container) -> None:
    container.program("touch", '#!/bin/sh\n: >"$1"\n')
    stopping = "trap 'sleep 0.3; echo stopped >ROOT/stopped; exit 7' TERM; touch ROOT/up; while :; do sleep 0.05; done"
    with as_first_process(container, stopping) as shell:
        within(10, (container.root / "up").exists)
        shell.terminate()
        assert shell.wait(10) == 7
        assert container.read("stopped") == "stopped\n"
