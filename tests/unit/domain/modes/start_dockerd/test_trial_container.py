"""The trial container."""

from __future__ import annotations

import json
import os

import pytest
from tests.unit.domain.modes.start_dockerd.container import RUNTIME, Container, cgroup

from nested_docker.domain.modes.trial_run import PROGRAMS

RUNTIME_FAILS = """#!/bin/sh
echo "$@" >>ROOT/runtime
[ "$(grep -c . ROOT/runtime)" -lt FROM ] || exit 42
cat ROOT/words
exit CODE
"""
READ_ONLY = "runc create failed: mkdir /sys/fs/cgroup/cpuset/docker: read-only file system: unknown"


def runtime_says(container: Container, words: str, code: int = 1, until_start: int = 100) -> None:
    """A runtime that fails, up to one of its starts."""
    container.write("words", words)
    container.program("runc", RUNTIME_FAILS.replace("CODE", str(code)).replace("FROM", str(until_start)))
    container.program("sleep", '#!/bin/sh\necho "$1" >>ROOT/sleeps\n')


def test_dockerd_starts_after_its_runtime_has_run_a_container(container: Container) -> None:
    assert container.start().code == 0
    state, folder = f"{container.root}/run/nested-docker-trial", f"{container.root}/data/nested-docker-trial"
    assert container.read("runtime").split() == ["--root", state, "run", "--bundle", folder, "nested-docker-trial"]
    configuration = json.loads(container.read("config.json"))
    assert configuration["root"]["path"] == "lower"
    assert configuration["linux"]["cgroupsPath"] == "/nested-docker-trial"
    assert {"type": "cgroup"} not in configuration["linux"]["namespaces"]
    machine = os.uname().machine
    assert (container.root / "trial").read_bytes() == PROGRAMS[machine]


def test_on_cgroup_v2_the_trial_is_under_the_pod_in_a_cgroup_namespace(container: Container) -> None:
    cgroup(container, "/kubepods/pod1/c1")
    assert container.start().code == 0
    linux = json.loads(container.read("config.json"))["linux"]
    assert linux["cgroupsPath"] == "/kubepods/pod1/c1/nested-docker-trial"
    assert linux["namespaces"][-1] == {"type": "cgroup"}


def test_its_root_is_an_overlay_mount_where_dockerd_needs_one(container: Container) -> None:
    container.engine("29.9.3")
    assert container.start().code == 0
    assert json.loads(container.read("config.json"))["root"]["path"] == "merged"


def test_a_daemon_in_which_no_container_can_run_does_not_start(container: Container) -> None:
    container.write("dev/termination-log")
    runtime_says(container, f"a line\n{READ_ONLY}\n")
    done = container.start()
    assert done.code == 1
    assert container.read("flags") == ""
    assert f"nested-docker: the trial container did not run: a line\n{READ_ONLY}" in done.stderr
    assert READ_ONLY in container.read("dev/termination-log")
    assert container.read("sleeps").split() == ["1", "4"]
    assert list((container.root / "data").iterdir()) == []


def test_a_failure_that_passes_is_not_reported(container: Container) -> None:
    runtime_says(container, READ_ONLY, until_start=3)
    done = container.start()
    assert (done.code, "trial" in done.stderr) == (0, False)
    assert container.read("flags")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("open /var/lib/docker/x: no space left on device", 1),
        ("mkdir /var/lib/docker/x: disk quota exceeded", 1),
        ("fork/exec /proc/self/exe: cannot allocate memory", 1),
        ("fatal error: runtime: out of memory", 2),
        ("fork/exec /proc/self/exe: resource temporarily unavailable", 1),
        ("runtime: may need to increase max user processes (ulimit -u)\nfatal error: newosproc", 2),
        ("open /proc/self/fd: too many open files", 1),
        ("sh: can't fork", 2),
        ("", 137),
    ],
)
def test_a_limit_keeps_no_daemon_from_starting(container: Container, words: str, code: int) -> None:
    runtime_says(container, words, code)
    done = container.start()
    assert done.code == 0
    assert container.read("flags")
    assert "the trial container met a limit, so nothing shows that containers can run: " in done.stderr
    assert (words or "it was killed") in done.stderr


@pytest.mark.parametrize("code", [0, 1, 127])
def test_a_runtime_that_says_nothing_has_run_nothing(container: Container, code: int) -> None:
    runtime_says(container, "", code)
    done = container.start()
    assert (done.code, container.read("flags")) == (1, "")
    assert f"the trial container did not run: runc ended with code {code} and said nothing" in done.stderr


def test_an_image_without_the_runtime_is_refused(container: Container) -> None:
    container.program("sleep", "#!/bin/sh\n")
    (container.root / "bin/runc").unlink()
    done = container.start()
    assert (done.code, container.read("flags")) == (1, "")
    assert "not found" in done.stderr


def test_a_runtime_that_hangs_is_ended(container: Container) -> None:
    runtime_says(container, "")
    container.program("runc", "#!/bin/sh\nexec sleep 1000\n")
    later = 'read -r now _ <ROOT/proc/uptime; echo "$((${now%.*} + 60)).5 0" >ROOT/proc/uptime'
    container.program("timeout", f'#!/bin/sh\necho "$*" >>ROOT/timeouts\n{later}\nexit 137\n')
    done = container.start()
    assert (done.code, container.read("flags")) == (1, "")
    assert "the trial container did not run: the runtime did not end within 60 s" in done.stderr
    assert container.read("timeouts").startswith("-s KILL 60 runc --root ")


def test_what_a_runtime_that_was_ended_has_left_is_deleted_before_the_next_attempt(container: Container) -> None:
    runtime_says(container, "")
    leftover = "mkdir -p ROOT/run/nested-docker-trial/nested-docker-trial"
    container.program("runc", f'#!/bin/sh\necho "$@" >>ROOT/runtime\n{leftover}\nexit 1\n')
    assert container.start().code == 1
    commands = [line.split()[2] for line in container.read("runtime").splitlines()]
    assert commands == ["run", "delete", "run", "delete", "run"]


def test_the_trial_is_of_the_default_runtime(container: Container) -> None:
    container.program("own", RUNTIME)
    assert container.start(NESTED_DOCKER_TRIAL_RUNTIME="own\n--log a b\n--debug").code == 0
    assert container.read("runtime").startswith("--log a b --debug --root ")


def test_the_trial_can_be_left_out(container: Container) -> None:
    runtime_says(container, READ_ONLY)
    done = container.start(NESTED_DOCKER_TRIAL="Off")
    assert (done.code, container.read("runtime")) == (0, "")
    assert "no trial container runs, so nothing shows that containers can run" in done.stderr
    assert list((container.root / "data").iterdir()) == []


@pytest.mark.parametrize("machine", ["riscv64", "s390x", ""])
def test_on_another_architecture_there_is_no_trial(container: Container, machine: str) -> None:
    container.program("uname", f"#!/bin/sh\necho {machine}\n")
    done = container.start()
    assert (done.code, container.read("runtime")) == (0, "")
    assert "no trial container for this architecture" in done.stderr


def test_what_a_killed_trial_has_left_is_removed(container: Container) -> None:
    container.write("data/nested-docker-trial/upper/old")
    container.write("run/nested-docker-trial/nested-docker-trial/state.json")
    assert container.start().code == 0
    assert list((container.root / "data").iterdir()) == []
    assert not (container.root / "run/nested-docker-trial").exists()
