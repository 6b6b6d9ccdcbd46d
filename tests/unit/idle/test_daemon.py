"""The question for running containers, and answers of every kind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from nested_docker.idle import daemon
from nested_docker.idle.daemon import containers_run

OK = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n"


@asynccontextmanager
async def answering(path: str, answer: bytes | None) -> AsyncIterator[list[bytes]]:
    questions = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        questions.append(await reader.readuntil(b"\r\n\r\n"))
        if answer is None:
            await reader.read()
        else:
            writer.write(answer)
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_unix_server(serve, path):
        yield questions
    await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("answer", "run"),
    [
        (OK + b"[]\n", False),
        (OK + b'[{"Id": "a"}]', True),
        (OK + b'[{"Labels": {"note": "\xc3\xbc"}}]', True),
        (OK + b'[{"Id":' + b" " * 200_000 + b'"a"}]', True),
        (OK + b'[{"Id":' + b" " * 2_000_000 + b'"a"}]', True),
        (OK + b'[{"Id": "a"}, {"I', None),
        (OK + b'{"message": "no list"}', None),
        (OK + b"[" * 100_000, None),
        (OK, None),
        (b"HTTP/1.0 500 Internal Server Error\r\n\r\n[]", None),
        (b"SSH-2.0-OpenSSH\r\n", None),
        (b"\xff\xfe", None),
        (b"", None),
    ],
)
async def test_answers(tmp_path: Path, answer: bytes, run: bool | None) -> None:
    path = str(tmp_path / "docker.sock")
    async with answering(path, answer) as questions:
        assert await containers_run(path) is run
    assert questions[0].startswith(b"GET /containers/json HTTP/1.1\r\n")


async def test_a_daemon_that_is_not_there(tmp_path: Path) -> None:
    assert await containers_run(str(tmp_path / "none")) is None


async def test_a_daemon_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "ASK_SECONDS", 0.1)
    path = str(tmp_path / "docker.sock")
    async with answering(path, None):
        assert await containers_run(path) is None
