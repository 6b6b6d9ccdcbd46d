"""The webhook before clients that are slow, greedy or malformed: others are answered, and memory is bounded."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import io
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from cryptography import x509
from tests.support.nesting import DEEP, nested

from nested_docker.controller.admission_reviewer import AdmissionResponse, Review
from nested_docker.domain.ports import KubeError
from nested_docker.domain.status.reasons import Reason
from nested_docker.handlers import webhook_server
from nested_docker.handlers.admission import (
    INJECT_PATH,
    JUDGE_PATH,
    REVIEW_SECONDS,
    SHARE,
    WAITING,
    AdmissionServer,
    ObserveReview,
)
from nested_docker.handlers.webhook_server import Bounds, WebhookServer

GRANTED = AdmissionResponse(allowed=True, reason=Reason.GRANTED)
BOUNDS = Bounds(connections=20, handshake_seconds=0.5, request_seconds=0.5, idle_seconds=1.0, bodies=2**22)
Reviewing = Callable[[Review], Awaitable[AdmissionResponse]]


class Client:
    """Of a webhook's server."""

    def __init__(
        self, serving: AdmissionServer, running: asyncio.Task[None], port: int, context: ssl.SSLContext
    ) -> None:
        self.serving, self.running, self.port, self.context = serving, running, port, context
        self.writers: list[asyncio.StreamWriter] = []

    async def post(self, body: bytes | str, path: str = "/validate", **headers: str) -> tuple[int, str]:
        data = body.encode() if isinstance(body, str) else body
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=self.context)) as session,
            session.post(f"https://localhost:{self.port}{path}", data=io.BytesIO(data), headers=headers) as response,
        ):
            return response.status, await response.text()

    async def review(self, user: str = "eve", **fields: Any) -> dict[str, Any]:
        status, text = await self.post(review_of(user, **fields))
        assert status == 200, text
        answer = json.loads(text)
        assert answer["response"]["uid"] == "the-uid"
        return dict(answer["response"])

    async def raw(self, data: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.context)
        writer.write(data)
        self.writers.append(writer)
        return reader, writer


def review_of(user: str = "eve", **fields: Any) -> str:
    obj = {"metadata": {"name": "a", "namespace": "ns"}, "spec": {"mode": "Dind"}}
    request = {"uid": "the-uid", "userInfo": {"username": user}, "object": obj, "oldObject": None, "dryRun": False}
    return json.dumps({"kind": "AdmissionReview", "request": request | fields})


async def grant(_review: Review) -> AdmissionResponse:
    return GRANTED


@asynccontextmanager
async def webhook(
    folder: Path, review: Reviewing = grant, bounds: Bounds = BOUNDS, observe: ObserveReview = lambda *_: None
) -> AsyncIterator[Client]:
    authority = trustme.CA()
    write(authority, folder)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.check_hostname = False
    with contextlib.closing(await _free()) as probe:
        port = probe.getsockname()[1]
    paths = ("/validate", INJECT_PATH, JUDGE_PATH)
    serving = AdmissionServer(port, folder, dict.fromkeys(paths, review), observe, bounds)
    running = asyncio.create_task(_run(serving))
    await serving.listening.wait()
    client = Client(serving, running, port, context)
    try:
        yield client
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        for writer in client.writers:
            writer.close()


async def _free() -> Any:
    return socket.create_server(("127.0.0.1", 0))


async def _run(serving: AdmissionServer) -> None:
    async for _ in serving(None):
        pass


def write(authority: trustme.CA, folder: Path) -> None:
    made = authority.issue_cert("localhost")
    made.cert_chain_pems[0].write_to_path(folder / "tls.crt")
    made.private_key_pem.write_to_path(folder / "tls.key")


# --- answers --------------------------------------------------------------------------------------


async def test_a_verdict_is_an_admission_review(tmp_path: Path) -> None:
    seen = []

    async def review(asked: Review) -> AdmissionResponse:
        seen.append(asked)
        return AdmissionResponse(allowed=True, reason=Reason.GRANTED, warnings=("careful",))

    async with webhook(tmp_path, review) as client:
        assert await client.review(dryRun=True) == {"uid": "the-uid", "allowed": True, "warnings": ["careful"]}
    assert (seen[0].user, seen[0].obj["spec"], seen[0].old, seen[0].dry_run) == (
        {"username": "eve"},
        {"mode": "Dind"},
        None,
        True,
    )


