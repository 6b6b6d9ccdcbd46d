"""What keeps the operator from a daemon: real connections, and the likely cause that a condition names."""

from __future__ import annotations

import errno
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.certificates import certificate_maker
from tests.support.dockerd import server_context
from tests.support.listening import Serve, dropping, hang_up, listening, plain_http, reset, silence

from nested_docker.adapters import dockerd
from nested_docker.adapters.dockerd import DaemonClient
from nested_docker.controller.probe_error import kind_of
from nested_docker.docker_api.errors import DockerApiError
from nested_docker.domain import names, pki
from nested_docker.domain.observed import ProbeError

NAME = "build.team-a.svc"


def key_set(name: str = NAME, *, days: int = 1, owner_uid: str = "uid") -> dict[str, bytes]:
    now = datetime.now(UTC)
    begin, end = sorted((now - timedelta(minutes=5), now + timedelta(days=days)))
    return certificate_maker().issue(pki.CertificateRequest(owner_uid, "", name, (name,), (), begin, end, end))


def files(keys: dict[str, bytes]) -> dict[str, bytes]:
    sources = {"ca.pem": pki.CA_CERTIFICATE, "cert.pem": pki.SERVER_CERTIFICATE, "key.pem": pki.SERVER_KEY}
    return {file: keys[source] for file, source in sources.items()}


async def failure(port: int, keys: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> DockerApiError:
    monkeypatch.setattr(names, "DOCKER_PORT", port)
    monkeypatch.setattr(dockerd, "CONTACT_SECONDS", 0.5)
    with pytest.raises(DockerApiError) as raised:
        await DaemonClient().ask("127.0.0.1", NAME, keys)
    return raised.value


@pytest.mark.parametrize(
    ("serve", "kind"),
    [
        (silence, ProbeError.NO_ANSWER),
        (hang_up, ProbeError.CLOSED),
        (reset, ProbeError.CLOSED),
        (plain_http, ProbeError.NO_TLS),
    ],
)
async def test_who_does_not_speak_tls(serve: Serve, kind: ProbeError, monkeypatch: pytest.MonkeyPatch) -> None:
    async with listening(serve) as port:
        assert kind_of(await failure(port, key_set(), monkeypatch)) == kind


async def test_a_daemon_that_agrees_on_tls_and_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = key_set()
    async with listening(silence, context=server_context(files(keys))) as port:
        error = await failure(port, keys, monkeypatch)
    assert kind_of(error) == ProbeError.NO_ANSWER
    assert str(error).endswith("has not answered /version within 0.5 s")


async def test_nobody_accepts_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async with dropping() as port:
        assert kind_of(await failure(port, key_set(), monkeypatch)) == ProbeError.SILENCE


async def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    assert kind_of(await failure(1, key_set(), monkeypatch)) == ProbeError.REFUSED


@pytest.mark.parametrize("wrong", ["authority", "name", "time"])
async def test_another_certificate_than_the_daemons(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = {"authority": key_set(owner_uid="another"), "name": key_set("other.team-a.svc"), "time": key_set(days=-1)}[
        wrong
    ]
    ours = key_set() if wrong == "authority" else theirs
    context = server_context(files(theirs))
    context.verify_mode = ssl.CERT_NONE
    async with listening(silence, context=context) as port:
        assert kind_of(await failure(port, ours, monkeypatch)) == ProbeError.CERTIFICATE


async def test_a_daemon_that_does_not_accept_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = key_set()
    stranger = key_set(owner_uid="another") | {pki.CA_CERTIFICATE: keys[pki.CA_CERTIFICATE]}
    async with listening(silence, context=server_context(files(keys))) as port:
        assert kind_of(await failure(port, stranger, monkeypatch)) in {ProbeError.REJECTED, ProbeError.CLOSED}


def caused(by: BaseException) -> DockerApiError:
    error = DockerApiError("https://10.0.0.7:2376: no")
    error.__cause__ = by
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (caused(OSError(errno.EHOSTUNREACH, "No route to host")), ProbeError.NO_ROUTE),
        (caused(OSError(errno.ENETUNREACH, "Network is unreachable")), ProbeError.NO_ROUTE),
        (caused(OSError(errno.EMFILE, "Too many open files")), ProbeError.OTHER),
        (caused(TimeoutError()), ProbeError.SILENCE),
        (DockerApiError("the answer is not JSON"), ProbeError.OTHER),
        (KeyError("a defect"), ProbeError.OTHER),
    ],
)
def test_the_root_decides(error: Exception, kind: ProbeError) -> None:
    assert kind_of(error) == kind


def test_a_circle_of_causes_ends() -> None:
    error = caused(ValueError())
    assert error.__cause__ is not None
    error.__cause__.__cause__ = error
    assert kind_of(error) == ProbeError.OTHER
