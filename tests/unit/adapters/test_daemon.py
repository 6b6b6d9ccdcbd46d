"""Key sets and first contact: a real TLS server, and who gets through to it."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import ssl
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import uvloop
from aiohttp import web
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import strategies
from tests.support.certificates import certificate_maker

from nested_docker.adapters import dockerd
from nested_docker.adapters.clock import SystemClock
from nested_docker.adapters.dockerd import DaemonClient
from nested_docker.api.v1alpha1.nested_docker import EngineStatus
from nested_docker.controller.daemon_prober import DaemonProber
from nested_docker.docker_api.engine import engine_facts
from nested_docker.docker_api.errors import DockerApiError
from nested_docker.domain import names, pki
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import Owner
from nested_docker.domain.planning.planned import ProbeTarget

NOW = datetime.now(UTC).replace(microsecond=0)


def key_set(name: str = "build", **fields: Any) -> dict[str, bytes]:
    object_names = ObjectNames(Owner(name, "team-a", f"uid of {name}"))
    request = pki.certificate_request(object_names, cluster_domain="cluster.local", now=NOW, deadline=None)
    if fields:
        request = pki.CertificateRequest(**(vars(request) | fields))
    return certificate_maker().issue(request)


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


def trusts(keys: dict[str, bytes], others: dict[str, bytes]) -> bool:
    """Whether who has the authority's certificate of the first key set accepts the certificates of the second."""
    authority = x509.load_pem_x509_certificate(keys[pki.CA_CERTIFICATE])
    leaf = x509.load_pem_x509_certificate(others[pki.SERVER_CERTIFICATE])
    try:
        leaf.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError):
        return False
    return True


def test_the_next_key_set_of_a_nesteddocker_has_its_authority() -> None:
    first, second = key_set(), key_set(not_before=NOW + timedelta(days=300), not_after=NOW + timedelta(days=600))
    assert first[pki.SERVER_KEY] != second[pki.SERVER_KEY]
    assert first[pki.CLIENT_KEY] != second[pki.CLIENT_KEY]
    assert trusts(first, second)
    assert trusts(second, first)


@pytest.mark.parametrize(
    "others",
    [
        pytest.param(key_set("other"), id="another NestedDocker"),
        pytest.param(key_set(owner_uid="a later uid"), id="a later NestedDocker of that name"),
        pytest.param(key_set(rotation="1"), id="after a rotation"),
        pytest.param(key_set(owner_uid="uid of build/1"), id="a uid that has the form of a uid with a rotation"),
    ],
)
def test_another_authority_is_not_trusted(others: dict[str, bytes]) -> None:
    assert not trusts(key_set(), others)
    assert not trusts(others, key_set())


def test_an_authority_cannot_be_derived_without_the_root_key() -> None:
    object_names = ObjectNames(Owner("build", "team-a", "uid"))
    request = pki.certificate_request(object_names, cluster_domain="cluster.local", now=NOW, deadline=None)
    mine, others = (
        certificate_maker().issue(request),
        certificate_maker(b"another root key of 32 bytes....").issue(request),
    )
    assert not trusts(mine, others)


def test_an_authority_outlives_its_certificates_so_that_clients_keep_it() -> None:
    keys = key_set()
    authority = x509.load_pem_x509_certificate(keys[pki.CA_CERTIFICATE])
    assert authority.not_valid_after_utc - NOW > timedelta(days=3600)


@pytest.mark.parametrize("number", range(64))
def test_every_derived_key_is_valid(number: int) -> None:
    """A number outside the curve's order would be refused."""
    assert tuple(key_set(rotation=str(number))) == pki.KEYS


