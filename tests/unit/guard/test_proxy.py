"""The guard between clients of every temper and a daemon that the test plays."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.guard.asking import OPEN, UID
from tests.unit.relay.peers import MIB, Neighbourhood, read_all, send_all

from nested_docker.api.meta import Enforcement
from nested_docker.api.v1alpha1.guard import GuardRules
from nested_docker.guard.ownership import IMAGE_LABEL, UID_LABEL
from nested_docker.guard.proxy import Guard, Timeouts
from nested_docker.net.streams import PlainStream, Stream

FULL = "a" * 64
MINE = {"Id": FULL, "Config": {"Labels": {UID_LABEL: UID}}, "HostConfig": {"Memory": 2**20}}
SHORT = Timeouts(idle=5, document=0.3, chunk=0.3, linger=0.3)


class Played:
    """A daemon that answers by path, and keeps what it was sent."""

    def __init__(self, **answers: Any) -> None:
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self.answers: dict[str, Any] = {
            f"/containers/{FULL}/json": MINE,
            "/containers/mine/json": MINE,
            "/images/busybox/json": {"RepoTags": ["busybox:latest"]},
            **answers,
        }

    async def __call__(self, client: Stream) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            data = await client.read()
            if not data:
                return
            received += data
        head, _, body = received.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
        path = first.split(" ")[1].partition("?")[0]
        if path == "/build" and callable(self.answers.get(path)):  # has its say before the archive has come
            await self.answers[path](client, headers, body)
            return
        while len(body) < int(headers.get("content-length", 0)):
            data = await client.read()
            if not data:
                return
            body += data
        self.heads.append(head.decode())
        self.bodies.append(body)
        answer = self.answers.get(path, {"message": "no such thing"})
        if callable(answer):
            await answer(client, headers, body)
            return
        data = json.dumps(answer).encode()
        status = "404 Not Found" if answer == {"message": "no such thing"} else "200 OK"
        await client.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)

    def forwarded(self) -> list[str]:
        """First lines of what was passed on: the guard's own questions are GETs of its own."""
        return [head.split("\r\n")[0] for head in self.heads]


def guarded(hood: Neighbourhood, daemon: Callable[..., Any], *, rules: GuardRules = OPEN,
            timeouts: Timeouts = SHORT) -> None:  # fmt: skip
    hood.start(daemon, Guard(rules, UID, timeouts=timeouts))


async def answers(client: PlainStream, count: int) -> list[tuple[int, bytes]]:
    """That many answers with a length."""
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
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            while len(received) < length:
                received += await client.read()
            found.append((int(head.split(b" ")[1]), received[:length]))
            received = received[length:]
    return found