@pytest.mark.parametrize(
    ("outcome", "code", "message"),
    [
        (AdmissionResponse(allowed=False, reason=Reason.NOT_GRANTED, message="no"), 403, "NotGranted: no"),
        (AdmissionResponse(allowed=False, reason=Reason.INVALID_SPEC, message="x" * 10**6), 403, "InvalidSpec: xxx"),
        (KubeError(500, "", "down"), 503, "the request could not be reviewed, try again: 500 : down"),
        (ZeroDivisionError(), 500, "the request could not be reviewed because of a defect in the operator"),
    ],
)
async def test_a_denial_has_a_code_and_a_short_message(
    tmp_path: Path, outcome: AdmissionResponse | Exception, code: int, message: str
) -> None:
    async def review(_asked: Review) -> AdmissionResponse:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async with webhook(tmp_path, review) as client:
        response = await client.review()
    assert response["allowed"] is False
    assert response["status"]["code"] == code
    assert response["status"]["message"].startswith(message)
    assert len(response["status"]["message"]) < 5000


@pytest.mark.parametrize(
    "body",
    ["", "x", "[]", "{}", '{"request": 1}', '{"request": {"uid": "a"}}', "[" * 100_000, b"\xff", "1" * 5000]
    + [review_of(object=value) for value in (None, [], 1, {}, {"metadata": 1}, {"metadata": {"namespace": {}}})],
)
async def test_what_is_not_a_review_is_rejected(tmp_path: Path, body: str | bytes) -> None:
    async with webhook(tmp_path) as client:
        assert await client.post(body) == (400, "the body is not an AdmissionReview of a NestedDocker")


@pytest.mark.parametrize(
    ("field", "path"),
    [
        ("managed", "metadata.managedFields"),
        ("config", "spec.engine"),
        ("affinity", "spec.scheduling"),
        ("annotations", "metadata.annotations"),
        ("status", "status"),
    ],
)
async def test_a_deep_object_is_denied_and_the_field_is_named(tmp_path: Path, field: str, path: str) -> None:
    objects: dict[str, dict[str, Any]] = {
        "managed": {"metadata": {"managedFields": [{"fieldsV1": "DEEP"}]}},
        "config": {"spec": {"engine": {"config": "DEEP"}}},
        "affinity": {"spec": {"scheduling": {"affinity": "DEEP"}}},
        "annotations": {"metadata": {"annotations": {"a": "DEEP"}}},
        "status": {"status": ["DEEP"]},
    }
    obj = {"spec": {"mode": "Dind"}} | objects[field]
    obj["metadata"] = {"name": "a", "namespace": "ns"} | obj.get("metadata", {})
    async with webhook(tmp_path) as client:
        status, text = await client.post(review_of(object=obj).replace('"DEEP"', nested(DEEP)))
        assert status == 200
        assert json.loads(text)["response"] == {
            "uid": "the-uid",
            "allowed": False,
            "status": {
                "code": 403,
                "message": f"{path} is nested too deeply to be read: replace it, with fewer levels",
            },
        }
        old = {"metadata": {"namespace": "ns", "managedFields": "DEEP"}}
        status, text = await client.post(review_of(oldObject=old).replace('"DEEP"', nested(DEEP)))
        assert json.loads(text)["response"]["allowed"] is True, "who repairs a deep object may do so"


async def test_a_patch_is_sent_as_json_patch(tmp_path: Path) -> None:
    patch = {"op": "add", "path": "/spec/className", "value": "standard"}

    async def name_class(_review: Review) -> AdmissionResponse:
        return AdmissionResponse(allowed=True, reason=Reason.GRANTED, patch=(patch,))

    async with webhook(tmp_path, name_class) as client:
        response = await client.review()
    assert response["patchType"] == "JSONPatch"
    assert json.loads(base64.b64decode(response["patch"])) == [patch]


