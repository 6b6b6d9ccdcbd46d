"""The trial container: its program, its configuration, and what a runtime's refusal means."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from nested_docker.api.v1alpha1.engine import EngineSpec
from nested_docker.domain.modes.trial_run import EXIT_CODE, PROGRAMS, UNKNOWN_REMEDY, bundle, environment, explain
from nested_docker.domain.status.reasons import Reason

PREFIX = "nested-docker: the trial container did not run: "


def test_the_program_only_ends_with_its_code(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(PROGRAMS[os.uname().machine])
    program.chmod(0o755)
    done = subprocess.run([program], check=False, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (EXIT_CODE, b"", b"")


@pytest.mark.parametrize(("machine", "number"), [("x86_64", 62), ("aarch64", 183)])
def test_each_program_is_small_and_for_its_machine(machine: str, number: int) -> None:
    program = PROGRAMS[machine]
    assert program[:4] == b"\x7fELF"
    assert int.from_bytes(program[18:20], "little") == number
    assert len(program) <= 132


def test_the_instructions_of_arm_are_those_of_its_manual() -> None:
    code = PROGRAMS["aarch64"][120:]
    words = [int.from_bytes(code[at : at + 4], "little") for at in (0, 4, 8)]
    assert words == [0xD2800BA8, 0xD2800540, 0xD4000001]  # mov x8, 93; mov x0, 42; svc 0


def test_the_container_has_no_network_and_docker_s_capabilities() -> None:
    container = json.loads(bundle("merged", "/pod/trial", ',{"type":"cgroup"}'))
    assert container["root"] == {"path": "merged"}
    assert [each["type"] for each in container["linux"]["namespaces"]] == [
        *("mount", "network", "uts", "pid", "ipc", "cgroup")
    ]
    assert "CAP_SYS_ADMIN" not in container["process"]["capabilities"]["bounding"]
    assert len(container["process"]["capabilities"]["bounding"]) == 14


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        ("mkdir /sys/fs/cgroup/cpuset/nested-docker-trial: read-only file system", "cgroup_writable = true"),
        ("mkdir /sys/fs/cgroup/nested-docker-trial: permission denied", "systemd cgroup driver"),
        ("unable to create session key: operation not permitted", "forbids keyctl"),
        ('error mounting "sysfs" to rootfs at "/sys": operation not permitted', "procMount: Unmasked"),
        ('error mounting "proc" to rootfs at "/proc": permission denied', "procMount: Unmasked"),
        ("unable to apply apparmor profile: permission denied", "securityModules"),
        ("exec /trial: exec format error", "another architecture"),
        ("/bin/sh: 1: own-runtime: not found", "correct default-runtime"),
        ("timeout: can't execute 'runc': No such file or directory", "correct default-runtime"),
        ("the runtime did not end within 60 s", "look at the node"),
        ("something new", UNKNOWN_REMEDY),
    ],
)
def test_each_obstacle_has_its_remedy(words: str, remedy: str) -> None:
    explained = explain(f"{PREFIX}{words}\n")
    assert explained is not None
    reason, message = explained
    assert reason == Reason.TRIAL_RUN_FAILED
    assert remedy in message
    assert f"(the runtime said: {words})" in message
    assert "The kubelet tries again" in message


def test_a_runtime_s_log_is_read() -> None:
    explained = explain(
        f'{PREFIX}time="2026-03-01T12:00:00Z" level=warning msg="ignoring something"\n'
        'time="2026-03-01T12:00:00Z" level=error msg="runc run failed: exec: \\"/trial\\": permission denied"\n'
    )
    assert explained is not None
    assert '(the runtime said: runc run failed: exec: "/trial": permission denied)' in explained[1]


def test_the_words_of_a_runtime_are_shortened_and_printable() -> None:
    explained = explain(PREFIX + "\x1b[31m" + "x" * 5000)
    assert explained is not None
    assert len(explained[1]) < 1000
    assert "\x1b" not in explained[1]


@pytest.mark.parametrize("text", ["", "failed to start daemon", "the trial container met a limit: killed"])
def test_another_end_of_the_daemon_is_not_the_trial_s(text: str) -> None:
    assert explain(text) is None


OWN = {"own": {"path": "/opt/own", "runtimeArgs": ["--log", "a b"]}}


@pytest.mark.parametrize(
    ("config", "variables"),
    [
        ({}, {}),
        ({"default-runtime": "runc"}, {}),
        ({"default-runtime": "io.containerd.runc.v2"}, {}),
        ({"runtimes": OWN}, {}),
        ({"default-runtime": "own", "runtimes": OWN}, {"NESTED_DOCKER_TRIAL_RUNTIME": "/opt/own\n--log\na b"}),
        ({"default-runtime": "io.containerd.kata.v2"}, {"NESTED_DOCKER_TRIAL": "Off"}),
        (
            {"default-runtime": "wasm", "runtimes": {"wasm": {"runtimeType": "io.containerd.wasmtime.v1"}}},
            {"NESTED_DOCKER_TRIAL": "Off"},
        ),
        ({"default-runtime": "own", "runtimes": {"own": "text"}}, {"NESTED_DOCKER_TRIAL": "Off"}),
        ({"default-runtime": "own", "runtimes": {"own": {"path": "a\nb"}}}, {"NESTED_DOCKER_TRIAL": "Off"}),
    ],
)
def test_the_runtime_is_the_engine_s(config: dict[str, Any], variables: dict[str, str]) -> None:
    assert environment(EngineSpec(config=config)) == variables