def request(method: str, target: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


async def test_the_daemon_gets_a_head_of_the_guards(hood: Neighbourhood) -> None:
    daemon = Played(**{f"/v1.45/containers/{FULL}/json": MINE})
    guarded(hood, daemon)
    client = await hood.unix()
    await client.write(
        request("GET", "/v1.45/containers/mine/json?size=1", b"", "X-Evil: 1", "Cookie: a=b", "X-Registry-Auth: eA==")
    )
    assert (await answers(client, 1))[0][0] == 200
    assert daemon.heads[-1].split("\r\n") == [
        f"GET /v1.45/containers/{FULL}/json?size=1 HTTP/1.1",
        "Host: docker",
        "x-registry-auth: eA==",
        "Connection: close",
    ]


async def test_a_body_is_written_anew(hood: Neighbourhood) -> None:
    created = {"Id": FULL}
    daemon = Played(**{"/containers/create": created, "/containers/json": []})
    guarded(hood, daemon)
    client = await hood.unix()
    body = b'{ "Image" : "busybox", "Env": null, "HostConfig": {"Privileged": false, "CapAdd": []} }'
    await client.write(request("POST", "/containers/create", body))
    assert await answers(client, 1) == [(200, json.dumps(created).encode())]
    assert json.loads(daemon.bodies[-1]) == {
        "Image": "busybox",
        "HostConfig": {"CapAdd": []},
        "Labels": {UID_LABEL: UID},
    }


async def test_requests_in_a_row_are_served_one_after_the_other(hood: Neighbourhood) -> None:
    daemon = Played(**{"/_ping": {"ok": 1}})
    guarded(hood, daemon)
    client = await hood.unix()
    await client.write(request("GET", "/_ping") + request("POST", "/swarm/init", b"{}") + request("GET", "/_ping"))
    assert [status for status, _ in await answers(client, 3)] == [200, 403, 200]
    assert daemon.forwarded() == ["GET /_ping HTTP/1.1"] * 2


async def test_a_refused_archive_ends_the_connection_after_the_answer(hood: Neighbourhood) -> None:
    daemon = Played()
    guarded(hood, daemon)
    client = await hood.unix()
    sending = asyncio.create_task(client.write(request("POST", "/images/load", bytes(8 * MIB))))
    received = await read_all(client)
    assert b"HTTP/1.1 403" in received
    assert b"images.load" in received
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    assert daemon.heads == []


async def test_who_waits_to_be_told_is_told_by_the_guard(hood: Neighbourhood) -> None:
    guarded(hood, Played())
    client = await hood.unix()
    head = request("POST", "/containers/create", b"", "Expect: 100-continue").replace(b"h: 0", b"h: 19")
    await client.write(head)
    assert await client.read() == b"HTTP/1.1 100 \r\n\r\n"
    await client.write(b'{"Image":"nothing"}')
    assert (await answers(client, 1))[0] == (404, b'{"message": "No such image: nothing"}')


async def test_a_refused_archive_is_not_bidden_on(hood: Neighbourhood) -> None:
    guarded(hood, Played())
    client = await hood.unix()
    await client.write(request("POST", "/images/load", b"", "Expect: 100-continue").replace(b"h: 0", b"h: 9"))
    assert (await read_all(client)).startswith(b"HTTP/1.1 403")


async def test_a_body_that_does_not_arrive_is_given_up(hood: Neighbourhood) -> None:
    guarded(hood, Played())
    client = await hood.unix()
    await client.write(request("POST", "/containers/create").replace(b"h: 0", b"h: 9") + b"{")
    assert (await read_all(client)).startswith(b"HTTP/1.1 408")
    await hood.settled()


async def test_a_body_beyond_the_limit_is_refused_chunked_or_not(hood: Neighbourhood) -> None:
    daemon = Played()
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


async def test_an_archive_has_a_limit_of_its_own(hood: Neighbourhood) -> None:
    async def swallow(client: Stream, _headers: Any, _body: bytes) -> None:
        while await client.read():
            pass

    rules = OPEN.model_copy(update={"limits": OPEN.limits.model_copy(update={"upload": "1Mi"})})
    guarded(hood, Played(**{"/build": swallow}), rules=rules)
    client = await hood.unix()
    chunks = b"".join(b"10000\r\n" + bytes(65536) + b"\r\n" for _ in range(40))
    await client.write(b"POST /build HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks)
    assert (await read_all(client)).startswith(b"HTTP/1.1 413")


async def test_an_archive_that_stops_is_given_up(hood: Neighbourhood) -> None:
    async def wait(client: Stream, _headers: Any, _body: bytes) -> None:
        while await client.read():
            pass

    guarded(hood, Played(**{"/build": wait}))
    client = await hood.unix()
    await client.write(b"POST /build HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
    assert (await read_all(client)).startswith(b"HTTP/1.1 408")
    await hood.settled()


async def test_a_daemon_that_refuses_an_archive_midway_is_heard(hood: Neighbourhood) -> None:
    async def refuse(client: Stream, _headers: Any, _body: bytes) -> None:
        await client.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno")

    guarded(hood, Played(**{"/build": refuse}), timeouts=Timeouts(idle=5, linger=0.3))
    client = await hood.unix()
    sending = asyncio.create_task(
        client.write(b"POST /build HTTP/1.1\r\nHost: x\r\nContent-Length: 33554432\r\n\r\n" + bytes(32 * MIB))
    )
    assert (await read_all(client)).endswith(b"no")
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


async def test_a_client_that_leaves_ends_the_request(hood: Neighbourhood) -> None:
    ended = asyncio.Event()

    async def never(client: Stream, _headers: Any, _body: bytes) -> None:
        while await client.read():
            pass
        ended.set()

    guarded(hood, Played(**{f"/containers/{FULL}/wait": never}))
    client = await hood.unix()
    await client.write(request("POST", "/containers/mine/wait"))
    await asyncio.sleep(0.1)
    client.close()
    async with asyncio.timeout(5):
        await ended.wait()
    await hood.settled()


async def test_a_tunnel_has_two_directions_that_end_one_by_one(hood: Neighbourhood) -> None:
    async def count(client: Stream, headers: dict[str, str], _body: bytes) -> None:
        assert headers["upgrade"] == "tcp"
        await client.write(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nearly ")
        await client.write(f"received {len(await read_all(client))}".encode())

    guarded(hood, Played(**{f"/containers/{FULL}/attach": count}))
    for kind in ("unix", "tls"):
        client = await hood.client(kind)
        head = request("POST", "/containers/mine/attach?stdin=1", b"", "Connection: Upgrade", "Upgrade: tcp")
        await client.write(head + b"first")
        await send_all(client, bytes(MIB))
        received = await read_all(client)
        assert received.startswith(b"HTTP/1.1 101 UPGRADED\r\n")
        assert received.endswith(f"early received {MIB + 5}".encode())
    await hood.settled()


async def test_elsewhere_nobody_takes_a_connection_over(hood: Neighbourhood) -> None:
    async def switch(client: Stream, _headers: Any, _body: bytes) -> None:
        await client.write(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")

    daemon = Played(**{"/_ping": switch})
    guarded(hood, daemon)
    client = await hood.unix()
    await client.write(request("GET", "/_ping", b"", "Connection: Upgrade", "Upgrade: tcp"))
    assert (await answers(client, 1))[0][0] == 400
    assert daemon.heads == []


async def test_a_daemon_that_is_not_there_is_told(hood: Neighbourhood) -> None:
    hood.start(None, Guard(OPEN, UID, timeouts=SHORT))
    client = await hood.unix()
    await client.write(request("GET", "/_ping"))
    received = await read_all(client)
    assert received.startswith(b"HTTP/1.1 502")
    assert b"does not exist" in received


async def test_a_daemon_that_breaks_off_breaks_the_answer_off(hood: Neighbourhood) -> None:
    async def half(client: Stream, _headers: Any, _body: bytes) -> None:
        await client.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

    guarded(hood, Played(**{"/_ping": half}))
    client = await hood.unix()
    await client.write(request("GET", "/_ping"))
    received = await read_all(client)
    assert received.endswith(b"half")
    await hood.settled()


async def test_a_head_is_answered_without_a_body(hood: Neighbourhood) -> None:
    guarded(hood, Played())
    client = await hood.unix()
    await client.write(request("HEAD", "/containers/theirs/archive?path=/") + request("HEAD", "/nothing"))
    await client.end()
    received = await read_all(client)
    assert [line for line in received.split(b"\r\n") if line.startswith(b"HTTP/")] == [
        b"HTTP/1.1 404 ",
        b"HTTP/1.1 403 ",
    ]
    assert b"{" not in received


async def test_what_is_counted_is_counted_one_by_one(hood: Neighbourhood) -> None:
    made: list[int] = []

    async def create(client: Stream, _headers: Any, _body: bytes) -> None:
        await asyncio.sleep(0.05)
        made.append(1)
        await client.write(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}")

    async def listed(client: Stream, _headers: Any, _body: bytes) -> None:
        data = json.dumps([{"Id": FULL}] * len(made)).encode()
        await client.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)

    rules = OPEN.model_copy(update={"limits": OPEN.limits.model_copy(update={"containers": 2})})
    guarded(hood, Played(**{"/containers/create": create, "/containers/json": listed}), rules=rules)
    clients = [await hood.unix() for _ in range(4)]
    for client in clients:
        await client.write(request("POST", "/containers/create", b'{"Image":"busybox"}'))
    statuses = [(await answers(client, 1))[0][0] for client in clients]
    assert sorted(statuses) == [201, 201, 403, 403]


async def test_sums_are_of_all_ones_containers(hood: Neighbourhood) -> None:
    daemon = Played(**{"/containers/create": {}, "/containers/json": [{"Id": FULL}]})
    limits = {"perContainer": {"memory": "4Mi"}, "total": {"memory": "4Mi"}}
    rules = GuardRules.model_validate({**OPEN.dump(), "limits": limits})
    guarded(hood, daemon, rules=rules)
    client = await hood.unix()
    for memory, status in ((3 * 2**20, 200), (3 * 2**20 + 1, 403)):
        body = json.dumps({"Image": "busybox", "HostConfig": {"Memory": memory}}).encode()
        await client.write(request("POST", "/containers/create", body))
        assert (await answers(client, 1))[0][0] == status
    for memory, status in ((4 * 2**20, 200), (5 * 2**20, 403)):
        await client.write(request("POST", "/containers/mine/update", json.dumps({"Memory": memory}).encode()))
        assert (await answers(client, 1))[0][0] in {status, 404 if status == 200 else status}


async def test_each_decision_is_one_line_without_secrets(hood: Neighbourhood, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "nested_docker.guard")
    guarded(hood, Played(**{"/containers/create": {}, "/containers/json": [], "/build": {}}))
    client = await hood.unix()
    body = b'{"Image":"busybox","Env":["PASSWORD=canary"],"HostConfig":{"Privileged":true}}'
    await client.write(
        request("POST", "/containers/create", body.replace(b"true", b"false"), "X-Registry-Auth: canary")
        + request("POST", "/containers/create", body)
        + request("POST", "/build?buildargs=%7B%22TOKEN%22%3A%22canary%22%7D")
    )
    await answers(client, 3)
    records = [record for record in caplog.records if record.name == "nested_docker.guard.audit"]
    assert [record.decision for record in records] == ["allowed", "refused", "allowed"]  # type: ignore[attr-defined]
    assert records[1].rule == "HostConfig.Privileged"  # type: ignore[attr-defined]
    assert not any("canary" in str(vars(record)) for record in caplog.records)


async def test_a_warning_reaches_the_client(hood: Neighbourhood) -> None:
    rules = OPEN.model_copy(update={"enforcement": Enforcement.WARN})
    guarded(hood, Played(**{"/images/load": {}}), rules=rules)
    client = await hood.unix()
    await client.write(request("POST", "/images/load", b"x"))
    assert b"Warning: 299 nested-docker-guard" in await client.read()


async def test_an_image_is_found_by_its_label(hood: Neighbourhood) -> None:
    own = {"RepoTags": ["localhost/mine:1"], "Config": {"Labels": {IMAGE_LABEL: UID}}}
    theirs = {"RepoTags": ["localhost/theirs:1"], "Config": {"Labels": {IMAGE_LABEL: "other"}}}
    daemon = Played(**{"/images/localhost/mine:1/json": own, "/images/localhost/theirs:1/json": theirs})
    guarded(hood, daemon)
    client = await hood.unix()
    await client.write(
        request("GET", "/images/localhost/mine:1/json")
        + request("GET", "/images/localhost/theirs:1/json")
        + request("DELETE", "/images/localhost/theirs:1")
        + request("POST", "/images/busybox/tag?repo=localhost/theirs&tag=1")
        + request("DELETE", "/images/busybox")
    )
    assert [status for status, _ in await answers(client, 5)] == [200, 404, 404, 409, 403]
