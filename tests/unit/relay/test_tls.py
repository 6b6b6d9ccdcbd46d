"""Who is let in, and what others are told."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl

import pytest
import trustme
from tests.unit.relay.peers import Neighbourhood, echo

from nested_docker.relay.streams import PlainStream
from nested_docker.relay.tls import TlsStream, server_context


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
    with pytest.raises(ssl.SSLError) as refused:  # TLS 1.3 tells a client only after its own handshake
        await client.read()
    assert alert in str(refused.value).replace("_", " ").lower()
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


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("cut", [1, 4, 7, 5000, 16_500, 40_000, 65_000])
async def test_what_has_arrived_when_our_direction_ends_stays_readable(
    hood: Neighbourhood, version: ssl.TLSVersion, cut: int
) -> None:
    """With any part of a record in OpenSSL's hands or in ours."""
    hood.write_certificates()
    cable = Cable()
    server = TlsStream(cable, server_context(str(hood.folder)))
    context = hood.context(hood.authority)
    context.maximum_version = version
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    shaking = asyncio.create_task(server.handshake())
    while True:
        with contextlib.suppress(ssl.SSLWantReadError):
            client.do_handshake()
            break
        cable.pieces.put_nowait(outgoing.read())
        incoming.write(await cable.sent.get())
    if outgoing.pending:  # TLS 1.3: the client has the last word
        cable.pieces.put_nowait(outgoing.read())
    await shaking
    said = os.urandom(60_000)
    client.write(b"first")
    first = outgoing.read()
    client.write(said)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.unwrap()
    rest = outgoing.read()
    cable.pieces.put_nowait(first + rest[:cut])
    cable.pieces.put_nowait(rest[cut:])
    assert await server.read() == b"first"
    heard = b""
    if cut > 16_500:  # a reader that is at work takes a record first
        heard += await server.read()
    await server.end()
    while data := await server.read():
        heard += data
    assert heard == said
    while not cable.sent.empty():
        incoming.write(cable.sent.get_nowait())
    with pytest.raises(ssl.SSLZeroReturnError):
        client.read(1)


@pytest.mark.parametrize("file", ["ca.pem", "cert.pem", "key.pem"])
@pytest.mark.parametrize("content", [None, "nonsense"])
def test_certificates_of_no_use_are_named(hood: Neighbourhood, file: str, content: str | None) -> None:
    hood.write_certificates()
    (hood.folder / file).unlink()
    if content is not None:
        (hood.folder / file).write_text(content)
    with pytest.raises(OSError, match=f"{hood.folder} does not have a usable ca.pem, cert.pem and key.pem: "):
        server_context(str(hood.folder))
