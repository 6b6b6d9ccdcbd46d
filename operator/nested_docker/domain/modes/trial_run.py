"""The container that shows that a daemon's runtime can start containers, before the daemon answers anybody.

The start script runs it: a program of 128 bytes, which only exits with a code by which nothing else ends.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping
from typing import Any

from nested_docker.api.v1alpha1.engine import EngineSpec
from nested_docker.domain.modes.unprivileged import CGROUP_OF_ANOTHER_USER
from nested_docker.domain.shown import shorten
from nested_docker.domain.status.reasons import Reason

EXIT_CODE = 42
"""Only the program ends with it."""

WORDS_LENGTH = 400
"""Characters of a runtime's own words in a message."""

TRIAL_VARIABLE = "NESTED_DOCKER_TRIAL"
"""Variable of the daemon's container; the value of OFF leaves the trial out."""

OFF = "Off"

_HEADER, _PROGRAM_HEADER, _LOAD_ADDRESS, _PAGE = 64, 56, 0x400000, 0x1000
X86_64, _AARCH64 = 62, 183


def executable(machine: int, code: bytes) -> bytes:
    """A static ELF file of one segment, which may be read and executed.

    Args:
        machine: number of the processor's architecture in the header.
        code: what it begins with.
    """
    start, size = _HEADER + _PROGRAM_HEADER, _HEADER + _PROGRAM_HEADER + len(code)
    identity = b"\x7fELF" + bytes([2, 1, 1, 0]) + bytes(8)  # 64 bits, little-endian, version 1, System V
    entry = _LOAD_ADDRESS + start
    header = struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, entry, _HEADER, 0, 0, _HEADER, _PROGRAM_HEADER, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _LOAD_ADDRESS, _LOAD_ADDRESS, size, size, _PAGE)
    return identity + header + segment + code


PROGRAMS: Mapping[str, bytes] = {
    "x86_64": executable(
        X86_64,
        bytes([0x6A, 60, 0x58])  # push 60; pop rax: exit
        + bytes([0x6A, EXIT_CODE, 0x5F])  # push EXIT_CODE; pop rdi
        + bytes([0x0F, 0x05]),  # syscall
    ),
    "aarch64": executable(
        _AARCH64,
        struct.pack("<I", 0xD2800008 | 93 << 5)  # mov x8, 93: exit
        + struct.pack("<I", 0xD2800000 | EXIT_CODE << 5)  # mov x0, EXIT_CODE
        + struct.pack("<I", 0xD4000001),  # svc 0
    ),
}
"""The program for each machine, by its name in `uname -m`."""

