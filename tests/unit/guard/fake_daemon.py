"""A daemon that answers from a table, a guard in front of it, and requests."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from tests.unit.guard.decisions import OPEN, UID
from tests.unit.relay.peers import Neighbourhood

from nested_docker.api.v1alpha1.guard import GuardRules
from nested_docker.guard.ownership import OWNER_ANNOTATION, UID_LABEL
from nested_docker.guard.proxy import Guard, Timeouts
from nested_docker.net.streams import Stream

FULL, NEW = "a" * 64, "b" * 64
BUSYBOX = f"sha256:{'c' * 64}"
MINE = {
    "Id": FULL,
    "Config": {"Labels": {UID_LABEL: UID}},
    "HostConfig": {"Memory": 2**20, "Annotations": {OWNER_ANNOTATION: UID}},
}
THEIRS = {**MINE, "HostConfig": {"Annotations": {OWNER_ANNOTATION: "other"}}}
INHERITED = {**MINE, "HostConfig": {"Annotations": None}}
"""A container with a label of its image."""
FIRST_WITH_ANNOTATIONS = 43
"""The minor version from which the daemon stores annotations."""

SHORT = Timeouts(idle=5, document=0.3, chunk=0.3, linger=1)


class InTurn(list[Any]):
    """Answers to one path after the other; the last one stays."""


class FakeDaemon:
    """A daemon that responds by path without the API version, and records requests.

    It stores the container that it is asked to create. An answer that is a list of the class `InTurn` is given item by
    item. It answers a ping by HEAD, from which the guard learns the version, without a record.
    """

    def __init__(self, *, api_version: str = "1.51", **answers: Any) -> None:
        self.api_version = api_version
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self._stored: set[str] = set()
        self.answers: dict[str, Any] = {
            f"/containers/{FULL}/json": MINE,
            "/containers/mine/json": MINE,
            "/images/busybox/json": {"Id": BUSYBOX, "RepoTags": ["busybox:latest"]},
            "/containers/json": [],
            "/volumes": {"Volumes": None},
            **answers,
        }

    async def __call__(self, client: Stream) -> None:
        received = b""
        while (received := await self._head(client, received)).startswith(b"HEAD /_ping "):
            pong = f"HTTP/1.1 200 OK\r\nApi-Version: {self.api_version}\r\nContent-Length: 0\r\n\r\n"
            await client.write(pong.encode())
            received = received.partition(b"\r\n\r\n")[2]
        await self._serve(client, received)

    async def _head(self, client: Stream, received: bytes) -> bytes:
        while b"\r\n\r\n" not in received:
            data = await client.read()
            if not data:
                return b""
            received += data
        return received

    async def _serve(self, client: Stream, received: bytes) -> None:
        if not received:
            return
        head, _, body = received.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
        version, path = re.findall(r"^(?:/v1\.([0-9]+))?(/.*)", first.split(" ")[1].partition("?")[0])[0]
        if path == "/build" and callable(self.answers.get(path)):  # responds before the upload is complete
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
        if isinstance(answer, InTurn):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if path.endswith("/containers/create") and isinstance(answer, dict):
            self.store(answer["Id"], body, annotated=int(version or 99) >= FIRST_WITH_ANNOTATIONS)
        if callable(answer):
            await answer(client, headers, body)
            return
        data = json.dumps(answer).encode()
        status = "404 Not Found" if answer == {"message": "no such thing"} else "200 OK"
        await client.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)

    def store(self, container: str, body: bytes, image: str = BUSYBOX, *, annotated: bool = True) -> None:
        """Store a container with the body of its creation, unless the test has set another answer for it."""
        given = json.loads(body)
        host = {key: value for key, value in given.get("HostConfig", {}).items() if annotated or key != "Annotations"}
        new = {"Id": container, "Image": image, "Config": {"Labels": given.get("Labels")}}
        path = f"/containers/{container}/json"
        if path in self._stored or path not in self.answers:
            self._stored.add(path)
            self.answers[path] = {**new, "HostConfig": host}

    def forwarded(self) -> list[str]:
        """Request lines; the guard's own requests are among them."""
        return [head.split("\r\n")[0] for head in self.heads]


def guarded(hood: Neighbourhood, daemon: Callable[..., Any], *, rules: GuardRules = OPEN,
            timeouts: Timeouts = SHORT) -> None:  # fmt: skip
    hood.start(daemon, Guard(rules, UID, timeouts=timeouts))


def request(method: str, target: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body
