"""The client against daemons that send anything: each failure is one error, with bounds on time and size."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from nested_docker.docker_api.answer import Answer
from nested_docker.docker_api.client import MAX_ANSWER, MAX_HEAD, DockerApi, ask, session
from nested_docker.docker_api.errors import AnswerTooLargeError, DockerApiError
from nested_docker.net.streams import PlainStream, Stream, connect_unix

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Daemon:
    """A daemon that sends prepared bytes after each request's head.

    Args:
        answers: what it sends, in this order; None: it hangs up; afterwards the last one again.
        keeps_open: it waits for more requests on the same connection.
    """

    def __init__(self, path: str, *answers: bytes | None, keeps_open: bool = False) -> None:
        self.path, self._answers, self._keeps_open = path, list(answers), keeps_open
        self.heads: list[bytes] = []
        self.connections = 0

    async def connect(self) -> Stream:
        return PlainStream(connect_unix(self.path))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
                if answer is None:
                    await reader.read()
                    break
                writer.write(answer)
                await writer.drain()
                if not self._keeps_open:
                    break
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    async def ask(self, target: str = "/info", **options: Any) -> Answer:
        options = {"seconds": 10.0, **options}
        return await ask(self.connect, "GET", target, daemon="the daemon", **options)


@asynccontextmanager
async def daemon(folder: Path, *answers: bytes | None, keeps_open: bool = False) -> AsyncIterator[Daemon]:
    serving = Daemon(str(folder / "docker.sock"), *answers, keeps_open=keeps_open)
    async with await asyncio.start_unix_server(serving.serve, serving.path):
        yield serving
    await asyncio.sleep(0.05)


def with_body(body: bytes, *headers: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *headers, b"", body])


async def test_an_answer_is_read_whole_and_the_request_refuses_encodings(tmp_path: Path) -> None:
    async with daemon(tmp_path, with_body(b'{"a": 1}')) as serving:
        answer = await serving.ask("/info?x=1")
    assert (answer.status, answer.as_object()) == (200, {"a": 1})
    first, *headers = serving.heads[0].decode().strip().split("\r\n")
    assert first == "GET /info?x=1 HTTP/1.1"
    assert set(headers) == {"Host: docker", "Accept-Encoding: identity", "Content-Length: 0", "Connection: close"}


async def test_a_body_is_sent_as_json(tmp_path: Path) -> None:
    async with daemon(tmp_path, OK) as serving:
        await ask(serving.connect, "POST", "/volumes/create", {"Name": "x"}, daemon="the daemon", seconds=5)
    assert b"Content-Type: application/json" in serving.heads[0]
    assert b"Content-Length: 13" in serving.heads[0]


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    redirect = b"HTTP/1.1 307 Elsewhere\r\nLocation: http://192.0.2.1/info\r\nContent-Length: 0\r\n\r\n"
    async with daemon(tmp_path, redirect) as serving:
        answer = await serving.ask()
        with pytest.raises(DockerApiError, match=r"^the daemon: GET /info is answered with status 307$"):
            answer.as_object()
    assert serving.connections == len(serving.heads) == 1


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate", b"br", b"identity, gzip", b"x\xff"])
async def test_an_encoded_answer_is_refused(tmp_path: Path, encoding: bytes) -> None:
    async with daemon(tmp_path, with_body(b"{}", b"Content-Encoding: " + encoding)) as serving:
        with pytest.raises(DockerApiError, match="the daemon answers /info in the content encoding"):
            await serving.ask()


async def test_the_encoding_that_is_none_is_accepted(tmp_path: Path) -> None:
    async with daemon(tmp_path, with_body(b"{}", b"Content-Encoding: Identity")) as serving:
        assert (await serving.ask()).as_object() == {}


@pytest.mark.parametrize("framing", ["length", "chunks", "until the end"])
async def test_a_body_has_at_most_the_limit(tmp_path: Path, framing: str) -> None:
    def framed(size: int) -> bytes:
        match framing:
            case "length":
                return with_body(b" " * size)
            case "chunks":
                return CHUNKED + b"%x\r\n%s\r\n0\r\n\r\n" % (size, b" " * size)
            case _:
                return b"HTTP/1.1 200 OK\r\n\r\n" + b" " * size

    async with daemon(tmp_path, framed(MAX_ANSWER), framed(MAX_ANSWER + 1), framed(100), framed(101)) as serving:
        assert len((await serving.ask()).body) == MAX_ANSWER
        with pytest.raises(AnswerTooLargeError, match=f"answers /info with more than {MAX_ANSWER} bytes"):
            await serving.ask()
        assert len((await serving.ask(max_answer=100)).body) == 100
        with pytest.raises(AnswerTooLargeError, match="more than 100 bytes"):
            await serving.ask(max_answer=100)


async def test_a_head_is_bounded_however_it_arrives(tmp_path: Path) -> None:
    many = b"".join(b"X-%d: %s\r\n" % (number, b"a" * 100) for number in range(MAX_HEAD // 100))
    endless = b"HTTP/1.1 200 OK\r\nX: " + b"a" * (4 * MAX_HEAD)
    async with daemon(tmp_path, b"HTTP/1.1 200 OK\r\n" + many + b"\r\n", endless) as serving:
        for _ in range(2):
            with pytest.raises(DockerApiError, match=r"^the daemon "):
                await serving.ask()


@pytest.mark.parametrize(
    "flood",
    [
        CHUNKED + b"1\r\na\r\n" * 2_000_000,
        CHUNKED + (b"1;" + b"x" * 10_000 + b"\r\na\r\n") * 1_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 500_000,
    ],
    ids=["chunks of one byte", "extensions of chunks", "informational answers"],
)
async def test_an_answer_that_is_mostly_framing_is_bounded_too(tmp_path: Path, flood: bytes) -> None:
    async with daemon(tmp_path, flood) as serving:
        with pytest.raises(AnswerTooLargeError):
            await serving.ask(max_answer=65536)


async def test_others_run_while_a_long_answer_is_read(tmp_path: Path) -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with daemon(tmp_path, with_body(b" " * MAX_ANSWER)) as serving:
        running = asyncio.create_task(others())
        await serving.ask()
        running.cancel()
    assert turns > MAX_ANSWER // 131072


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"", "the daemon closed the connection without an answer to /info"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "the daemon closed the connection without an answer to /info"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "the daemon gives a malformed answer to /info: illegal status line"),
        (b"HTTP/1.1 200", "the daemon gives a malformed answer to /info: peer unexpectedly closed connection"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
            "the daemon gives a malformed answer to /info: peer closed",
        ),
        (CHUNKED + b"zz\r\n", "the daemon gives a malformed answer to /info: "),
        (b"HTTP/1.1 101 UPGRADED\r\n\r\n", "the daemon gives a malformed answer to /info: "),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "the daemon gives a malformed answer to /info: "),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}", "malformed answer to /info: "),
        (b"\x16\x03\x01\x00\x05hello\r\n\r\n", "the daemon gives a malformed answer to /info: "),
    ],
)
async def test_what_is_not_http_is_one_error(tmp_path: Path, answer: bytes, message: str) -> None:
    async with daemon(tmp_path, answer) as serving:
        with pytest.raises(DockerApiError) as raised:
            await serving.ask()
    assert message in str(raised.value)


async def test_a_message_does_not_repeat_what_the_daemon_sends_at_length(tmp_path: Path) -> None:
    async with daemon(tmp_path, b"\x1b[31m" + b"A" * 20_000 + b"\r\n\r\n") as serving:
        with pytest.raises(DockerApiError) as raised:
            await serving.ask()
    assert len(str(raised.value)) < 400
    assert str(raised.value).isprintable()


@pytest.mark.parametrize("stuck", ["silent", "slow", "without end"])
async def test_one_deadline_holds_for_the_whole_exchange(tmp_path: Path, stuck: str) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        with contextlib.suppress(OSError):
            writer.write(CHUNKED)
            while stuck != "silent":
                writer.write(b"1\r\na\r\n")
                await asyncio.sleep(0.05 if stuck == "slow" else 0.001)
            await reader.read()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    path = str(tmp_path / "docker.sock")
    started = time.monotonic()
    async with await asyncio.start_unix_server(drip, path):
        with pytest.raises(DockerApiError, match=r"^the daemon has not answered /info within 0.3 s$"):
            await Daemon(path).ask(seconds=0.3)
        assert time.monotonic() - started < 5
        await asyncio.sleep(0.1)


async def test_the_deadline_includes_the_connection() -> None:
    async def connect() -> Stream:
        await asyncio.sleep(60)
        raise AssertionError

    with pytest.raises(DockerApiError, match=r"^the daemon has not answered /info within 0.1 s$"):
        await ask(connect, "GET", "/info?all=1", daemon="the daemon", seconds=0.1)


async def test_a_failed_connection_says_why(tmp_path: Path) -> None:
    with pytest.raises(DockerApiError, match=r"^the daemon: \[Errno 2\] No such file or directory$"):
        await Daemon(str(tmp_path / "none")).ask()


async def test_an_error_without_words_has_a_name() -> None:
    async def connect() -> Stream:
        raise ConnectionResetError

    with pytest.raises(DockerApiError, match=r"^the daemon: ConnectionResetError$"):
        await ask(connect, "GET", "/info", daemon="the daemon", seconds=1)


@pytest.mark.parametrize("name", ["a b", "ü", "a\r\nX: y", "\ud800"])
async def test_a_name_from_an_answer_cannot_break_a_request(tmp_path: Path, name: str) -> None:
    async with daemon(tmp_path, OK) as serving:
        with pytest.raises(DockerApiError, match="is not a valid path"):
            await serving.ask(f"/containers/{name}/json")
    assert serving.connections == 0


async def two(api: DockerApi) -> list[int]:
    return [(await api.request("GET", path)).status for path in ("/version", "/info")]


async def test_a_session_keeps_its_connection(tmp_path: Path) -> None:
    async with daemon(tmp_path, OK, keeps_open=True) as serving:
        async with session(serving.connect, daemon="the daemon", seconds=5) as api:
            assert await two(api) == [200, 200]
        assert serving.connections == 1
    assert [head.split(b" ")[1] for head in serving.heads] == [b"/version", b"/info"]


async def test_a_session_connects_again_where_the_daemon_closes(tmp_path: Path) -> None:
    closing = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    async with daemon(tmp_path, closing) as serving:
        async with session(serving.connect, daemon="the daemon", seconds=5) as api:
            assert await two(api) == [200, 200]
        assert serving.connections == 2


async def test_the_connection_is_closed_in_the_end(tmp_path: Path) -> None:
    closed = 0

    class Counting(PlainStream):
        def close(self) -> None:
            nonlocal closed
            closed += 1
            super().close()

    async def connect(path: str) -> Stream:
        return Counting(connect_unix(path))

    async with daemon(tmp_path, OK, b"nonsense\r\n\r\n") as serving:
        opened = functools.partial(connect, serving.path)
        await ask(opened, "GET", "/info", daemon="the daemon", seconds=5)
        with pytest.raises(DockerApiError):
            await ask(opened, "GET", "/info", daemon="the daemon", seconds=5)
    assert closed == 2


async def test_a_caller_that_is_cancelled_is_cancelled(tmp_path: Path) -> None:
    async with daemon(tmp_path, None) as serving:
        asking = asyncio.create_task(serving.ask())
        await asyncio.sleep(0.1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking


async def test_whatever_a_daemon_sends_is_an_answer_or_the_one_error(tmp_path: Path) -> None:
    chance = random.Random(11)
    seeds = [OK, CHUNKED + b"2\r\n{}\r\n0\r\n\r\n", with_body(b'{"Version": "1"}', b"Content-Encoding: identity")]
    snippets = [
        b"\r\n",
        b"\x00",
        b"-1",
        b"HTTP/1.1 100 C\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"[" * 5000,
        b"\xff",
    ]

    def broken() -> bytes:
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 4)):
            place = chance.randrange(len(data))
            data[place : place + chance.randint(0, 3)] = chance.choice(snippets)
        return bytes(data)

    rounds = 300
    failures = 0
    async with daemon(tmp_path, *(broken() for _ in range(rounds))) as serving:
        for _ in range(rounds):
            try:
                (await serving.ask()).as_object()
            except DockerApiError:
                failures += 1
    assert rounds / 4 < failures < rounds
