"""The relay on real sockets: both directions, their ends, and who is let in."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import resource
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import trustme

from nested_docker.relay import upstream
from nested_docker.relay.server import Address, Relay
from nested_docker.relay.splice import splice
from nested_docker.relay.streams import CHUNK, PlainStream, server_context

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

MIB = 2**20


class TlsClient:
    """A client that can end its direction by close_notify and read on, as Go's does."""

    def __init__(self, plain: PlainStream, context: ssl.SSLContext) -> None:
        self._plain = plain
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")

    async def handshake(self) -> None:
        await self._until_done(self._tls.do_handshake)

    async def greet(self) -> None:
        """Shake hands and send; TLS 1.3 tells a client only afterwards that it was refused."""
        await self.handshake()
        await self.write(b"hello")
        if not await self.read():
            raise ConnectionError("the relay hung up")

    async def write(self, data: bytes) -> None:
        self._tls.write(data)
        await self._flush()

    async def read(self) -> bytes:
        try:
            return await self._until_done(lambda: self._tls.read(CHUNK))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    async def read_all(self) -> bytes:
        received = b""
        while data := await self.read():
            received += data
        return received

    async def end(self) -> None:
        with contextlib.suppress(ssl.SSLError):  # the relay's own close_notify need not have come
            self._tls.unwrap()
        await self._flush()

    def close(self) -> None:
        self._plain.close()

    async def _until_done(self, call: Callable[[], object]) -> object:
        while True:
            try:
                result = call()
            except ssl.SSLWantReadError:
                await self._flush()
                data = await self._plain.read()
                self._incoming.write(data) if data else self._incoming.write_eof()
            else:
                await self._flush()
                return result

    async def _flush(self) -> None:
        while self._outgoing.pending:
            await self._plain.write(self._outgoing.read())


class Setup:
    """A relay before an upstream that a test gives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.upstream_path = str(folder / "upstream.sock")
        self.unix_path = str(folder / "relay.sock")
        self.relay = Relay(functools.partial(upstream.connect, self.upstream_path), splice, max_connections=4)
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self, serve: Serve) -> None:
        self._server = await asyncio.start_unix_server(serve, self.upstream_path)
        await self.listen()

    async def listen(self) -> None:
        server = self.authority.issue_cert("localhost")
        server.private_key_pem.write_to_path(str(self.folder / "key.pem"))
        server.cert_chain_pems[0].write_to_path(str(self.folder / "cert.pem"))
        self.authority.cert_pem.write_to_path(str(self.folder / "ca.pem"))
        await self.relay.listen_unix(self.unix_path)
        self.port = await self.relay.listen_tls(Address("127.0.0.1", 0), server_context(str(self.folder)))

    async def stop(self) -> None:
        await self.relay.drain(0.1)
        if self._server:
            self._server.close()
        await asyncio.sleep(0.01)

    def context(self, authority: trustme.CA | None, *, certificate: bool = True) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        if certificate:
            (authority or self.authority).issue_cert("client@example.com").configure_cert(context)
        return context

    async def tls(self, authority: trustme.CA | None = None, *, certificate: bool = True) -> TlsClient:
        plain = PlainStream(*await asyncio.open_connection("127.0.0.1", self.port))
        client = TlsClient(plain, self.context(authority, certificate=certificate))
        await client.handshake()
        return client

    async def unix(self) -> PlainStream:
        return PlainStream(*await asyncio.open_unix_connection(self.unix_path))


@pytest.fixture
async def setup(tmp_path: Path) -> AsyncIterator[Setup]:
    made = Setup(tmp_path)
    yield made
    await made.stop()


async def count_then_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers only when the client has ended its direction, as `docker load` does."""
    received = 0
    while data := await reader.read(CHUNK):
        received += len(data)
    writer.write(f"received {received}".encode())
    await writer.drain()
    writer.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    writer.close()


async def test_a_client_that_ends_its_direction_still_hears_the_answer_over_tls(setup: Setup) -> None:
    await setup.start(count_then_answer)
    client = await setup.tls()
    await client.write(b"x" * MIB)
    await client.end()
    assert await client.read_all() == f"received {MIB}".encode()
    client.close()


async def test_the_same_on_the_unix_socket(setup: Setup) -> None:
    await setup.start(count_then_answer)
    client = await setup.unix()
    await client.write(b"x" * MIB)
    await client.end()
    assert await client.read() == f"received {MIB}".encode()
    assert await client.read() == b""
    client.close()