def test_certificates_outlast_the_deadline_by_a_margin() -> None:
    deadline = NOW + timedelta(hours=2)
    object_names = ObjectNames(Owner("b", "n", "uid"))
    request = pki.certificate_request(object_names, cluster_domain="c", now=NOW, deadline=deadline)
    keys = certificate_maker().issue(request)
    for certificate in (pki.CLIENT_CERTIFICATE, pki.OPERATOR_CERTIFICATE):
        leaf = x509.load_pem_x509_certificate(keys[certificate])
        assert leaf.not_valid_after_utc == deadline + pki.MARGIN
        assert leaf.not_valid_before_utc == NOW - pki.BACKDATED
    assert validity(keys, pki.SERVER_CERTIFICATE) == validity(keys, pki.CA_CERTIFICATE)


# --- renewal ---------------------------------------------------------------------------------------


def validity(keys: dict[str, bytes], certificate: str) -> tuple[datetime, datetime]:
    leaf = x509.load_pem_x509_certificate(keys[certificate])
    return leaf.not_valid_before_utc, leaf.not_valid_after_utc


def renewal(days: int = 700, **fields: Any) -> pki.RenewalRequest:
    return pki.RenewalRequest(
        **({"owner_uid": "uid of build", "rotation": ""} | fields), not_after=NOW + timedelta(days)
    )


def test_a_renewal_changes_both_pairs_and_nothing_that_the_pod_mounts() -> None:
    keys = key_set()
    renewed = certificate_maker().renew(renewal(), keys)
    assert renewed is not None
    assert tuple(renewed) == pki.KEYS
    assert {key for key in pki.KEYS if renewed[key] != keys[key]} == {*pki.RENEWED}
    authority = x509.load_pem_x509_certificate(keys[pki.CA_CERTIFICATE])
    for certificate in (pki.CLIENT_CERTIFICATE, pki.OPERATOR_CERTIFICATE):
        x509.load_pem_x509_certificate(renewed[certificate]).verify_directly_issued_by(authority)
        assert validity(renewed, certificate) == (validity(keys, pki.CA_CERTIFICATE)[0], NOW + timedelta(days=700))


def test_renewed_pairs_do_not_outlive_their_authority() -> None:
    keys = key_set()
    renewed = certificate_maker().renew(renewal(days=36500), keys)
    assert renewed is not None
    assert validity(renewed, pki.CLIENT_CERTIFICATE) == validity(keys, pki.CA_CERTIFICATE)


@pytest.mark.parametrize(
    ("root_key", "fields"),
    [
        (b"another root key of 32 bytes....", {}),
        (None, {"owner_uid": "another"}),
        (None, {"rotation": "1"}),
    ],
    ids=["another root key", "another NestedDocker", "another rotation"],
)
def test_pairs_of_an_authority_that_cannot_be_derived_are_not_renewed(root_key: bytes | None, fields: Any) -> None:
    """They would be pairs that the daemon does not accept."""
    maker = certificate_maker(root_key) if root_key else certificate_maker()
    assert maker.renew(renewal(**fields), key_set()) is None


def test_what_is_no_certificate_is_not_renewed() -> None:
    assert certificate_maker().renew(renewal(), key_set() | {pki.CA_CERTIFICATE: b"x"}) is None


VERSION: dict[str, Any] = {"Version": "28.5.2", "ApiVersion": "1.51"}
INFO: dict[str, Any] = {
    "Driver": "overlay2",
    "DriverStatus": [["Backing Filesystem", "extfs"]],
    "CgroupVersion": "2",
    "SecurityOptions": ["name=seccomp,profile=builtin"],
}