async def test_each_answer_is_counted_with_the_code_of_its_decision(tmp_path: Path) -> None:
    observed: list[tuple[str, int]] = []

    def observe(path: str, code: int, seconds: float) -> None:
        assert 0 <= seconds < REVIEW_SECONDS
        observed.append((path, code))

    answers: list[AdmissionResponse | Exception] = [
        GRANTED,
        AdmissionResponse(allowed=False, reason=Reason.NOT_GRANTED),
        KubeError(500, "", "down"),
        ZeroDivisionError(),
    ]

    async def review(_review: Review) -> AdmissionResponse:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with webhook(tmp_path, review, observe=observe) as client:
        for _ in range(4):
            await client.review()
        assert (await client.post("{}"))[0] == 400
        assert (await client.post("{}", path="/other"))[0] == 404
    assert observed == [("/validate", code) for code in (200, 403, 503, 500, 400)]


async def test_another_path_is_not_reviewed(tmp_path: Path) -> None:
    async with webhook(tmp_path) as client:
        message = "the webhook has only the paths /inject-pods, /judge-pods, /validate"
        assert await client.post(review_of(), path="/other") == (404, message)


async def test_bodies_are_bounded(tmp_path: Path) -> None:
    async with webhook(tmp_path) as client:
        large = review_of(user="x" * BOUNDS.body)
        assert await client.post(large) == (413, "the webhook accepts at most 1048576 bytes")
        bomb = gzip.compress(b" " * 10**7)
        assert await client.post(bomb, **{"Content-Encoding": "gzip"}) == (
            415,
            "the webhook accepts no content encoding",
        )

        async def endless() -> AsyncIterator[bytes]:
            for _ in range(200):
                yield b" " * 65536

        with contextlib.suppress(aiohttp.ClientError):  # the connection may end before the answer is read
            async with (
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=client.context)) as session,
                session.post(f"https://localhost:{client.port}/", data=endless()) as response,
            ):
                assert response.status == 413
        assert (await client.review())["allowed"]


# --- requesters -----------------------------------------------------------------------------------


async def test_a_user_with_many_requests_holds_up_nobody(tmp_path: Path) -> None:
    running = most = 0

    async def review(asked: Review) -> AdmissionResponse:
        nonlocal running, most
        if asked.user["username"] == "eve":
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.2)
            running -= 1
        return GRANTED

    bounds = Bounds(connections=500)
    async with webhook(tmp_path, review, bounds) as client:
        flood = [asyncio.create_task(client.review("eve")) for _ in range(SHARE + WAITING + 10)]
        await asyncio.sleep(0.3)
        for number in range(5):
            started = time.monotonic()
            assert (await client.review(f"user-{number}"))["allowed"]
            assert time.monotonic() - started < 1.0
        answers = await asyncio.gather(*flood)
    assert most == SHARE
    denied = [each["status"] for each in answers if not each["allowed"]]
    assert {each["code"] for each in denied} == {429}
    message = (
        f"{WAITING} requests of eve are waiting to be reviewed: send fewer requests at the same time, and try again"
    )
    assert message in {each["message"] for each in denied}
    assert sum(each["allowed"] for each in answers) >= SHARE + 1


async def test_a_review_has_a_deadline(tmp_path: Path) -> None:
    async def review(_asked: Review) -> AdmissionResponse:
        await asyncio.sleep(60)
        return GRANTED

    async with webhook(tmp_path, review) as client:
        started = time.monotonic()
        response = await client.review()
        assert time.monotonic() - started < REVIEW_SECONDS + 1
    assert response["status"] == {
        "code": 503,
        "message": "the request could not be reviewed, try again: the review took longer than 2.5 s",
    }


# --- connections ----------------------------------------------------------------------------------

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"
SLOW = {
    "nothing after the handshake": b"",
    "half a head": b"POST / HTTP/1.1\r\nHost: a\r\nX-A:",
    "a head without body": HEAD,
    "a body without end": HEAD + b" " * 50_000,
}


@pytest.mark.parametrize("data", SLOW.values(), ids=SLOW)
async def test_a_slow_connection_ends(tmp_path: Path, data: bytes) -> None:
    async with webhook(tmp_path) as client:
        reader, writer = await client.raw(data)
        started = time.monotonic()
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        assert 0.3 < time.monotonic() - started < 3
        writer.close()
        assert client.serving.server.dropped == 1


