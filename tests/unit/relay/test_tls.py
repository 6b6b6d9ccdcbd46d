"""Who is let in, and what others are told."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl

import pytest
import trustme
from tests.unit.relay.peers import Neighbourhood, echo

from nested_docker.net.streams import CHUNK, PlainStream
from nested_docker.net.tls import TlsStream
from nested_docker.relay.tls import server_context


async def test_a_client_of_the_key_set_is_let_in(hood: Neighbourhood) -> None:
    hood.start(echo)
    client = await hood.tls()
    await client.write(b"hello")
    assert await client.read() == b"hello"


@pytest.mark.parametrize(
    ("stranger", "alert"),
    [("nobody", "certificate required"), ("another authority", "unknown ca"), ("a server", "unsupported certificate")],
)
async def test_a_stranger_is_refused_and_reads_why(
    hood: Neighbourhood, caplog: pytest.LogCaptureFixture, stranger: str, alert: str
) -> None:
    hood.start(echo)
    authority = {"nobody": None, "another authority": trustme.CA(), "a server": hood.authority}[stranger]
    context = hood.context(authority)
    if stranger == "a server":
        load_server_only_certificate(hood, context)
    client = await hood.tls(context)
    await client.write(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(ssl.SSLError) as rejected_write:  # TLS 1.3 tells a client only after its own handshake
        await client.read()
    assert alert in str(rejected_write.value).replace("_", " ").lower()
    client.close()
    await hood.settled()
    assert "a client was refused" in caplog.text


def load_server_only_certificate(hood: Neighbourhood, context: ssl.SSLContext) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization

    issued = hood.authority.issue_cert("server.example.com")
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    old = x509.load_pem_x509_certificate(issued.cert_chain_pems[0].bytes())
    builder = x509.CertificateBuilder(old.issuer, old.subject, old.public_key(), old.serial_number)
    builder = builder.not_valid_before(old.not_valid_before_utc).not_valid_after(old.not_valid_after_utc)
    builder = builder.add_extension(x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=True)
    authority_key = serialization.load_pem_private_key(hood.authority.private_key_pem.bytes(), None)
    path = hood.folder / "server-only.pem"
    path.write_bytes(
        builder.sign(authority_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context.load_cert_chain(path)


async def test_what_is_not_tls_is_refused(hood: Neighbourhood, caplog: pytest.LogCaptureFixture) -> None:
    hood.start(echo)
    client = await hood.tcp()
    await client.write(b"GET /version HTTP/1.1\r\nHost: docker\r\n\r\n")
    while await client.read():
        pass
    client.close()
    await hood.settled()
    assert "HTTP_REQUEST" in caplog.text


async def test_old_tls_is_refused(hood: Neighbourhood) -> None:
    hood.write_certificates()
    context = server_context(str(hood.folder))
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_REQUIRED


async def test_a_client_that_does_not_finish_its_handshake_is_let_go(
    hood: Neighbourhood, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("nested_docker.relay.server.HANDSHAKE_SECONDS", 0.2)
    hood.start(echo)
    client = await hood.tcp()
    assert await client.read() == b""
    assert "did not finish its TLS handshake within 0.2 s" in caplog.text


async def test_a_port_scan_is_no_warning(hood: Neighbourhood, caplog: pytest.LogCaptureFixture) -> None:
    hood.start(echo)
    (await hood.tcp()).close()
    await hood.settled()
    assert not caplog.records


class Cable(PlainStream):
    """Carries what the test puts in, in the pieces that the test chooses."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[bytes] = asyncio.Queue()
        self.sent: asyncio.Queue[bytes] = asyncio.Queue()

    async def read(self) -> bytes:
        return await self.pieces.get()

    async def write(self, data: bytes) -> None:
        self.sent.put_nowait(data)


class Wired:
    """A server's end, and a client whose bytes the test holds in its hands."""

    def __init__(self, hood: Neighbourhood, version: ssl.TLSVersion) -> None:
        hood.write_certificates()
        self.cable = Cable()
        self.server = TlsStream(self.cable, server_context(str(hood.folder)))
        context = hood.context(hood.authority)
        context.maximum_version = version
        self.incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = context.wrap_bio(self.incoming, self._outgoing, server_hostname="localhost")

    async def shake_hands(self) -> None:
        shaking = asyncio.create_task(self.server.handshake())
        while True:
            with contextlib.suppress(ssl.SSLWantReadError):
                self.client.do_handshake()
                break
            self.cable.pieces.put_nowait(self._outgoing.read())
            self.incoming.write(await self.cable.sent.get())
        if self._outgoing.pending:  # TLS 1.3: the client has the last word
            self.cable.pieces.put_nowait(self._outgoing.read())
        await shaking

    def said(self, data: bytes) -> bytes:
        """Some bytes as the client would send them."""
        self.client.write(data)
        return self._outgoing.read()

    def ended(self) -> bytes:
        """The client's end."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.client.unwrap()
        return self._outgoing.read()


VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


@VERSIONS
@pytest.mark.parametrize("cut", [1, 4, 7, 5000, 16_500, 40_000, 65_000, 250_000])
async def test_what_has_arrived_when_our_direction_ends_stays_readable(
    hood: Neighbourhood, version: ssl.TLSVersion, cut: int
) -> None:
    """With any part of a record in OpenSSL's hands, or whole ones in ours."""
    wired = Wired(hood, version)
    await wired.shake_hands()
    said = os.urandom(300_000)
    first, rest = wired.said(b"first"), wired.said(said) + wired.ended()
    wired.cable.pieces.put_nowait(first + rest[:cut])
    wired.cable.pieces.put_nowait(rest[cut:])
    heard = await wired.server.read()
    assert heard.startswith(b"first")
    await wired.server.end()
    while data := await wired.server.read():
        assert len(data) <= CHUNK
        heard += data
    assert heard == b"first" + said
    while not wired.cable.sent.empty():
        wired.incoming.write(wired.cable.sent.get_nowait())
    with pytest.raises(ssl.SSLZeroReturnError):
        wired.client.read(1)


@VERSIONS
async def test_what_arrived_before_a_forged_record_is_read_and_nothing_of_it(
    hood: Neighbourhood, version: ssl.TLSVersion
) -> None:
    wired = Wired(hood, version)
    await wired.shake_hands()
    genuine, forged = wired.said(b"genuine"), bytearray(wired.said(b"forged"))
    forged[-1] ^= 1
    wired.cable.pieces.put_nowait(genuine + forged + wired.said(b"later"))
    assert await wired.server.read() == b"genuine"
    for _ in range(2):
        with pytest.raises(ConnectionError, match="TLS: "):
            await wired.server.read()


@pytest.mark.parametrize("file", ["ca.pem", "cert.pem", "key.pem"])
@pytest.mark.parametrize("content", [None, "nonsense"])
def test_certificates_of_no_use_are_named(hood: Neighbourhood, file: str, content: str | None) -> None:
    hood.write_certificates()
    (hood.folder / file).unlink()
    if content is not None:
        (hood.folder / file).write_text(content)
    with pytest.raises(OSError, match=f"{hood.folder} does not have a usable ca.pem, cert.pem and key.pem: "):
        server_context(str(hood.folder))