async def test_an_upstream_that_ends_its_direction_still_hears_the_client(setup: Setup) -> None:
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def greet_then_listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.write_eof()
        heard.set_result(await reader.read())
        writer.close()

    await setup.start(greet_then_listen)
    client = await setup.tls()
    assert await client.read_all() == b"hello"
    await client.write(b"still here")
    await client.end()
    assert await asyncio.wait_for(heard, 5) == b"still here"
    client.close()


async def test_both_directions_at_once(setup: Setup) -> None:
    await setup.start(echo)
    client = await setup.tls()
    sent = os.urandom(4 * MIB)

    async def send() -> None:
        for start in range(0, len(sent), CHUNK):
            await client.write(sent[start : start + CHUNK])
        await client.end()

    sending = asyncio.create_task(send())
    received = await client.read_all()
    await sending
    assert received == sent
    client.close()


async def test_memory_stays_the_same_whatever_passes(setup: Setup) -> None:
    async def pour(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(1024):
            writer.write(bytes(CHUNK))
            await writer.drain()
        writer.close()

    await setup.start(pour)
    client = await setup.tls()
    await asyncio.sleep(0.1)  # a reader that is slow to begin: upstream must be held back, not buffered
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    total = 0
    while data := await client.read():
        total += len(data)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert total == 64 * MIB
    assert grown * 1024 < 8 * MIB
    client.close()


@pytest.mark.parametrize("stranger", ["no certificate", "another authority's"])
async def test_a_stranger_is_refused(setup: Setup, stranger: str) -> None:
    await setup.start(echo)
    authority = trustme.CA() if stranger == "another authority's" else None
    plain = PlainStream(*await asyncio.open_connection("127.0.0.1", setup.port))
    client = TlsClient(plain, setup.context(authority, certificate=stranger != "no certificate"))
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await client.greet()
    client.close()
    await asyncio.sleep(0.05)
    assert setup.relay.open_connections == 0


async def test_a_client_that_vanishes_takes_its_upstream_along(setup: Setup) -> None:
    gone = asyncio.Event()

    async def wait_for_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        gone.set()
        writer.close()

    await setup.start(wait_for_the_end)
    client = await setup.tls()
    await client.write(b"hello")
    client.close()
    await asyncio.wait_for(gone.wait(), 5)


async def test_no_upstream_closes_the_connection(setup: Setup) -> None:
    await setup.listen()
    client = await setup.tls()
    assert await client.read() == b""
    client.close()


async def test_too_many_are_turned_away(setup: Setup, caplog: pytest.LogCaptureFixture) -> None:
    await setup.start(echo)
    clients = [await setup.unix() for _ in range(4)]
    for client in clients:
        await client.write(b"x")
        assert await client.read() == b"x"
    late = await setup.unix()
    assert await late.read() == b""
    assert "turned away: 4 are open" in caplog.text
    for client in [*clients, late]:
        client.close()


async def test_draining_lets_open_streams_end(setup: Setup) -> None:
    await setup.start(count_then_answer)
    client = await setup.tls()
    await client.write(b"x")
    draining = asyncio.create_task(setup.relay.drain(5))
    await asyncio.sleep(0.05)
    with pytest.raises(ConnectionError):
        await setup.tls()
    await client.end()
    assert await client.read_all() == b"received 1"
    await draining
    client.close()


async def test_a_stale_socket_is_replaced_and_only_the_group_may_use_it(setup: Setup) -> None:
    Path(setup.unix_path).touch()
    await setup.start(echo)
    assert Path(setup.unix_path).stat().st_mode & 0o777 == 0o660


async def test_a_missing_or_silent_upstream_is_told(tmp_path: Path) -> None:
    assert "does not answer" in await upstream.trouble(str(tmp_path / "none.sock"))
    await upstream.check_permission(str(tmp_path / "none.sock"))


async def test_a_forbidden_upstream_names_the_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "docker.sock"
    path.touch()
    gid = path.stat().st_gid

    async def refuse(_path: str) -> PlainStream:
        raise PermissionError("EACCES")

    monkeypatch.setattr(upstream, "connect", refuse)
    with pytest.raises(upstream.SocketForbiddenError, match=f"set spec.hostSocket.gid to {gid} in the"):
        await upstream.check_permission(str(path))


def test_addresses() -> None:
    assert Address.parse("0.0.0.0:2376") == Address("0.0.0.0", 2376)
    assert Address.parse("[::]:1") == Address("::", 1)
    for wrong in ("2376", "host:", "host:x", "host:70000"):
        with pytest.raises(ValueError, match="is not HOST:PORT"):
            Address.parse(wrong)