async def test_drop_by_drop_is_slow_too(tmp_path: Path) -> None:
    async with webhook(tmp_path) as client:
        _, writer = await client.raw(HEAD)
        started = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - started < 5:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)
        assert time.monotonic() - started < 3
        assert client.serving.server.dropped == 1


async def test_a_connection_without_a_handshake_ends(tmp_path: Path) -> None:
    async with webhook(tmp_path) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        async with asyncio.timeout(3):
            with contextlib.suppress(ConnectionError):
                await reader.read()
        writer.close()
        await asyncio.sleep(0.1)
        assert not client.serving.server._connections


@pytest.mark.parametrize("kind", ["without a handshake", *SLOW])
async def test_many_slow_connections_hold_up_nobody(tmp_path: Path, kind: str) -> None:
    bounds = Bounds(connections=20, handshake_seconds=30, request_seconds=30)
    async with webhook(tmp_path, bounds=bounds) as client:
        writers = []
        for _ in range(60):
            if kind in SLOW:
                _, writer = await client.raw(SLOW[kind])
            else:
                _, writer = await asyncio.open_connection("127.0.0.1", client.port)
            writers.append(writer)
        for _ in range(5):
            assert (await client.review())["allowed"]
        assert len(client.serving.server._connections) <= 20
        assert client.serving.server.dropped >= 40
        for writer in writers:
            writer.close()


async def test_an_idle_connection_that_has_served_stays_longest(tmp_path: Path) -> None:
    bounds = Bounds(connections=20, handshake_seconds=30, request_seconds=30)
    connector = aiohttp.TCPConnector()
    async with webhook(tmp_path, bounds=bounds) as client, aiohttp.ClientSession(connector=connector) as session:
        url = f"https://localhost:{client.port}/validate"
        async with session.post(url, data=review_of(), ssl=client.context) as response:
            assert response.status == 200
        used = next(iter(client.serving.server._connections.values()))
        for _ in range(40):
            await client.raw()
        assert used in client.serving.server._connections.values()


async def test_a_server_that_stops_closes_a_connection_only_with_a_response(tmp_path: Path) -> None:
    async with webhook(tmp_path) as client, aiohttp.ClientSession() as session:
        url = f"https://localhost:{client.port}/validate"
        async with session.post(url, data=review_of(), ssl=client.context) as response:
            assert response.headers.get("Connection") != "close"
        client.running.cancel()
        await asyncio.sleep(0.2)
        async with session.post(url, data=review_of(), ssl=client.context) as response:
            assert (response.status, response.headers.get("Connection")) == (200, "close")
        async with asyncio.timeout(2.0):
            await asyncio.gather(client.running, return_exceptions=True)


@pytest.mark.parametrize("seconds", [0.0, 0.1], ids=["at the moment", "later"])
async def test_a_server_that_stops_answers_connections_that_begin(tmp_path: Path, seconds: float) -> None:
    async with webhook(tmp_path) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        client.running.cancel()
        await asyncio.sleep(seconds)
        late = asyncio.create_task(client.review())
        await writer.start_tls(client.context, server_hostname="localhost")
        writer.write(b"POST /elsewhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        assert (await late)["allowed"]
        assert await reader.readline() == b"HTTP/1.1 404 Not Found\r\n"
        writer.close()


async def test_a_server_that_stops_finishes_the_request_that_it_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def review(_asked: Review) -> AdmissionResponse:
        client.running.cancel()
        await asyncio.sleep(REVIEW_SECONDS - 0.2)
        return GRANTED

    monkeypatch.setattr(webhook_server, "WEBHOOK_DRAIN_SECONDS", 0.1)
    async with webhook(tmp_path, review) as client:
        assert (await client.review())["allowed"]


async def test_all_bodies_together_are_bounded(tmp_path: Path) -> None:
    bounds = Bounds(connections=100, request_seconds=30, bodies=2**21)
    async with webhook(tmp_path, bounds=bounds) as client:
        for _ in range(12):
            await client.raw(HEAD + b" " * 400_000)
        await asyncio.sleep(0.5)
        held = sum(each.reading or 0 for each in client.serving.server._connections.values())
        assert held <= bounds.bodies
        assert client.serving.server.dropped >= 6
        assert (await client.review())["allowed"]


async def test_a_new_certificate_is_used(tmp_path: Path) -> None:
    write(trustme.CA(), tmp_path)
    with contextlib.closing(await _free()) as probe:
        port = probe.getsockname()[1]

    async def answer(_path: str, _body: bytes) -> Any:
        raise AssertionError

    listening = asyncio.Event()
    server = WebhookServer(port, tmp_path, answer)
    running = asyncio.create_task(server.run(listening, check_seconds=0.05))
    await listening.wait()
    first = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port))
    (tmp_path / "tls.crt").write_text("broken")
    await asyncio.sleep(0.2)
    assert await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port)) == first
    write(trustme.CA(), tmp_path)
    await asyncio.sleep(0.2)
    renewed = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port))
    assert renewed != first
    loaded = x509.load_pem_x509_certificate(renewed.encode())
    assert server.validity == (loaded.not_valid_before_utc, loaded.not_valid_after_utc)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


