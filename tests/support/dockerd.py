"""A stand-in for dockerd: mutual TLS on the Docker port of a loopback address, and the two answers we ask for."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from typing import Any

from aiohttp import web
from tests.support.tls_server import TlsServer, served

from nested_docker.domain.names import DOCKER_PORT

VERSION = {"Version": "28.1.1", "ApiVersion": "1.49", "MinAPIVersion": "1.24"}
INFO: dict[str, Any] = {
    "Driver": "overlay2",
    "DriverStatus": [["Backing Filesystem", "extfs"], ["Supports d_type", "true"]],
    "CgroupVersion": "2",
    "SecurityOptions": ["name=seccomp,profile=builtin", "name=cgroupns"],
}


class FakeDockerd:
    """One daemon on one address.

    Args:
        address: loopback address to listen on.
        files: `ca.pem`, `cert.pem` and `key.pem`, as the pod mounts them.
        lets_anyone_in: it asks no client for a certificate.
    """

    def __init__(self, address: str, files: dict[str, bytes], *, lets_anyone_in: bool = False) -> None:
        self.address = address
        self._context = server_context(files)
        if lets_anyone_in:
            self._context.verify_mode = ssl.CERT_NONE
        app = web.Application()
        app.router.add_get("/version", self._version)
        app.router.add_get("/info", self._info)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        self._listening: asyncio.Task[TlsServer] | None = None

    async def start(self) -> None:
        """Listen."""
        self._listening = asyncio.create_task(self._listen())
        await asyncio.shield(self._listening)

    async def stop(self) -> None:
        """Listen no more, and close what is open."""
        if self._listening is not None:
            await (await self._listening).stop()
        await self._runner.cleanup()

    async def _listen(self) -> TlsServer:
        await self._runner.setup()
        server = TlsServer(served(self._runner), self._context)
        server.start(self.address, DOCKER_PORT)
        return server

    async def _version(self, _request: web.Request) -> web.Response:
        return web.json_response(VERSION)

    async def _info(self, _request: web.Request) -> web.Response:
        return web.json_response(INFO)


def server_context(files: dict[str, bytes]) -> ssl.SSLContext:
    """TLS that lets in only who has a certificate of the authority, as `dockerd --tlsverify` does."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=files["ca.pem"].decode())
    context.verify_mode = ssl.CERT_REQUIRED
    load_pair(context, files["cert.pem"], files["key.pem"])
    return context


def client_context(files: dict[str, bytes]) -> ssl.SSLContext:
    """TLS as a docker client with DOCKER_CERT_PATH has it."""
    context = ssl.create_default_context(cadata=files["ca.pem"].decode())
    load_pair(context, files["cert.pem"], files["key.pem"])
    return context


def load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Load a pair from memory."""
    with tempfile.NamedTemporaryFile() as pair:
        pair.write(certificate + b"\n" + key)
        pair.flush()
        context.load_cert_chain(pair.name)