class Daemon:
    """A daemon that answers as Docker does, on a free port, with mutual TLS.

    Attributes:
        keys: its key set.
        answers: by path.
        requests: paths, in the order in which they came.
    """

    def __init__(self, folder: Path) -> None:
        self.keys, self.folder = key_set(), folder
        self.answers: dict[str, Callable[[], web.Response]] = {
            "/version": lambda: web.json_response(VERSION),
            "/info": lambda: web.json_response(INFO),
        }
        self.requests: list[str] = []

    async def start(self, address: str = "127.0.0.1") -> web.AppRunner:
        for name, content in self.keys.items():
            (self.folder / name).write_bytes(content)
        authority = str(self.folder / pki.CA_CERTIFICATE)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority)
        context.load_cert_chain(self.folder / pki.SERVER_CERTIFICATE, self.folder / pki.SERVER_KEY)
        context.verify_mode = ssl.CERT_REQUIRED
        app = web.Application()
        app.router.add_get("/{path}", self._answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, address, 0, ssl_context=context)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]
        return runner

    async def _answer(self, request: web.Request) -> web.Response:
        self.requests.append(request.path)
        return self.answers[request.path]()


@pytest.fixture
async def serving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Daemon]:
    daemon = Daemon(tmp_path)
    runner = await daemon.start()
    monkeypatch.setattr(names, "DOCKER_PORT", daemon.port)
    yield daemon
    await runner.cleanup()


@pytest.fixture
def daemon(serving: Daemon) -> dict[str, bytes]:
    """The key set of a daemon that serves."""
    return serving.keys


async def test_first_contact_tells_what_the_daemon_is(daemon: dict[str, bytes]) -> None:
    status = await DaemonClient().ask("127.0.0.1", "build.team-a.svc", daemon)
    assert (status.version, status.api_version) == ("28.5.2", "1.51")
    assert (status.storage_driver, status.backing_filesystem, status.cgroup_version) == ("overlay2", "extfs", "2")


@pytest.mark.parametrize(
    ("facts", "store"),
    [
        ([["driver-type", "io.containerd.snapshotter.v1"]], "Containerd"),
        ([["Backing Filesystem", "extfs"], ["Supports d_type", "true"]], "GraphDriver"),
        ([["Backing Filesystem", "extfs"], ["driver-type", "other"]], "GraphDriver"),
        ([], None),
        (None, None),
    ],
)
def test_the_image_store_is_the_one_that_the_daemon_names(facts: object, store: str | None) -> None:
    assert engine_status({}, {"Driver": "overlayfs", "DriverStatus": facts}).image_store == store


@pytest.mark.parametrize(
    ("driver", "store"),
    [("vfs", "GraphDriver"), ("native", None), ("overlayfs", None), ("overlay2", None), ("btrfs", None), ("", None)],
)
@pytest.mark.parametrize("facts", [None, []])
def test_vfs_is_a_graph_driver_although_it_says_nothing_of_itself(
    facts: object, driver: str, store: str | None
) -> None:
    assert engine_status({}, {"Driver": driver, "DriverStatus": facts}).image_store == store


async def test_another_services_name_is_refused(daemon: dict[str, bytes]) -> None:
    with pytest.raises(DockerApiError, match="Hostname mismatch"):
        await DaemonClient().ask("127.0.0.1", "other.team-a.svc", daemon)


async def test_another_authoritys_daemon_is_refused(daemon: dict[str, bytes]) -> None:
    del daemon
    with pytest.raises(DockerApiError, match="CERTIFICATE_VERIFY_FAILED"):
        await DaemonClient().ask("127.0.0.1", "build.team-a.svc", key_set(owner_uid="another"))


async def test_another_authoritys_client_is_refused(daemon: dict[str, bytes]) -> None:
    stranger = key_set(owner_uid="another") | {pki.CA_CERTIFICATE: daemon[pki.CA_CERTIFICATE]}
    with pytest.raises(DockerApiError):  # the server hangs up, which shows in several ways
        await DaemonClient().ask("127.0.0.1", "build.team-a.svc", stranger)


async def test_clients_and_operator_connect_to_the_next_pod_with_what_they_have(daemon: dict[str, bytes]) -> None:
    earlier = key_set()
    assert earlier[pki.OPERATOR_KEY] != daemon[pki.OPERATOR_KEY]
    assert (await DaemonClient().ask("127.0.0.1", "build.team-a.svc", earlier)).version == VERSION["Version"]


