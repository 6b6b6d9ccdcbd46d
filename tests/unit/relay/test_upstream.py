"""What is said about a node's socket that is of no use."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from nested_docker.relay import upstream
from nested_docker.relay.handler import UpstreamError
from nested_docker.relay.listeners import listen_unix


@asynccontextmanager
async def answering(path: str, answer: bytes | None) -> AsyncIterator[None]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answer is None:
            await reader.read()
        else:
            writer.write(answer)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_unix_server(serve, path)
    async with server:
        yield
    await asyncio.sleep(0.05)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "docker.sock")


async def test_a_daemon_that_answers_has_no_trouble(path: str) -> None:
    async with answering(path, b"HTTP/1.0 200 OK\r\n\r\nOK"):
        assert await upstream.failure(path) == ""


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"HTTP/1.0 500 Oh\r\n\r\n", "answers /_ping with status 500"),
        (b"HTTP/1.1 302 Found\r\nLocation: /_ping\r\nContent-Length: 0\r\n\r\n", "answers /_ping with status 302"),
        (b"SSH-2.0 200\r\n", "gives a malformed answer to /_ping: peer unexpectedly closed connection"),
        (b"SSH-2.0\r\n\r\n", "gives a malformed answer to /_ping: illegal status line: bytearray(b'SSH-2.0')"),
        (b"", "closed the connection without an answer to /_ping"),
    ],
)
async def test_any_other_answer_is_a_failure(path: str, answer: bytes, message: str) -> None:
    async with answering(path, answer):
        assert await upstream.failure(path) == f"the node's Docker daemon {message}"


async def test_a_daemon_that_hangs(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "PING_SECONDS", 0.2)
    async with answering(path, None):
        assert await upstream.failure(path) == "the node's Docker daemon has not answered /_ping within 0.2 s"


async def test_no_socket(path: str) -> None:
    assert await upstream.failure(path) == f"the node has no Docker socket: {path} does not exist"


async def test_a_socket_of_a_daemon_that_has_gone(path: str) -> None:
    listen_unix(path).close()
    assert "nothing listens on the node's Docker socket" in await upstream.failure(path)


async def test_a_daemon_that_does_not_accept_is_no_connection(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(path)
        listener.listen(0)
        first.connect(path)
        with pytest.raises(UpstreamError, match="no connection to the node's Docker socket"):
            await upstream.connect(path)


async def test_a_forbidden_socket_names_its_group(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(path).touch()
    group = Path(path).stat().st_gid

    def refuse(_path: str) -> socket.socket:
        raise PermissionError

    monkeypatch.setattr(upstream, "connect_unix", refuse)
    assert (await upstream.failure(path)).endswith(f"set spec.hostSocket.gid of the NestedDockerClass to {group}")
    Path(path).unlink()
    assert "unknown" in await upstream.failure(path)
