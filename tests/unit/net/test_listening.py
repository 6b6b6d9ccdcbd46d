"""Every listener of the operator and of its containers accepts IPv4 and IPv6, with real sockets."""

from __future__ import annotations

import argparse
import ast
import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web
from prometheus_client import CollectorRegistry
from tests.support.factory import class_spec, policy_spec
from tests.unit.world import World

from nested_docker.cli import relay as relay_command
from nested_docker.handlers.webhook_server import WebhookServer
from nested_docker.net.listening import listen_everywhere
from nested_docker.observability.server import start_server
from nested_docker.relay.listeners import EVERY_HOST, Address, listen_tcp
from nested_docker.relay.probes import Probes

PACKAGE = Path(__file__).parents[3] / "operator/nested_docker"
LOOPBACK = ("127.0.0.1", "::1")


def free_port() -> int:
    with listen_everywhere(0) as listener:
        port: int = listener.getsockname()[1]
        return port


async def healthy() -> str:
    return ""


@contextlib.asynccontextmanager
async def operator_probes(_: Path) -> AsyncIterator[int]:
    port = free_port()
    runner = await start_server(port, healthy=healthy, ready=healthy, registry=CollectorRegistry())
    try:
        yield port
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def relay_probes(_: Path) -> AsyncIterator[int]:
    async with await Probes(healthy, healthy, lambda: 0).serve(0) as server:
        yield server.sockets[0].getsockname()[1]


@contextlib.asynccontextmanager
async def relay_docker_port(_: Path) -> AsyncIterator[int]:
    with listen_tcp(Address.parse("[::]:0")) as listener:
        yield listener.getsockname()[1]


@contextlib.asynccontextmanager
async def webhook(folder: Path) -> AsyncIterator[int]:
    async def answer(_path: str, _body: bytes) -> web.Response:
        return web.Response()

    pair = trustme.CA().issue_cert("x")
    pair.private_key_pem.write_to_path(folder / "tls.key")
    pair.cert_chain_pems[0].write_to_path(folder / "tls.crt")
    port, listening = free_port(), asyncio.Event()
    running = asyncio.create_task(WebhookServer(port, folder, answer).run(listening))
    await listening.wait()
    try:
        yield port
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


LISTENERS: list[Callable[[Path], AbstractAsyncContextManager[int]]] = [
    operator_probes,
    relay_probes,
    relay_docker_port,
    webhook,
]


@pytest.mark.parametrize("host", LOOPBACK)
@pytest.mark.parametrize("serve", LISTENERS, ids=lambda serve: serve.__name__)
async def test_every_listener_accepts_both_families(
    serve: Callable[[Path], AbstractAsyncContextManager[int]], host: str, tmp_path: Path
) -> None:
    async with serve(tmp_path) as port:
        _, writer = await asyncio.open_connection(host, port)
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("serve", LISTENERS, ids=lambda serve: serve.__name__)
async def test_every_listener_accepts_ipv4_on_a_host_without_ipv6(
    serve: Callable[[Path], AbstractAsyncContextManager[int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    async with serve(tmp_path) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()
        await writer.wait_closed()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("::1", port)


@pytest.mark.parametrize("number", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
def test_ipv4_is_enough_where_ipv6_is_disabled(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.create_server

    def create_server(address: Any, **options: Any) -> socket.socket:
        if options.get("family") == socket.AF_INET6:
            raise OSError(number, "no IPv6 here")
        return real(address, **options)

    monkeypatch.setattr(socket, "create_server", create_server)
    with listen_everywhere(0) as listener:
        assert listener.family == socket.AF_INET


@pytest.mark.parametrize("host", LOOPBACK)
def test_a_port_that_one_family_uses_is_not_shared(host: str) -> None:
    """Half a listener would answer some clients and leave the others to a stranger."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with (
        socket.create_server((host, 0), family=family) as stranger,
        pytest.raises(OSError, match="in use"),
    ):
        listen_everywhere(stranger.getsockname()[1])


def test_the_relay_of_a_pod_listens_on_every_address() -> None:
    policy = policy_spec(allowedModes=["HostSocket"], hostSocket={"guard": {}})
    world = World({"mode": "HostSocket"}, classes={"standard": class_spec()}, policies={"p": policy})
    world.settle()
    args = world.pod()["spec"]["containers"][0]["args"]
    assert relay_command._parser().parse_args(args[1:]).listen_tls == f"[{EVERY_HOST}]:2376"


def test_the_relay_listens_on_every_address_by_default() -> None:
    required = ["--upstream=u", "--listen-unix=l", "--certificates=c"]
    parsed: argparse.Namespace = relay_command._parser().parse_args(required)
    assert Address.parse(parsed.listen_tls) == Address(EVERY_HOST, 2376)


def test_nothing_else_opens_a_port() -> None:
    """Another way to listen would be one that these tests do not know."""
    opening = {"create_server", "TCPSite", "bind", "run_app"}
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in opening
    }
    # The two in listeners: one address that a caller chooses, and a unix socket.
    assert found == {"net/listening.py", "relay/listeners.py"}
