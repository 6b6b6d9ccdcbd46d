"""Large bodies, clients that disconnect, limits, and paths that guard and daemon parse alike, at a real daemon."""

from __future__ import annotations

import io
import random
import socket
import tarfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.guard.conftest import RULES
from tests.guard.dockerd import Dockerd
from tests.guard.owner import Owner, parse, read_all

from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.wire.api_version import format_version
from nested_docker.guard.wire.target import parse_target

MIB = 2**20


class Noise(io.RawIOBase):
    """That many bytes, created on demand; containerd's image store would compress regular ones."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = min(self._left, len(buffer))
        buffer[:count] = random.randbytes(count)
        self._left -= count
        return count


def test_memory_stays_flat_with_the_size_of_archives(alice: Owner, tmp_path: Path) -> None:
    tag = f"localhost/large:{uuid.uuid4().hex[:8]}"
    _build(alice, tag, MIB, tmp_path)
    before = alice.memory()
    _build(alice, tag, 96 * MIB, tmp_path)
    alice.docker("save", "-o", str(tmp_path / "saved.tar"), tag)
    assert (tmp_path / "saved.tar").stat().st_size > 96 * MIB
    assert alice.memory() - before < 8 * MIB
    alice.docker("rmi", tag)


def _build(owner: Owner, tag: str, size: int, folder: Path) -> None:
    with tarfile.open(folder / "context.tar", "w") as archive:
        dockerfile = b"FROM busybox\nCOPY large /\n"
        for name, length, content in (
            ("Dockerfile", len(dockerfile), io.BytesIO(dockerfile)),
            ("large", size, io.BufferedReader(Noise(size))),
        ):
            member = tarfile.TarInfo(name)
            member.size = length
            archive.addfile(member, content)
    with (folder / "context.tar").open("rb") as context:
        owner.docker("build", "-t", tag, "-", stdin=context.read())


def test_disconnected_clients_leave_no_open_files(alice: Owner) -> None:
    container = alice.docker("run", "-d", "busybox", "sh", "-c", "while :; do echo x; sleep 0.01; done")
    time.sleep(0.5)
    before = alice.open_files()
    for target in (f"/containers/{container}/logs?follow=1&stdout=1", "/events", f"/containers/{container}/stats"):
        for _ in range(5):
            with alice.connect() as client:
                client.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                client.recv(1)
    for _ in range(5):
        with alice.connect() as client:
            head = f"POST /containers/{container}/attach?stream=1&stdout=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
            client.sendall(f"{head}Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n".encode())
            client.recv(1)
        with alice.connect() as client:
            client.sendall(b"POST /build HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n")
        with alice.connect() as client:
            client.sendall(b"POST /containers/create HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    deadline = time.monotonic() + 20
    while alice.open_files() > before and time.monotonic() < deadline:
        time.sleep(0.2)
    assert alice.open_files() <= before
    alice.docker("rm", "-f", container)


@pytest.fixture(scope="module")
def carol(owners: Callable[[dict[str, Any]], Owner]) -> Owner:
    """An owner with a small quota."""
    limits = {"containers": 2, "networks": 1, "volumes": 1, "perContainer": {"pids": 64}, "total": {"pids": 100}}
    return owners({**RULES, "limits": limits})


def test_limits_hold(carol: Owner, dockerd: Dockerd) -> None:
    first = carol.docker("create", "--pids-limit", "60", "busybox", "true")
    assert dockerd.docker("inspect", "--format", "{{.HostConfig.PidsLimit}}", first) == "60"
    assert b"limits.total.pids" in carol.run("create", "busybox", "true").stderr
    assert b"limits.perContainer.pids" in carol.run("update", "--pids-limit", "65", first).stderr
    second = carol.docker("create", "--pids-limit", "40", "busybox", "true")
    assert b"limits.total.pids" in carol.run("update", "--pids-limit", "41", second).stderr
    assert b"limits.containers" in carol.run("create", "--pids-limit", "1", "busybox", "true").stderr
    carol.docker("rm", first, second)
    one, other = f"vol-{uuid.uuid4().hex[:8]}", f"vol-{uuid.uuid4().hex[:8]}"
    carol.docker("volume", "create", one)
    assert b"limits.volumes" in carol.run("volume", "create", other).stderr
    assert b"limits.volumes" in carol.run("run", "--rm", "-v", f"{other}:/x", "busybox", "true").stderr
    assert other not in dockerd.docker("volume", "ls", "-q").split()
    carol.docker("volume", "rm", one)
    carol.docker("network", "create", one)
    assert b"limits.networks" in carol.run("network", "create", other).stderr
    carol.docker("network", "rm", one)


def test_a_volume_that_a_container_names_is_created_with_the_owner_label(alice: Owner, dockerd: Dockerd) -> None:
    name = f"vol-{uuid.uuid4().hex[:8]}"
    alice.docker("run", "--rm", "-v", f"{name}:/x", "busybox", "true")
    label = dockerd.docker("volume", "inspect", "--format", '{{index .Labels "nesteddocker.dev/uid"}}', name)
    assert label == alice.uid
    alice.docker("volume", "rm", name)


def test_anonymous_volumes_are_removed_with_their_container(alice: Owner, dockerd: Dockerd) -> None:
    before = set(dockerd.docker("volume", "ls", "-q").split())
    container = alice.docker("run", "-d", "-v", "/data", "busybox", "true")
    assert set(dockerd.docker("volume", "ls", "-q").split()) - before
    alice.docker("rm", "-f", container)
    assert set(dockerd.docker("volume", "ls", "-q").split()) == before


PIECES = [
    "/",
    "containers",
    "json",
    "v1.45",
    "v1.24",
    "..",
    ".",
    "%2e",
    "%2f",
    "%40",
    "//",
    "info",
    "version",
    "_ping",
    "x",
]


def test_the_daemon_routes_what_the_guard_parsed(dockerd: Dockerd) -> None:
    """The daemon responds to a target and to its canonical form in the same way, and without a redirect."""
    chance = random.Random(7)
    understood = 0
    for _ in range(4000):
        target = "/" + "".join(chance.choice(PIECES) + chance.choice(["", "/"]) for _ in range(chance.randint(1, 5)))
        try:
            read = parse_target(target.encode())
        except GuardDenied:
            continue
        understood += 1
        if understood % 10:
            continue
        prefix = "" if read.version is None else f"/v{format_version(read.version)}"
        as_sent, as_written = (_status(dockerd.socket, each) for each in (target, f"{prefix}{read.path}"))
        assert as_sent == as_written, target
        assert as_sent[0] not in {301, 302, 307, 308}, target
    assert understood > 200


def _status(path: Path, target: str) -> tuple[int, str]:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = parse(read_all(client))
    return answer.status, answer.headers.get("content-type", "")
