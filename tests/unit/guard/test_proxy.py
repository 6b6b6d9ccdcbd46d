"""The guard between clients of all kinds and a fake daemon."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
from tests.unit.guard.decisions import OPEN, UID
from tests.unit.guard.fake_daemon import FULL, MINE, NEW, SHORT, FakeDaemon, guarded, request
from tests.unit.relay.peers import MIB, Neighbourhood, read_all, send_all

from nested_docker.api.meta import Enforcement
from nested_docker.api.v1alpha1.guard import GuardRules
from nested_docker.guard.ownership import CREATION_ANNOTATION, IMAGE_LABEL, OWNER_ANNOTATION, UID_LABEL
from nested_docker.guard.proxy import Guard, Timeouts
from nested_docker.net.streams import PlainStream, Stream


async def answers(client: PlainStream, count: int) -> list[tuple[int, bytes]]:
    """Read that many responses; one without a Content-Length has chunks, of which the body here is the first."""
    received, found = b"", []
    async with asyncio.timeout(10):
        while len(found) < count:
            while b"\r\n\r\n" not in received:
                data = await client.read()
                assert data, received
                received += data
            head, _, received = received.partition(b"\r\n\r\n")
            if head.startswith(b"HTTP/1.1 100"):
                continue
            if b"transfer-encoding: chunked" in head.lower():
                while not received.endswith(b"0\r\n\r\n"):
                    received += await client.read()
                found.append((int(head.split(b" ")[1]), received.partition(b"\r\n")[2].partition(b"\r\n")[0]))
                received = b""
                continue
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            while len(received) < length:
                received += await client.read()
            found.append((int(head.split(b" ")[1]), received[:length]))
            received = received[length:]
    return found


async def test_the_daemon_gets_a_head_from_the_guard(hood: Neighbourhood) -> None:
    daemon = FakeDaemon(**{f"/containers/{FULL}/json": MINE})
    guarded(hood, daemon)
    client = await hood.unix()
    await client.write(
        request("GET", "/v1.45/containers/mine/json?size=1", b"", "X-Evil: 1", "Cookie: a=b", "X-Registry-Auth: eA==")
    )
    assert (await answers(client, 1))[0][0] == 200
    assert daemon.heads[-1].split("\r\n") == [
        f"GET /v1.51/containers/{FULL}/json?size=1 HTTP/1.1",
        "Host: docker",
        "x-registry-auth: eA==",
        "Connection: close",
    ]


async def test_the_daemon_gets_a_reencoded_body(hood: Neighbourhood) -> None:
    created = {"Id": NEW}
    daemon = FakeDaemon(**{"/containers/create": created})
    guarded(hood, daemon)
    client = await hood.unix()
    body = b'{ "Image" : "busybox", "Env": null, "HostConfig": {"Privileged": false, "CapAdd": []} }'
    await client.write(request("POST", "/containers/create", body))
    assert await answers(client, 1) == [(200, json.dumps(created).encode())]
    body = json.loads(next(each for each in daemon.bodies if each))
    assert len(body["HostConfig"]["Annotations"].pop(CREATION_ANNOTATION)) == 32
    assert body == {
        "Image": "busybox",
        "Env": ["NVIDIA_VISIBLE_DEVICES=void"],
        "HostConfig": {"CapAdd": [], "Annotations": {OWNER_ANNOTATION: UID}},
        "Labels": {UID_LABEL: UID},
    }


async def test_pipelined_requests_are_served_in_order(hood: Neighbourhood) -> None:
    daemon = FakeDaemon(**{"/_ping": {"ok": 1}})
    guarded(hood, daemon)
    client = await hood.unix()
    await client.write(request("GET", "/_ping") + request("POST", "/swarm/init", b"{}") + request("GET", "/_ping"))
    assert [status for status, _ in await answers(client, 3)] == [200, 403, 200]
    assert daemon.forwarded() == ["GET /_ping HTTP/1.1"] * 2


async def test_a_denied_upload_closes_the_connection_after_the_response(hood: Neighbourhood) -> None:
    daemon = FakeDaemon()
    guarded(hood, daemon)
    client = await hood.unix()
    sending = asyncio.create_task(client.write(request("POST", "/images/load", bytes(8 * MIB))))
    received = await read_all(client)
    assert b"HTTP/1.1 403" in received
    assert b"images.load" in received
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    assert daemon.heads == []


async def test_the_guard_sends_100_continue(hood: Neighbourhood) -> None:
    guarded(hood, FakeDaemon())
    client = await hood.unix()
    head = request("POST", "/containers/create", b"", "Expect: 100-continue").replace(b"h: 0", b"h: 19")
    await client.write(head)
    assert await client.read() == b"HTTP/1.1 100 \r\n\r\n"
    await client.write(b'{"Image":"nothing"}')
    assert (await answers(client, 1))[0] == (404, b'{"message": "No such image: nothing"}')


async def test_a_denied_upload_gets_no_100_continue(hood: Neighbourhood) -> None:
    guarded(hood, FakeDaemon())
    client = await hood.unix()
    await client.write(request("POST", "/images/load", b"", "Expect: 100-continue").replace(b"h: 0", b"h: 9"))
    assert (await read_all(client)).startswith(b"HTTP/1.1 403")


async def test_an_incomplete_body_times_out(hood: Neighbourhood) -> None:
    guarded(hood, FakeDaemon())
    client = await hood.unix()
    await client.write(request("POST", "/containers/create").replace(b"h: 0", b"h: 9") + b"{")
    assert (await read_all(client)).startswith(b"HTTP/1.1 408")
    await hood.settled()


async def test_a_body_above_the_limit_is_denied_chunked_or_not(hood: Neighbourhood) -> None:
    daemon = FakeDaemon()
    guarded(hood, daemon)
    for head in (b"Content-Length: 3000000", b"Transfer-Encoding: chunked"):
        client = await hood.unix()
        chunks = b"".join(b"10000\r\n" + bytes(65536) + b"\r\n" for _ in range(40))
        sending = asyncio.create_task(
            client.write(b"POST /containers/create HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n" + chunks)
        )
        assert (await read_all(client)).startswith(b"HTTP/1.1 413")
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    assert daemon.heads == []


async def test_an_upload_has_a_separate_limit(hood: Neighbourhood) -> None:
    async def swallow(client: Stream, _headers: Any, _body: bytes) -> None:
        while await client.read():
            pass

    rules = OPEN.model_copy(update={"limits": OPEN.limits.model_copy(update={"upload": "1Mi"})})
    guarded(hood, FakeDaemon(**{"/build": swallow}), rules=rules)
    client = await hood.unix()
    chunks = b"".join(b"10000\r\n" + bytes(65536) + b"\r\n" for _ in range(40))
    await client.write(b"POST /build HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
    assert (await read_all(client)).startswith(b"HTTP/1.1 413")


async def test_a_stalled_upload_times_out(hood: Neighbourhood) -> None:
    async def wait(client: Stream, _headers: Any, _body: bytes) -> None:
        while await client.read():
            pass

    guarded(hood, FakeDaemon(**{"/build": wait}))
    client = await hood.unix()
    await client.write(b"POST /build HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
    assert (await read_all(client)).startswith(b"HTTP/1.1 408")
    await hood.settled()


async def test_a_response_during_an_upload_reaches_the_client(hood: Neighbourhood) -> None:
    async def refuse(client: Stream, _headers: Any, _body: bytes) -> None:
        await client.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno")

    guarded(hood, FakeDaemon(**{"/build": refuse}), timeouts=Timeouts(idle=5, linger=0.3))
    client = await hood.unix()
    sending = asyncio.create_task(
        client.write(b"POST /build HTTP/1.1\r\nHost: x\r\nContent-Length: 33554432\r\n\r\n" + bytes(32 * MIB))
    )
    assert (await read_all(client)).endswith(b"no")
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


async def test_a_client_that_disconnects_cancels_the_request(hood: Neighbourhood) -> None:
    ended = asyncio.Event()

    async def never(client: Stream, _headers: Any, _body: bytes) -> None:
        while await client.read():
            pass
        ended.set()

    guarded(hood, FakeDaemon(**{f"/containers/{FULL}/wait": never}))
    client = await hood.unix()
    await client.write(request("POST", "/containers/mine/wait"))
    await asyncio.sleep(0.1)
    client.close()
    async with asyncio.timeout(5):
        await ended.wait()
    await hood.settled()


async def test_a_hijacked_connection_has_half_closed_directions(hood: Neighbourhood) -> None:
    async def count(client: Stream, headers: dict[str, str], _body: bytes) -> None:
        assert headers["upgrade"] == "tcp"
        await client.write(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nearly ")
        await client.write(f"received {len(await read_all(client))}".encode())

    guarded(hood, FakeDaemon(**{f"/containers/{FULL}/attach": count}))
    for kind in ("unix", "tls"):
        client = await hood.client(kind)
        head = request("POST", "/containers/mine/attach?stdin=1", b"", "Connection: Upgrade", "Upgrade: tcp")
        await client.write(head + b"first")
        await send_all(client, bytes(MIB))
        received = await read_all(client)
        assert received.startswith(b"HTTP/1.1 101 UPGRADED\r\n")
        assert received.endswith(f"early received {MIB + 5}".encode())
    await hood.settled()


async def test_other_routes_may_not_upgrade_the_connection(hood: Neighbourhood) -> None:
    async def switch(client: Stream, _headers: Any, _body: bytes) -> None:
        await client.write(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")

    daemon = FakeDaemon(**{"/_ping": switch})
    guarded(hood, daemon)
    client = await hood.unix()
    await client.write(request("GET", "/_ping", b"", "Connection: Upgrade", "Upgrade: tcp"))
    assert (await answers(client, 1))[0][0] == 400
    assert daemon.heads == []


async def test_buildkits_upgrade_gets_the_remedy(hood: Neighbourhood) -> None:
    guarded(hood, FakeDaemon())
    client = await hood.unix()
    await client.write(request("POST", "/session", b"", "Connection: Upgrade", "Upgrade: h2c"))
    ((status, body),) = await answers(client, 1)
    assert status == 403
    assert b"set DOCKER_BUILDKIT=0" in body


async def test_an_unreachable_daemon_is_a_502(hood: Neighbourhood) -> None:
    """The connection stays, so that no request of the client meets one that is being closed."""
    hood.start(None, Guard(OPEN, UID, timeouts=SHORT))
    client = await hood.unix()
    for each in (request("GET", "/_ping"), request("POST", "/containers/create", b'{"Image":"busybox"}')):
        await client.write(each)
        ((status, body),) = await answers(client, 1)
        assert status == 502
        assert b"does not exist" in body


async def test_an_upload_while_the_daemon_is_down_gets_the_reason(hood: Neighbourhood) -> None:
    hood.start(None, Guard(OPEN, UID, timeouts=SHORT))
    client = await hood.unix()
    await client.write(
        request("POST", "/build", b"", "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
    )
    for _ in range(40):
        await client.write(b"8000\r\n" + bytes(0x8000) + b"\r\n")
    await client.write(b"0\r\n\r\n")
    ((status, body),) = await answers(client, 1)
    assert status == 502
    assert b"does not exist" in body


@pytest.mark.parametrize("answered", range(3))
async def test_a_daemon_that_dies_during_a_request_is_a_502(hood: Neighbourhood, answered: int) -> None:
    """It dies before the guard looks up the image, before the request, or before the guard checks the container."""
    alive = [answered]
    daemon = FakeDaemon(**{"/containers/create": {"Id": "d" * 64}})

    async def dying(client: Stream) -> None:
        alive[0] -= 1
        if alive[0] >= 0:
            await daemon(client)

    guarded(hood, dying)
    client = await hood.unix()
    await client.write(request("POST", "/containers/create", b'{"Image":"busybox"}'))
    ((status, body),) = await answers(client, 1)
    assert status == 502
    assert b"the node's Docker daemon" in body


async def test_an_incomplete_response_of_the_daemon_breaks_the_connection(hood: Neighbourhood) -> None:
    async def half(client: Stream, _headers: Any, _body: bytes) -> None:
        await client.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

    guarded(hood, FakeDaemon(**{"/_ping": half}))
    client = await hood.unix()
    await client.write(request("GET", "/_ping"))
    received = await read_all(client)
    assert received.endswith(b"half")
    await hood.settled()


async def test_a_head_request_gets_no_body(hood: Neighbourhood) -> None:
    guarded(hood, FakeDaemon())
    client = await hood.unix()
    await client.write(request("HEAD", "/containers/theirs/archive?path=/") + request("HEAD", "/nothing"))
    await client.end()
    received = await read_all(client)
    assert [line for line in received.split(b"\r\n") if line.startswith(b"HTTP/")] == [
        b"HTTP/1.1 404 ",
        b"HTTP/1.1 403 ",
    ]
    assert b"{" not in received


async def test_quota_checks_run_one_at_a_time(hood: Neighbourhood) -> None:
    made: list[int] = []

    async def create(client: Stream, _headers: Any, body: bytes) -> None:
        await asyncio.sleep(0.05)
        made.append(1)
        container = f"{len(made):064x}"
        daemon.store(container, body)
        data = json.dumps({"Id": container}).encode()
        await client.write(f"HTTP/1.1 201 Created\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)

    async def listed(client: Stream, _headers: Any, _body: bytes) -> None:
        data = json.dumps([{"Id": FULL}] * len(made)).encode()
        await client.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)

    rules = OPEN.model_copy(update={"limits": OPEN.limits.model_copy(update={"containers": 2})})
    daemon = FakeDaemon(**{"/containers/create": create, "/containers/json": listed})
    guarded(hood, daemon, rules=rules)
    clients = [await hood.unix() for _ in range(4)]
    for client in clients:
        await client.write(request("POST", "/containers/create", b'{"Image":"busybox"}'))
    statuses = [(await answers(client, 1))[0][0] for client in clients]
    assert sorted(statuses) == [201, 201, 403, 403]


async def test_totals_cover_all_owned_containers(hood: Neighbourhood) -> None:
    daemon = FakeDaemon(**{"/containers/create": {"Id": NEW}, "/containers/json": [{"Id": FULL}]})
    limits = {"perContainer": {"memory": "8Mi"}, "total": {"memory": "8Mi"}}
    rules = GuardRules.model_validate({**OPEN.dump(), "limits": limits})
    guarded(hood, daemon, rules=rules)
    client = await hood.unix()
    for memory, status in ((7 * 2**20, 200), (7 * 2**20 + 1, 403)):
        body = json.dumps({"Image": "busybox", "HostConfig": {"Memory": memory}}).encode()
        await client.write(request("POST", "/containers/create", body))
        assert (await answers(client, 1))[0][0] == status
    for memory, status in ((8 * 2**20, 200), (9 * 2**20, 403)):
        await client.write(request("POST", "/containers/mine/update", json.dumps({"Memory": memory}).encode()))
        assert (await answers(client, 1))[0][0] in {status, 404 if status == 200 else status}


async def test_each_decision_is_one_line_without_secrets(hood: Neighbourhood, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "nested_docker.guard")
    guarded(hood, FakeDaemon(**{"/containers/create": {"Id": NEW}, "/build": {}}))
    client = await hood.unix()
    body = b'{"Image":"busybox","Env":["PASSWORD=canary"],"HostConfig":{"Privileged":true}}'
    await client.write(
        request("POST", "/containers/create", body.replace(b"true", b"false"), "X-Registry-Auth: canary")
        + request("POST", "/containers/create", body)
        + request("POST", "/build?buildargs=%7B%22TOKEN%22%3A%22canary%22%7D")
    )
    await answers(client, 3)
    records = [record for record in caplog.records if record.name == "nested_docker.guard.audit"]
    assert [record.decision for record in records] == ["allowed", "denied", "allowed"]  # type: ignore[attr-defined]
    assert records[1].rule == "HostConfig.Privileged"  # type: ignore[attr-defined]
    assert not any("canary" in str(vars(record)) for record in caplog.records)


async def test_a_warning_reaches_the_client(hood: Neighbourhood) -> None:
    rules = OPEN.model_copy(update={"enforcement": Enforcement.WARN})
    guarded(hood, FakeDaemon(**{"/images/load": {}}), rules=rules)
    client = await hood.unix()
    await client.write(request("POST", "/images/load", b"x"))
    assert b"Warning: 299 nested-docker-guard" in await client.read()


async def test_the_label_of_an_image_decides_who_owns_it(hood: Neighbourhood) -> None:
    own = {"Id": "sha256:1", "Parent": "x", "RepoTags": ["localhost/mine:1"], "Config": {"Labels": {IMAGE_LABEL: UID}}}
    theirs = {"Id": "sha256:2", "Parent": "x", "RepoTags": ["localhost/theirs:1"],
              "Config": {"Labels": {IMAGE_LABEL: "other"}}}  # fmt: skip
    daemon = FakeDaemon(**{"/images/localhost/mine:1/json": own, "/images/localhost/theirs:1/json": theirs,
                           "/images/sha256:1/json": own})  # fmt: skip
    guarded(hood, daemon)
    client = await hood.unix()
    await client.write(
        request("GET", "/images/localhost/mine:1/json")
        + request("GET", "/images/localhost/theirs:1/json")
        + request("DELETE", "/images/localhost/theirs:1")
        + request("POST", "/images/localhost/mine:1/tag?repo=localhost/theirs&tag=1")
        + request("DELETE", "/images/busybox")
    )
    assert [status for status, _ in await answers(client, 5)] == [200, 404, 404, 409, 403]


@pytest.mark.parametrize("body", [b'{"t":0}', b'{"hijack":true}', b"[]", b"no JSON", b"x" * 100_000])
async def test_a_body_that_the_daemon_ignores_does_not_reach_it(hood: Neighbourhood, body: bytes) -> None:
    daemon = FakeDaemon(**{f"/containers/{FULL}/stop": {}, "/_ping": {}})
    guarded(hood, daemon)
    client = await hood.unix()
    await client.write(request("POST", "/containers/mine/stop?t=0", body) + request("GET", "/_ping"))
    assert [status for status, _ in await answers(client, 2)] == [200, 200]
    assert daemon.bodies == [b""] * len(daemon.bodies)
    assert daemon.forwarded()[-2:] == [f"POST /v1.51/containers/{FULL}/stop?t=0 HTTP/1.1", "GET /_ping HTTP/1.1"]


async def test_a_body_that_the_daemon_ignores_has_a_limit(hood: Neighbourhood) -> None:
    daemon = FakeDaemon()
    guarded(hood, daemon)
    client = await hood.unix()
    await client.write(request("POST", "/containers/mine/stop", bytes(3 * MIB)))
    ((status, body),) = await answers(client, 1)
    assert status == 413
    assert b"the request body exceeds 1048576 bytes" in body
    assert daemon.heads == []


async def test_an_import_is_denied_by_its_rule_however_large_it_is(hood: Neighbourhood) -> None:
    guarded(hood, FakeDaemon())
    client = await hood.unix()
    await client.write(request("POST", "/images/create?fromSrc=-", bytes(3 * MIB)))
    ((status, body),) = await answers(client, 1)
    assert status == 403
    assert b"images may not be imported from archives" in body


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "bzip2", "xz", "identity"])
async def test_an_upload_may_be_compressed(hood: Neighbourhood, encoding: str) -> None:
    """The daemon sees by the first bytes how an archive is compressed, and the header does not reach it."""
    daemon = FakeDaemon(**{"/build": {}})
    guarded(hood, daemon)
    client = await hood.unix()
    await client.write(request("POST", "/build", b"archive", f"Content-Encoding: {encoding}"))
    assert [status for status, _ in await answers(client, 1)] == [200]
    assert daemon.bodies[-1] == b"archive"
    assert "encoding" not in daemon.heads[-1].lower()


async def test_a_document_may_not_be_compressed(hood: Neighbourhood) -> None:
    daemon = FakeDaemon()
    guarded(hood, daemon)
    client = await hood.unix()
    await client.write(request("POST", "/containers/create", b'{"Image":"busybox"}', "Content-Encoding: gzip"))
    ((status, body),) = await answers(client, 1)
    assert status == 415
    assert b"Content-Encoding is not supported here: send the JSON as it is" in body
    assert daemon.heads == []