async def test_a_running_daemon_accepts_the_old_pairs_and_the_renewed_ones(daemon: dict[str, bytes]) -> None:
    renewed = certificate_maker().renew(renewal(), daemon)
    assert renewed is not None
    for keys in (daemon, renewed):
        as_client = {**keys, pki.OPERATOR_CERTIFICATE: keys[pki.CLIENT_CERTIFICATE]}
        as_client[pki.OPERATOR_KEY] = keys[pki.CLIENT_KEY]
        for pairs in (keys, as_client):
            answer = await DaemonClient().ask("127.0.0.1", "build.team-a.svc", pairs)
            assert answer.version == VERSION["Version"]


@pytest.mark.parametrize(("address", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", r"\[::1\]")])
async def test_nobody_there(monkeypatch: pytest.MonkeyPatch, address: str, shown: str) -> None:
    monkeypatch.setattr(names, "DOCKER_PORT", 1)
    with pytest.raises(DockerApiError, match=f"^https://{shown}:1: "):
        await DaemonClient().ask(address, "x", key_set())


async def test_a_daemon_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        await asyncio.sleep(0.5)
        writer.close()

    monkeypatch.setattr(dockerd, "CONTACT_SECONDS", 0.2)
    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        monkeypatch.setattr(names, "DOCKER_PORT", server.sockets[0].getsockname()[1])
        with pytest.raises(DockerApiError, match=r"has not answered /version within 0.2 s$"):
            await DaemonClient().ask("127.0.0.1", "x", key_set())
        await asyncio.sleep(0.5)


async def test_both_requests_go_over_one_connection(serving: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    connections, connect = [], dockerd.connect_tcp

    async def counted(address: str, port: int) -> Any:
        connections.append(address)
        return await connect(address, port)

    monkeypatch.setattr(dockerd, "connect_tcp", counted)
    await DaemonClient().ask("127.0.0.1", "build.team-a.svc", serving.keys)
    assert serving.requests == ["/version", "/info"]
    assert connections == ["127.0.0.1"]


def test_first_contact_on_the_loop_that_the_operator_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def contact() -> None:
        daemon = Daemon(tmp_path)
        runner = await daemon.start()
        monkeypatch.setattr(names, "DOCKER_PORT", daemon.port)
        status = await DaemonClient().ask("127.0.0.1", "build.team-a.svc", daemon.keys)
        assert status.version == "28.5.2"
        await runner.cleanup()
        with pytest.raises(DockerApiError):
            await DaemonClient().ask("127.0.0.1", "build.team-a.svc", daemon.keys)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(contact())


@pytest.mark.parametrize("path", ["/version", "/info"])
@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda: web.json_response([]), "is not answered with a JSON object"),
        (lambda: web.json_response("text"), "is not answered with a JSON object"),
        (lambda: web.Response(text="<html>"), "is answered with invalid JSON"),
        (lambda: web.Response(text="[" * 100_000), "is answered with invalid JSON"),
        (lambda: web.json_response({}, status=500), "is answered with status 500"),
        (lambda: web.Response(status=302, headers={"Location": "/elsewhere"}), "is answered with status 302"),
        (lambda: web.json_response({"Version": 1, "Driver": 1}), "that is not a string"),
        (lambda: web.Response(body=b" " * (2**20 + 1)), "with more than 1048576 bytes"),
    ],
)
async def test_an_answer_that_is_not_dockers_is_an_error(
    serving: Daemon, path: str, answer: Callable[[], web.Response], message: str
) -> None:
    serving.answers[path] = answer
    with pytest.raises(DockerApiError, match=message):
        await DaemonClient().ask("127.0.0.1", "build.team-a.svc", serving.keys)
    assert "/elsewhere" not in serving.requests