_NO_EXECUTION = ["nosuid", "noexec", "nodev"]
_CAPABILITIES = [
    f"CAP_{name}"
    for name in (
        *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE"),
        *("NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
    )
]


def _mount(destination: str, kind: str, *options: str) -> dict[str, Any]:
    return {"destination": destination, "type": kind, "source": kind, "options": list(options)}


def bundle(root: str, cgroup: str, further_namespaces: str = "") -> str:
    """The OCI configuration of the container: what dockerd gives each container, as far as its start can fail by it.

    There is no network and no seccomp profile: dockerd makes a network itself before it answers.

    Args:
        root: its root filesystem, relative to the bundle.
        cgroup: its path in the cgroup filesystems.
        further_namespaces: as JSON, each after a comma.
    """
    sets = ("bounding", "effective", "permitted")
    container = {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": ["/trial"],
            "env": ["PATH=/"],
            "cwd": "/",
            "capabilities": dict.fromkeys(sets, _CAPABILITIES),
        },
        "root": {"path": "@root@"},
        "hostname": "trial",
        "mounts": [
            _mount("/proc", "proc", *_NO_EXECUTION),
            _mount("/dev", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
            _mount("/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
            _mount("/sys", "sysfs", *_NO_EXECUTION, "ro"),
            _mount("/sys/fs/cgroup", "cgroup", *_NO_EXECUTION, "ro"),
            _mount("/dev/mqueue", "mqueue", *_NO_EXECUTION),
        ],
        "linux": {
            "cgroupsPath": "@cgroup@",
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "namespaces": [{"type": each} for each in ("mount", "network", "uts", "pid", "ipc", "@last@")],
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/sys/firmware"],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    }
    text = json.dumps(container, separators=(",", ":")).replace(',{"type":"@last@"}', further_namespaces)
    return text.replace("@root@", root).replace("@cgroup@", cgroup)


def in_script(script: str) -> str:
    """The start script with the programs, as arguments of printf, and with the container's configuration."""
    for machine, program in PROGRAMS.items():
        script = script.replace(f"@{machine}@", "".join(f"\\{byte:03o}" for byte in program))
    return script.replace("@bundle@", bundle("%s", "%s", "%s")).replace("@exit code@", str(EXIT_CODE))


def environment(engine: EngineSpec) -> dict[str, str]:
    """Variables by which the start script finds the runtime; empty: it is runc.

    A runtime that has only a containerd shim cannot be run without containerd, so there is no trial.
    """
    config = engine.config or {}
    name = config.get("default-runtime")
    if not isinstance(name, str) or name in {"", "runc", "io.containerd.runc.v2"}:
        return {}
    runtimes = config.get("runtimes")
    known = runtimes.get(name) if isinstance(runtimes, Mapping) else None
    path, arguments = (known.get("path"), known.get("runtimeArgs")) if isinstance(known, Mapping) else (None, None)
    if not isinstance(path, str) or not path:
        return {TRIAL_VARIABLE: OFF}
    given = [each for each in arguments if isinstance(each, str)] if isinstance(arguments, list) else []
    if any("\n" in each for each in (path, *given)):
        return {TRIAL_VARIABLE: OFF}
    return {"NESTED_DOCKER_TRIAL_RUNTIME": "\n".join((path, *given))}


_FAILED = re.compile(r"the trial container did not run: (?P<words>.*)", re.DOTALL)
_LOGGED = re.compile(r'msg="(?P<message>(?:[^"\\]|\\.)*)"')
"""The words in a line of a runtime's log."""

REMEDIES = (
    (
        r"cgroup\S*: read-only file system",
        "the pod may not write its own cgroup: give it a runtime handler that lets it, such as one of containerd 2.1 "
        "or newer with cgroup_writable = true, by the class's runtimeClassName",
    ),
    (r"cgroup\S*: permission denied", CGROUP_OF_ANOTHER_USER),
    (
        r"session key",
        "the pod's seccomp profile forbids keyctl: use a profile that allows it, or Unconfined",
    ),
    (
        r'mounting "(proc|sysfs)".*(operation not permitted|permission denied)',
        "the pod may not mount proc or sysfs: it needs procMount: Unmasked in a user namespace, or privileged: true",
    ),
    (
        r"apparmor",
        "the AppArmor profile that confines the pod does not let the runtime change to another one: let the profile "
        "allow it, or use another one in the class's securityModules",
    ),
    (r"exec format error", "the image's programs are for another architecture than the node's: choose another image"),
    (
        r"not found|failed to run command|can't execute",
        "the image lacks the runtime, or a program of it: choose another spec.engine.image, or correct default-runtime "
        "and runtimes in spec.engine.config",
    ),
    (
        r"did not end within",
        "look at the node: its disks, its load, and services that intercept system calls, such as sysbox-fs",
    ),
)
"""Patterns of a runtime's words, each with the remedy; the first match counts."""

UNKNOWN_REMEDY = "compare the class's mode and security settings with what the runtime says"


def _last_message(words: str) -> str:
    """The last line of what a runtime says, without the time and the quotes of a log."""
    last = next((line.strip() for line in reversed(words.splitlines()) if line.strip()), "")
    logged = _LOGGED.search(last)
    return logged["message"].replace('\\"', '"') if logged else last


def explain(text: str) -> tuple[Reason, str] | None:
    """Why no container can run, with the remedy; None: the trial is not why the daemon ended.

    Args:
        text: the last words of the daemon's container.
    """
    found = _FAILED.search(text)
    if found is None:
        return None
    words = shorten(_last_message(found["words"]), WORDS_LENGTH)
    remedy = next((meaning for pattern, meaning in REMEDIES if re.search(pattern, words, re.IGNORECASE)), None)
    return (
        Reason.TRIAL_RUN_FAILED,
        f"no inner container can run here, so the daemon does not start: {remedy or UNKNOWN_REMEDY}. The kubelet tries "
        f"again, at longer and longer intervals, and the daemon starts as soon as a trial succeeds (the runtime said: "
        f"{words})",
    )
