"""Key sets and first contact: a real TLS server, and who gets through to it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from nested_docker.adapters import dockerd
from nested_docker.adapters.certificates import CertificateMaker
from nested_docker.adapters.dockerd import DaemonClient
from nested_docker.domain import names, pki
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import Owner

NOW = datetime.now(UTC).replace(microsecond=0)


def key_set(name: str = "build", **fields: datetime) -> dict[str, bytes]:
    object_names = ObjectNames(Owner(name, "team-a", "uid"))
    request = pki.certificate_request(object_names, cluster_domain="cluster.local", now=NOW, deadline=None)
    if fields:
        request = pki.CertificateRequest(**(vars(request) | fields))
    return CertificateMaker().issue(request)


def test_a_key_set_is_whole_and_has_no_key_of_its_authority() -> None:
    keys = key_set()
    assert tuple(keys) == pki.KEYS
    authority = x509.load_pem_x509_certificate(keys[pki.CA_CERTIFICATE])
    for certificate, key in (
        (pki.SERVER_CERTIFICATE, pki.SERVER_KEY),
        (pki.CLIENT_CERTIFICATE, pki.CLIENT_KEY),
        (pki.OPERATOR_CERTIFICATE, pki.OPERATOR_KEY),
    ):
        leaf = x509.load_pem_x509_certificate(keys[certificate])
        leaf.verify_directly_issued_by(authority)
        assert b"PRIVATE KEY" in keys[key]
        assert leaf.public_key() != authority.public_key()
        assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_client_cannot_serve_and_a_server_cannot_connect() -> None:
    keys = key_set()
    purposes = {
        name: list(
            x509.load_pem_x509_certificate(keys[name]).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        )
        for name in (pki.SERVER_CERTIFICATE, pki.CLIENT_CERTIFICATE, pki.OPERATOR_CERTIFICATE)
    }
    assert purposes == {
        pki.SERVER_CERTIFICATE: [ExtendedKeyUsageOID.SERVER_AUTH],
        pki.CLIENT_CERTIFICATE: [ExtendedKeyUsageOID.CLIENT_AUTH],
        pki.OPERATOR_CERTIFICATE: [ExtendedKeyUsageOID.CLIENT_AUTH],
    }


def test_the_server_is_known_by_every_name_of_its_service() -> None:
    server = x509.load_pem_x509_certificate(key_set()[pki.SERVER_CERTIFICATE])
    alternatives = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert alternatives.get_values_for_type(x509.DNSName) == [
        "build",
        "build.team-a",
        "build.team-a.svc",
        "build.team-a.svc.cluster.local",
        "localhost",
    ]


def test_certificates_outlast_the_deadline_by_a_margin() -> None:
    deadline = NOW + timedelta(hours=2)
    object_names = ObjectNames(Owner("b", "n", "uid"))
    request = pki.certificate_request(object_names, cluster_domain="c", now=NOW, deadline=deadline)
    keys = CertificateMaker().issue(request)
    server = x509.load_pem_x509_certificate(keys[pki.SERVER_CERTIFICATE])
    assert server.not_valid_after_utc == deadline + pki.MARGIN
    assert server.not_valid_before_utc == NOW - pki.BACKDATED


@pytest.fixture
async def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[dict[str, bytes]]:
    """A daemon that answers as Docker does, on a free port, with mutual TLS."""
    keys = key_set()
    for name, content in keys.items():
        (tmp_path / name).write_bytes(content)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / pki.CA_CERTIFICATE))
    context.load_cert_chain(tmp_path / pki.SERVER_CERTIFICATE, tmp_path / pki.SERVER_KEY)
    context.verify_mode = ssl.CERT_REQUIRED
    app = web.Application()
    info = {"Driver": "overlay2", "DriverStatus": [["Backing Filesystem", "extfs"]], "CgroupVersion": "2"}
    answers = {"/version": {"Version": "28.5.2", "ApiVersion": "1.51"}, "/info": info}

    async def answer(request: web.Request) -> web.Response:
        return web.json_response(answers[request.path])

    app.router.add_get("/{path}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    monkeypatch.setattr(names, "DOCKER_PORT", site._server.sockets[0].getsockname()[1])
    yield keys
    await runner.cleanup()


async def test_first_contact_tells_what_the_daemon_is(daemon: dict[str, bytes]) -> None:
    status = await DaemonClient().ask("127.0.0.1", "build.team-a.svc", daemon)
    assert (status.version, status.api_version) == ("28.5.2", "1.51")
    assert (status.storage_driver, status.backing_filesystem, status.cgroup_version) == ("overlay2", "extfs", "2")


async def test_another_services_name_is_refused(daemon: dict[str, bytes]) -> None:
    with pytest.raises(OSError, match="Hostname mismatch"):
        await DaemonClient().ask("127.0.0.1", "other.team-a.svc", daemon)


async def test_another_authoritys_daemon_is_refused(daemon: dict[str, bytes]) -> None:
    del daemon
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        await DaemonClient().ask("127.0.0.1", "build.team-a.svc", key_set())


async def test_another_authoritys_client_is_refused(daemon: dict[str, bytes]) -> None:
    stranger = key_set() | {pki.CA_CERTIFICATE: daemon[pki.CA_CERTIFICATE]}
    with pytest.raises(OSError):  # noqa: PT011 - the server hangs up, which shows in several ways
        await DaemonClient().ask("127.0.0.1", "build.team-a.svc", stranger)


async def test_nobody_there_is_an_os_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "DOCKER_PORT", 1)
    with pytest.raises(OSError):  # noqa: PT011 - the system's own words
        await DaemonClient().ask("127.0.0.1", "x", key_set())


def test_an_answer_with_surprises_is_cut_to_size() -> None:
    status = dockerd.engine_status({"Version": "x" * 100}, {"DriverStatus": None, "SecurityOptions": None})
    assert len(status.version) == 64
    assert status.security_options == []
