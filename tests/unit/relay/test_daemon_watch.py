"""The pod is not ready for a moment when another daemon answers on the node's socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from nested_docker.net.streams import Stream
from nested_docker.relay import daemon_watch, upstream
from nested_docker.relay.daemon_watch import REPLACED, DaemonWatch

VERSION = {"Version": "26.1.5", "ApiVersion": "1.45"}
INFO: dict[str, Any] = {"Driver": "overlay2", "DriverStatus": [["Backing Filesystem", "extfs"]], "CgroupVersion": "2"}


class NodeDaemon:
    """The node's daemon, which a test replaces."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.version, self.info, self.keeps_open, self.silent = VERSION, INFO, True, False
        self.asked: list[str] = []
        self.watches: list[DaemonWatch] = []
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    async def start(self, **facts: Any) -> None:
        self.version = {key: facts.get(key, value) for key, value in self.version.items()}
        self.info = {**self.info, **{key: value for key, value in facts.items() if key not in self.version}}
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.close()
        self._writers.clear()
        Path(self.path).unlink(missing_ok=True)
        await asyncio.sleep(0)

    async def restart(self, **facts: Any) -> None:
        await self.stop()
        await self.start(**facts)

    async def connect(self) -> Stream:
        return await upstream.connect_upstream(self.path)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
                self.asked.append(path)
                if self.silent:
                    await reader.read()
                answers: dict[str, Any] = {"/version": self.version, "/info": self.info}
                body = json.dumps(answers.get(path, "OK")).encode()
                close = "" if self.keeps_open else "Connection: close\r\n"
                writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{close}\r\n".encode() + body)
                await writer.drain()
                if not self.keeps_open:
                    break
        writer.close()


class Kubelet:
    """Asks whether the pod is ready, at moments that a test sets."""

    def __init__(self, daemon: NodeDaemon) -> None:
        self._seconds = 0.0
        self._watch = DaemonWatch(daemon.connect, lambda: self._seconds)
        daemon.watches.append(self._watch)

    async def asks(self, seconds: float = 10) -> str:
        self._seconds += seconds
        return await self._watch.failure()


@pytest.fixture
async def daemon(tmp_path: Path) -> AsyncIterator[NodeDaemon]:
    daemon = NodeDaemon(str(tmp_path / "docker.sock"))
    await daemon.start()
    yield daemon
    for watch in daemon.watches:
        watch.close()
    await daemon.stop()


async def test_a_daemon_that_stays_is_only_pinged(daemon: NodeDaemon) -> None:
    kubelet = Kubelet(daemon)
    assert [await kubelet.asks() for _ in range(4)] == [""] * 4
    assert daemon.asked == ["/version", "/info", "/_ping", "/_ping", "/_ping"]


@pytest.mark.parametrize(
    "facts",
    [
        {"Version": "29.0.0", "ApiVersion": "1.52"},
        {"ApiVersion": "1.46"},
        {"Driver": "overlayfs"},
        {"DriverStatus": [["Backing Filesystem", "xfs"]]},
        {"CgroupVersion": "1"},
        {"SecurityOptions": ["name=seccomp,profile=builtin"]},
    ],
    ids=["version", "API version", "storage driver", "filesystem", "cgroups", "security options"],
)
async def test_the_kubelet_notices_each_change(daemon: NodeDaemon, facts: dict[str, Any]) -> None:
    """It takes two probes in a row that fail."""
    kubelet = Kubelet(daemon)
    await kubelet.asks()
    await daemon.restart(**facts)
    assert [await kubelet.asks() for _ in range(4)] == [REPLACED, REPLACED, "", ""]


async def test_a_daemon_that_is_the_same_after_a_restart_is_no_news(daemon: NodeDaemon) -> None:
    kubelet = Kubelet(daemon)
    await kubelet.asks()
    await daemon.restart(DriverStatus=[["Backing Filesystem", "extfs"], ["Data Space Used", "2 GB"]])
    assert [await kubelet.asks() for _ in range(2)] == ["", ""]


async def test_a_long_pause_needs_no_further_one(daemon: NodeDaemon) -> None:
    kubelet = Kubelet(daemon)
    await kubelet.asks()
    await daemon.stop()
    assert "has no Docker socket" in await kubelet.asks()
    assert "has no Docker socket" in await kubelet.asks()
    await daemon.start(Version="29.0.0")
    assert await kubelet.asks() == ""
    await daemon.restart(Version="29.0.1")
    assert await kubelet.asks() == REPLACED, "the next one needs a pause of its length again"


async def test_a_short_pause_is_prolonged(daemon: NodeDaemon) -> None:
    kubelet = Kubelet(daemon)
    await kubelet.asks()
    await daemon.stop()
    assert await kubelet.asks() != ""
    await daemon.start(Version="29.0.0")
    assert await kubelet.asks() == REPLACED
    assert await kubelet.asks() == ""


async def test_the_first_daemon_is_not_another_one(daemon: NodeDaemon) -> None:
    await daemon.stop()
    kubelet = Kubelet(daemon)
    assert await kubelet.asks() != ""
    await daemon.start()
    assert await kubelet.asks() == ""


async def test_a_daemon_that_keeps_no_connection_is_compared_each_time(daemon: NodeDaemon) -> None:
    daemon.keeps_open = False
    kubelet = Kubelet(daemon)
    assert [await kubelet.asks() for _ in range(3)] == [""] * 3
    daemon.version = {**VERSION, "Version": "29.0.0"}
    assert await kubelet.asks() == REPLACED


async def test_a_daemon_that_hangs(daemon: NodeDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon_watch, "PING_SECONDS", 0.1)
    monkeypatch.setattr(daemon_watch, "ENGINE_SECONDS", 0.2)
    kubelet = Kubelet(daemon)
    assert await kubelet.asks() == ""
    daemon.silent = True
    assert await kubelet.asks() == "the node's Docker daemon has not answered /version within 0.2 s"
