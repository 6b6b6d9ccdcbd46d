"""`nested-docker release-test`: what it reaches, and what it says when something is wrong."""

from __future__ import annotations

import asyncio
import ssl
import threading
from pathlib import Path
from typing import Any, Self

import pytest
import trustme
from aiohttp import web
from typer.testing import CliRunner

from nested_docker.cli import release_test
from nested_docker.cli.app import app


class Release:
    """The ports of a replica, in a thread of their own as the command has its own loop."""

    def __init__(self, *, ready: bool) -> None:
        self.ready, self.ports = ready, dict[str, int]()
        self.authority, self.pair = trustme.CA(), None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> None:
        served = web.Application()
        served.router.add_get("/readyz", self._readyz)
        served.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(served)
        await self._runner.setup()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.authority.issue_cert("localhost").configure_cert(context)
        for name, tls in (("metrics", None), ("webhook", context)):
            site = web.TCPSite(self._runner, "localhost", 0, ssl_context=tls)
            await site.start()
            self.ports[name] = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]

    async def _readyz(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok") if self.ready else web.Response(status=503, text="not synced")

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(text="nested_docker_leading 1.0")


@pytest.fixture(autouse=True)
def _one_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release_test, "TRIES", 1)


def invoked(release: Release, authority: Path) -> Any:
    metrics, webhook = (f"localhost:{release.ports[name]}" for name in ("metrics", "webhook"))
    arguments = [f"--metrics={metrics}", f"--webhook={webhook}", f"--authority={authority}"]
    return CliRunner().invoke(app, ["release-test", *arguments])


def test_a_release_that_answers(tmp_path: Path) -> None:
    with Release(ready=True) as release:
        release.authority.cert_pem.write_to_path(tmp_path / "ca.crt")
        result = invoked(release, tmp_path / "ca.crt")
    assert result.exit_code == 0, result.output
    assert [line.rpartition("/")[2] for line in result.output.splitlines()] == [
        "readyz answers",
        "metrics answers",
        f"localhost:{release.ports['webhook']} answers",
    ]


def test_a_replica_that_is_not_ready(tmp_path: Path) -> None:
    with Release(ready=False) as release:
        result = invoked(release, tmp_path / "ca.crt")
    assert result.exit_code == 1
    assert "/readyz: 503 not synced: see the log of the operator" in result.output


def test_a_certificate_of_another_authority(tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.crt")
    with Release(ready=True) as release:
        result = invoked(release, tmp_path / "ca.crt")
    assert result.exit_code == 1
    assert "certificate verify failed" in result.output
    assert "webhook.certificate" in result.output
