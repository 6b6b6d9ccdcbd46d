"""Mutated requests: the daemon gets only requests that satisfy the rules."""

from __future__ import annotations

import asyncio
import json
import random

from tests.unit.guard.decisions import OPEN, UID
from tests.unit.guard.fake_daemon import FULL, NEW, FakeDaemon, guarded, request
from tests.unit.relay.peers import Neighbourhood, read_all

from nested_docker.guard.decision import ParsedRequest, decide, parse_request
from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.ownership import CREATION_ANNOTATION, OWNER_ANNOTATION
from nested_docker.guard.rules.inherited import NO_DEVICES

ROUNDS = 1000

EVIL = json.dumps({"Image": "busybox", "HostConfig": {"Privileged": True, "Binds": ["/:/h"]}}).encode()
GOOD = json.dumps({"Image": "busybox", "HostConfig": {"Privileged": False}}).encode()
SEEDS = (
    request("GET", "/_ping") + request("POST", "/containers/create", EVIL),
    request("POST", "/containers/create", GOOD) + request("GET", "/containers/mine/json"),
    request("POST", "/containers/mine/start", b"", "Transfer-Encoding: chunked") + request("POST", "/swarm/init"),
    request("POST", "/build?t=localhost/x", EVIL, "Content-Type: application/x-www-form-urlencoded"),
    b"POST /containers/create HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    + f"{len(EVIL):x}\r\n".encode() + EVIL + b"\r\n0\r\n\r\n",
)  # fmt: skip
SNIPPETS = (
    *(b"\r\n", b"\n", b"\r", b"\x00", b" ", b"\t", b":", b"/", b"%2f", b"..", b"{", b"}", b'"', b",", b"0", b"1"),
    *(b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Upgrade: h2c\r\n", b"Connection: Upgrade\r\n"),
    *(b"Expect: 100-continue\r\n", b"HTTP/1.0", b"privileged", b'"privileged":true,', b"\xff", b"\xe2\x84\xaa"),
)


def broken(chance: random.Random) -> bytes:
    data = bytearray(chance.choice(SEEDS))
    for _ in range(chance.randint(0, 4)):
        location = chance.randrange(len(data))
        match chance.randrange(4):
            case 0:
                data[location:location] = chance.choice(SNIPPETS)
            case 1:
                del data[location : location + chance.randint(1, 8)]
            case 2:
                data[location] = chance.randrange(256)
            case _:
                data[location:location] = data[location : location + chance.randint(1, 40)]
    return bytes(data)


GUARDS_OWN = "Accept-Encoding: identity"
"""Headers of the guard's own requests, in addition to those that it forwards."""


async def test_forwarded_requests_satisfy_the_rules(hood: Neighbourhood) -> None:
    daemon = FakeDaemon(**{"/_ping": {}, "/containers/create": {"Id": NEW}, "/build": {},
                       f"/containers/{FULL}/start": {}})  # fmt: skip
    guarded(hood, daemon)
    chance = random.Random(11)
    for _ in range(ROUNDS):
        client = await hood.unix()
        data = broken(chance)
        await client.write(data)
        await client.end()
        async with asyncio.timeout(20):
            await read_all(client)
        client.close()
    await hood.settled()
    assert len(daemon.heads) > ROUNDS / 4
    for head, body in zip(daemon.heads, daemon.bodies, strict=True):
        first, *headers = head.split("\r\n")
        method, target, version = first.split(" ")
        assert version == "HTTP/1.1"
        passed = [header for header in headers if header != GUARDS_OWN]
        assert {header.partition(":")[0].lower() for header in passed} <= {
            *("host", "connection", "content-length", "content-type", "transfer-encoding", "upgrade"),
            *("x-registry-auth", "x-registry-config"),
        }
        routed = parse_request(method, target.encode())
        if routed.target.path == "/containers/create":
            assert json.loads(body)["Labels"]["nesteddocker.dev/uid"] == UID
            assert "Privileged" not in json.loads(body)["HostConfig"]
            assert "Binds" not in json.loads(body)["HostConfig"]
        allowed = _without_annotations(body) if routed.target.path == "/containers/create" else body
        assert _validated(routed, b"" if routed.target.path == "/build" else allowed) in {"", "owner"}, (head, body)


def _without_annotations(body: bytes) -> bytes:
    """A creation without the guard's annotations, which clients may not use."""
    document = json.loads(body)
    annotations = document["HostConfig"].pop("Annotations")
    assert annotations.keys() == {OWNER_ANNOTATION, CREATION_ANNOTATION}
    assert annotations[OWNER_ANNOTATION] == UID
    document["Env"].remove(NO_DEVICES)
    return json.dumps(document).encode()


def _validated(routed: ParsedRequest, body: bytes) -> str:
    """The rule that a request violates; `owner` for the guard's own label, which clients may not use."""
    try:
        decide(routed, body, OPEN, UID)
    except GuardDenied as denied:
        return denied.rule
    return ""
