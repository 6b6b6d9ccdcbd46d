"""One version of the API is written to the daemon, whatever version the client names."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit.guard.fake_daemon import FULL, MINE, FakeDaemon, guarded, request
from tests.unit.relay.peers import Neighbourhood, read_all

from nested_docker.net.streams import Stream

NEW = "d" * 64
CREATED = json.dumps({"Image": "busybox"}).encode()


async def answer(hood: Neighbourhood, *requests: bytes) -> bytes:
    client = await hood.unix()
    await client.write(b"".join(requests))
    await client.end()
    received = await read_all(client)
    await hood.settled()
    return received


@pytest.mark.parametrize("client", ["", "/v1.24", "/v1.39", "/v1.40", "/v1.43", "/v1.51"])
@pytest.mark.parametrize(
    ("daemon", "written"), [("1.51", "1.51"), ("1.56", "1.56"), ("1.99", "1.56"), ("2.0", "1.56"), ("1.52", "1.52")]
)
async def test_the_newest_version_of_both_is_written(
    hood: Neighbourhood, client: str, daemon: str, written: str
) -> None:
    fake = FakeDaemon(api_version=daemon, **{"/containers/create": {"Id": NEW}})
    guarded(hood, fake)
    assert (await answer(hood, request("POST", f"{client}/containers/create", CREATED))).startswith(b"HTTP/1.1 200")
    assert f"POST /v{written}/containers/create HTTP/1.1" in fake.forwarded()


async def test_a_daemon_older_than_the_guard_gets_its_version(hood: Neighbourhood) -> None:
    fake = FakeDaemon(api_version="1.41", **{"/volumes": {}})
    guarded(hood, fake)
    await answer(hood, request("GET", "/v1.39/volumes"))
    assert fake.forwarded()[-1].startswith("GET /v1.41/volumes?")


async def test_a_daemon_that_stores_no_annotations_creates_no_containers(hood: Neighbourhood) -> None:
    fake = FakeDaemon(api_version="1.42", **{"/containers/create": {"Id": NEW}, f"/containers/{NEW}": {}})
    guarded(hood, fake)
    received = await answer(hood, request("POST", "/v1.24/containers/create", CREATED))
    assert received.startswith(b"HTTP/1.1 502")
    assert b"it must be Docker 24 or newer" in received
    assert fake.forwarded()[-1] == f"DELETE /containers/{NEW}?force=1&v=1 HTTP/1.1"


async def test_a_client_newer_than_the_daemon_is_denied(hood: Neighbourhood) -> None:
    fake = FakeDaemon(api_version="1.41", **{"/info": {}})
    guarded(hood, fake)
    received = await answer(hood, request("GET", "/v1.45/info"))
    assert received.startswith(b"HTTP/1.1 400")
    assert (
        b"client version 1.45 is too new. Maximum supported API version is 1.41: "
        b"set DOCKER_API_VERSION=1.41, or let the client negotiate" in received
    )
    assert fake.heads == []


@pytest.mark.parametrize("version", ["", "1.23", "1.4.5", "v1.45", "one"])
async def test_a_daemon_without_a_known_version_gets_nothing(hood: Neighbourhood, version: str) -> None:
    fake = FakeDaemon(api_version=version, **{"/info": {}})
    guarded(hood, fake)
    received = await answer(hood, request("GET", "/info"))
    assert received.startswith(b"HTTP/1.1 502")
    assert f"has the API version '{version}': the guard needs 1.24 or newer".encode() in received
    assert fake.heads == []


async def test_the_version_is_asked_for_each_request(hood: Neighbourhood) -> None:
    fake = FakeDaemon(api_version="1.41", **{"/images/json": []})
    guarded(hood, fake)
    await answer(hood, request("GET", "/v1.41/images/json"))
    fake.api_version = "1.51"
    await answer(hood, request("GET", "/v1.41/images/json"))
    assert fake.forwarded() == ["GET /v1.41/images/json HTTP/1.1", "GET /v1.51/images/json HTTP/1.1"]


async def test_a_ping_and_the_version_are_not_versioned(hood: Neighbourhood) -> None:
    version = {"ApiVersion": "1.99", "MinAPIVersion": "1.44", "Components": [
        {"Name": "Engine", "Details": {"ApiVersion": "1.99", "MinAPIVersion": "1.44", "Os": "linux"}}, {"Name": "runc"},
    ]}  # fmt: skip
    fake = FakeDaemon(api_version="1.99", **{"/_ping": {}, "/version": version})
    guarded(hood, fake)
    received = await answer(hood, request("GET", "/v1.24/_ping"), request("GET", "/v1.24/version"))
    assert fake.forwarded() == ["GET /_ping HTTP/1.1", "GET /version HTTP/1.1"]
    shown = json.loads(received.rpartition(b"\r\n\r\n")[2])
    assert shown["ApiVersion"] == shown["Components"][0]["Details"]["ApiVersion"] == "1.56"
    assert shown["MinAPIVersion"] == shown["Components"][0]["Details"]["MinAPIVersion"] == "1.24"


async def test_a_daemon_that_closes_after_the_ping_is_connected_again(hood: Neighbourhood) -> None:
    requests: list[bytes] = []

    async def closing(client: Stream) -> None:
        requests.append((await client.read()).partition(b"\r\n")[0])
        await client.write(b"HTTP/1.1 200 OK\r\nApi-Version: 1.45\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")

    guarded(hood, closing)
    assert (await answer(hood, request("GET", "/volumes"))).startswith(b"HTTP/1.1 200")
    assert requests[0] == b"HEAD /_ping HTTP/1.1"
    assert requests[1].startswith(b"GET /v1.45/volumes?")
    assert len(requests) == 2


async def test_a_daemon_that_does_not_answer_the_ping_is_a_502(hood: Neighbourhood) -> None:
    async def silent(client: Stream) -> None:
        await client.read()

    guarded(hood, silent)
    received = await answer(hood, request("GET", "/volumes"))
    assert received.startswith(b"HTTP/1.1 502")
    assert b"the node's Docker daemon did not respond" in received


async def test_an_old_client_gets_the_fields_that_it_needs(hood: Neighbourhood) -> None:
    inspected = {**MINE, "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.2"}}}}
    fake = FakeDaemon(api_version="1.52", **{f"/containers/{FULL}/json": inspected})
    guarded(hood, fake)
    old = await answer(hood, request("GET", "/v1.41/containers/mine/json"))
    assert json.loads(old.rpartition(b"\r\n\r\n")[2])["NetworkSettings"]["IPAddress"] == "172.17.0.2"
    new = await answer(hood, request("GET", "/v1.52/containers/mine/json"))
    shown = {**inspected, "Config": {"Labels": {}}, "HostConfig": {"Memory": 2**20}}
    assert json.loads(new.rpartition(b"\r\n\r\n")[2]) == shown


async def test_an_error_is_not_translated(hood: Neighbourhood) -> None:
    guarded(hood, FakeDaemon(api_version="1.52"))
    received = await answer(hood, request("GET", "/v1.41/images/json"))
    assert received.startswith(b"HTTP/1.1 404")
    assert received.endswith(b'{"message": "no such thing"}')


async def test_events_are_translated_one_by_one(hood: Neighbourhood) -> None:
    events = [
        {"Type": "container", "Action": "die", "Actor": {"ID": FULL, "Attributes": {"image": "busybox"}}},
        {"Type": "network", "Action": "create", "Actor": {"ID": FULL}},
        "no object",
    ]

    async def stream(client: Stream, _headers: Any, _body: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/jsonl\r\nTransfer-Encoding: chunked\r\n\r\n"
        await client.write(head)
        data = b"".join(json.dumps(each).encode() + b"\n" for each in events) + b"no JSON\nrest"
        for part in (data[:10], data[10:60], data[60:]):
            await client.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        await client.write(b"0\r\n\r\n")

    guarded(hood, FakeDaemon(api_version="1.52", **{"/events": stream}))
    old = await answer(hood, request("GET", "/v1.41/events"))
    assert b"content-type: application/json\r\n" in old
    for expected in (b'"status":"die"', f'"id":"{FULL}"'.encode(), b'"from":"busybox"'):
        assert expected in old
    new = await answer(hood, request("GET", "/v1.52/events"))
    assert b"content-type: application/jsonl\r\n" in new
    assert b'"die"' in new
    for unexpected in (b'"status"', b"network", b"no", b"rest"):
        assert unexpected not in new


async def test_the_type_of_a_hijacked_stream_is_that_of_the_version(hood: Neighbourhood) -> None:
    async def attach(client: Stream, _headers: Any, _body: bytes) -> None:
        kind = b"Content-Type: application/vnd.docker.multiplexed-stream"
        await client.write(b"HTTP/1.1 101 UPGRADED\r\n" + kind + b"\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nout")

    guarded(hood, FakeDaemon(**{f"/containers/{FULL}/attach": attach}))
    for version, kind in (("1.41", b"raw-stream"), ("1.42", b"multiplexed-stream")):
        client = await hood.unix()
        upgrade = ("Connection: Upgrade", "Upgrade: tcp")
        await client.write(request("POST", f"/v{version}/containers/mine/attach?stdout=1", b"", *upgrade))
        received = await read_all(client)
        assert b"Content-Type: application/vnd.docker." + kind in received
        assert received.endswith(b"out")


async def test_a_line_without_an_end_breaks_the_connection(hood: Neighbourhood) -> None:
    async def stream(client: Stream, _headers: Any, _body: bytes) -> None:
        await client.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3000000)

    guarded(hood, FakeDaemon(api_version="1.52", **{"/events": stream}))
    received = await answer(hood, request("GET", "/v1.41/events"))
    assert len(received) < 2**20


async def test_a_daemon_that_is_replaced_gets_its_own_version(hood: Neighbourhood) -> None:
    fake = FakeDaemon(api_version="1.45", **{"/volumes": {}, "/version": {}, "/info": {}, "/images/json": []})
    guarded(hood, fake)
    await answer(hood, request("GET", "/volumes"))
    fake.api_version, fake.answers["/version"], fake.answers["/info"] = "1.52", {"ApiVersion": "1.52"}, {"Driver": "x"}
    await answer(hood, request("GET", "/volumes"))
    assert [line.partition("?")[0] for line in fake.forwarded()] == ["GET /v1.45/volumes", "GET /v1.52/volumes"]
    version = await answer(hood, request("GET", "/version"))
    assert json.loads(version.rpartition(b"\r\n\r\n")[2])["ApiVersion"] == "1.52"
    info = await answer(hood, request("GET", "/info"))
    assert json.loads(info.rpartition(b"\r\n\r\n")[2])["Driver"] == "x"