class Hostile(Daemon):
    """A daemon with the right certificate that sends prepared bytes, piece by piece, for as long as somebody reads."""

    def __init__(self, folder: Path, head: bytes, piece: bytes = b"", pause: float = 0) -> None:
        super().__init__(folder)
        self.sent = (head, piece, pause)
        self.connections = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        head, piece, pause = self.sent
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            for _ in range(2):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(head)
                await writer.drain()
                if piece or not head:
                    break
            while piece:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)
        writer.close()

    @contextlib.asynccontextmanager
    async def serve(self) -> AsyncIterator[int]:
        for name, content in self.keys.items():
            (self.folder / name).write_bytes(content)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(self.folder / pki.CA_CERTIFICATE))
        context.load_cert_chain(self.folder / pki.SERVER_CERTIFICATE, self.folder / pki.SERVER_KEY)
        context.verify_mode = ssl.CERT_REQUIRED
        async with await asyncio.start_server(self.answer, "127.0.0.1", 0, ssl=context) as server:
            yield server.sockets[0].getsockname()[1]


def sized(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    return b"\r\n".join([b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers, b"", body])


BOMB = gzip.compress(b" " * 10_000_000)
HOSTILE: dict[str, tuple[tuple[Any, ...], str]] = {
    "redirect to the cloud's metadata": (
        (sized(b"", b"Location: http://169.254.169.254/", status=b"302 Found"),),
        "is answered with status 302",
    ),
    "redirect that keeps the method": (
        (sized(b"{}", b"Location: https://kubernetes.default.svc/", status=b"307 Temporary Redirect"),),
        "is answered with status 307",
    ),
    "gzip bomb": ((sized(BOMB, b"Content-Encoding: gzip"),), "in the content encoding 'gzip'"),
    "gzip bomb as a transfer encoding": (
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",),
        "gives a malformed answer to /version",
    ),
    "zstd": ((sized(b"{}", b"Content-Encoding: zstd"),), "in the content encoding 'zstd'"),
    "list": ((sized(b"[]"),), "is not answered with a JSON object"),
    "null": ((sized(b"null"),), "is not answered with a JSON object"),
    "deep nesting": ((sized(b'{"a":' * 100_000),), "is answered with invalid JSON"),
    "deep and closed": (
        (sized(b'{"Version":' + b"[" * 20_000 + b"]" * 20_000 + b"}"),),
        "is answered with invalid JSON",
    ),
    "huge number": ((sized(b'{"Version":' + b"9" * 100_000 + b"}"),), "is answered with invalid JSON"),
    "infinite number": ((sized(b'{"Version":1e999}'),), "a Version that is not a string"),
    "NaN": ((sized(b'{"Version":NaN}'),), "is answered with invalid JSON"),
    "not UTF-8": ((sized(b'{"Version":"\xff"}'),), "is answered with invalid JSON"),
    "endless body": (
        (b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65536),
        r"with more than 1048576 bytes|has not answered /version within",
    ),
    "endless headers": ((b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 1000), "/version"),
    "endless announcements": (
        (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000),
        r"with more than 1048576 bytes|has not answered /version within",
    ),
    "drop by drop": (
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b" ", 0.05),
        "has not answered /version within",
    ),
    "head drop by drop": ((b"", b"H", 0.05), "/version"),
    "another protocol": ((b"SSH-2.0-OpenSSH_9.6\r\n",), "/version"),
    "nothing": ((b"",), "/version"),
}