# --- pods ------------------------------------------------------------------------------------------


def pod_review(**metadata: Any) -> str:
    obj = {"metadata": {"generateName": "job-"} | metadata, "spec": {"containers": []}}
    request = {"uid": "the-uid", "userInfo": {"username": "eve"}, "namespace": "ns", "object": obj}
    return json.dumps({"kind": "AdmissionReview", "request": request})


async def test_a_pod_may_have_neither_name_nor_namespace(tmp_path: Path) -> None:
    seen = []

    async def review(asked: Review) -> AdmissionResponse:
        seen.append(asked)
        return GRANTED

    async with webhook(tmp_path, review) as client:
        status, _ = await client.post(pod_review(), INJECT_PATH)
    assert status == 200
    assert seen[0].obj["metadata"] == {"generateName": "job-", "namespace": "ns"}


async def test_the_request_s_namespace_counts_and_not_the_object_s(tmp_path: Path) -> None:
    seen = []

    async def review(asked: Review) -> AdmissionResponse:
        seen.append(asked.obj["metadata"]["namespace"])
        return GRANTED

    async with webhook(tmp_path, review) as client:
        await client.post(pod_review(namespace="ns"), INJECT_PATH)
        await client.post(pod_review(namespace="other"), INJECT_PATH)
    assert seen == ["ns", "ns"]


@pytest.mark.parametrize("body", ["{}", '{"request": {"uid": "u", "object": {"metadata": {}}}}', "[]", "x"])
async def test_what_is_not_a_review_of_a_pod_is_a_bad_request(tmp_path: Path, body: str) -> None:
    async with webhook(tmp_path) as client:
        assert await client.post(body, INJECT_PATH) == (400, "the body is not an AdmissionReview of a pod")


@pytest.mark.parametrize("path", [INJECT_PATH, JUDGE_PATH])
async def test_many_pods_of_one_controller_at_the_same_time_are_all_reviewed(tmp_path: Path, path: str) -> None:
    running = most = 0

    async def review(_asked: Review) -> AdmissionResponse:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        return GRANTED

    roomy = Bounds(connections=200, handshake_seconds=30, request_seconds=30, idle_seconds=30, bodies=2**22)
    async with webhook(tmp_path, review, roomy) as client:
        answers = await asyncio.gather(*(client.post(pod_review(), path) for _ in range(50)))
    assert {json.loads(text)["response"]["allowed"] for _, text in answers} == {True}
    assert most <= SHARE


async def test_many_pods_of_one_namespace_hold_up_no_other(tmp_path: Path) -> None:
    async def review(asked: Review) -> AdmissionResponse:
        if asked.obj["metadata"]["namespace"] == "ns":
            await asyncio.sleep(0.2)
        return GRANTED

    def body(namespace: str) -> str:
        asked = json.loads(pod_review())
        asked["request"]["namespace"] = namespace
        return json.dumps(asked)

    async with webhook(tmp_path, review, Bounds(connections=500)) as client:
        flood = [asyncio.create_task(client.post(body("ns"), INJECT_PATH)) for _ in range(5 * SHARE)]
        await asyncio.sleep(0.1)
        for number in range(5):
            started = time.monotonic()
            assert (await client.post(body(f"team-{number}"), INJECT_PATH))[0] == 200
            assert time.monotonic() - started < 0.2
        assert not all(task.done() for task in flood)
        assert {status for status, _ in await asyncio.gather(*flood)} == {200}