@pytest.mark.parametrize(("sent", "message"), HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_daemon_is_one_error_and_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: tuple[Any, ...], message: str
) -> None:
    monkeypatch.setattr(dockerd, "CONTACT_SECONDS", 1.0)
    hostile, counted = Hostile(tmp_path, *sent), list[str]()
    async with hostile.serve() as port:
        monkeypatch.setattr(names, "DOCKER_PORT", port)
        started = time.monotonic()
        with pytest.raises(DockerApiError, match=message) as raised:
            await DaemonClient().ask("127.0.0.1", "build.team-a.svc", hostile.keys)
        assert time.monotonic() - started < 3
        assert len(str(raised.value)) < 500
        assert str(raised.value).isprintable()
        target = ProbeTarget(address="127.0.0.1", server_name="build.team-a.svc", pod_uid="uid", restarts=0)
        probe = DaemonProber(DaemonClient(), lambda _key: None, SystemClock().now, counted.append)
        running = probe.start(("team-a", "build"), target, hostile.keys)
        async with asyncio.timeout(5):
            while len(counted) < 2:
                await asyncio.sleep(0.02)
        running.cancel()
        assert running.result is None
    assert set(counted) == {"DockerApiError"} or set(counted) <= {"DockerApiError", "AnswerTooLargeError"}
    assert hostile.connections >= 3


async def test_control_characters_do_not_reach_the_status(serving: Daemon) -> None:
    serving.answers["/version"] = lambda: web.json_response({"Version": "28\x1b[2J\u202e\n1" + "x" * 10**5})
    serving.answers["/info"] = lambda: web.json_response({"Driver": "a\x00b\x9bc", "SecurityOptions": ["\x07"] * 10**4})
    status = await DaemonClient().ask("127.0.0.1", "build.team-a.svc", serving.keys)
    assert status.version.startswith("28[2J1x")
    assert len(status.version) == 64
    assert status.storage_driver == "abc"
    assert len(status.security_options) == 16


@pytest.mark.parametrize(
    "broken",
    [{pki.CA_CERTIFICATE: b"none"}, {pki.CA_CERTIFICATE: b""}, {pki.CA_CERTIFICATE: b"\xff"}, {pki.OPERATOR_KEY: b""}],
)
async def test_a_broken_key_set_is_an_error_and_no_fallback(serving: Daemon, broken: dict[str, bytes]) -> None:
    with pytest.raises(DockerApiError, match="the key set in its Secret is not usable"):
        await DaemonClient().ask("127.0.0.1", "build.team-a.svc", serving.keys | broken)
    missing = {name: value for name, value in serving.keys.items() if name not in broken}
    with pytest.raises(DockerApiError, match="the key set in its Secret is not usable"):
        await DaemonClient().ask("127.0.0.1", "build.team-a.svc", missing)
    assert serving.requests == []


def engine_status(version: dict[str, Any], info: dict[str, Any]) -> EngineStatus:
    return EngineStatus(**engine_facts(version, info))


def test_an_answer_with_surprises_is_cut_to_size() -> None:
    status = engine_status({"Version": "x" * 100}, {"DriverStatus": None, "SecurityOptions": None})
    assert len(status.version) == 64
    assert status.security_options == []


def test_an_answer_with_control_characters_is_made_printable() -> None:
    options = ["name=\x1b[31mseccomp\ud800" + "x" * 300, *["more"] * 20]
    status = engine_status({"Version": "28\x00\n"}, {"SecurityOptions": options})
    assert status.version == "28"
    assert len(status.security_options) == 16
    assert status.security_options[0] == ("name=[31mseccomp" + "x" * 300)[:256]


JSON = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers() | strategies.floats() | strategies.text(),
    lambda inner: strategies.lists(inner) | strategies.dictionaries(strategies.text(), inner),
)
FIELDS = strategies.sampled_from(
    ["Version", "ApiVersion", "Driver", "DriverStatus", "CgroupVersion", "SecurityOptions"]
)


@hypothesis.settings(max_examples=50, deadline=None)
@hypothesis.given(strategies.dictionaries(FIELDS, JSON), strategies.dictionaries(FIELDS, JSON))
def test_any_json_is_a_status_or_the_one_error(version: dict[str, Any], info: dict[str, Any]) -> None:
    try:
        status = engine_status(version, info)
    except DockerApiError:
        return
    assert all(len(text) <= 256 and text.isprintable() for text in [status.version, *status.security_options])
