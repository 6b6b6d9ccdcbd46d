"""A faulty way to the API server: it counts what the operator does, and does it harm where a test wants that."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp
from aiohttp import web
from tests.support.api import Access

PATH = re.compile(
    r"/(?:api/v1|apis/[^/]+/[^/]+)(?:/namespaces/(?P<namespace>[^/]+))?"
    r"/(?P<resource>[a-z]+)(?:/(?P<name>[^/]+))?(?:/(?P<subresource>[a-z]+))?$"
)
VERBS = {"POST": "create", "PATCH": "apply", "PUT": "replace", "DELETE": "delete", "GET": "get"}
HOP = {"connection", "host", "transfer-encoding", "content-length", "keep-alive"}
UNCOUNTED = {"leases", "events"}
"""Writes that are no part of a NestedDocker's making: leadership, and what is reported in the background."""

ROOT_KEY = "root-key"
"""Name of the Secret with the root key, which the operator creates once and not for a NestedDocker."""


@dataclass
class Call:
    """One request of the operator.

    Attributes:
        status: HTTP status of the API server's answer; 0: it was not asked.
    """

    method: str
    path: str
    query: dict[str, str]
    body: bytes = field(repr=False)
    namespace: str = ""
    resource: str = ""
    name: str = ""
    subresource: str = ""
    status: int = 0

    @classmethod
    def of(cls, request: web.Request, body: bytes) -> Call:
        """The call that a request is."""
        call = cls(request.method, request.path, dict(request.query), body)
        match = PATH.match(request.path)
        if match:
            for key, value in match.groupdict(default="").items():
                setattr(call, key, value)
        if request.method == "POST" and not call.name and body:
            call.name = json.loads(body).get("metadata", {}).get("name", "")
        return call

    @property
    def is_watch(self) -> bool:
        """Whether it is a stream of events."""
        return self.query.get("watch") in {"true", "1"}

    @property
    def is_write(self) -> bool:
        """Whether it changes something that counts."""
        counts = self.resource not in UNCOUNTED and self.name != ROOT_KEY and "dryRun" not in self.query
        return self.method != "GET" and counts

    def __str__(self) -> str:
        subresource = f"/{self.subresource}" if self.subresource else ""
        return f"{VERBS[self.method]} {self.resource}/{self.name}{subresource}"


When = Callable[[Call], bool]


class Fault(Protocol):
    """Harm done to a call."""

    async def before(self, call: Call) -> web.Response | None:
        """Before the API server is asked: an answer in its stead."""

    async def after(self, call: Call) -> None:
        """After it has answered, before the operator hears of it. A ConnectionError cuts the line."""


class Refuse:
    """Answer in the API server's stead.

    Args:
        status: HTTP status.
        when: which calls.
        retry_after: seconds that the answer asks for; 0: none.
    """

    def __init__(self, status: int, when: When, *, retry_after: int = 0, message: str = "a fault") -> None:
        self._status, self._when, self._retry_after, self._message = status, when, retry_after, message
        self.count = 0

    async def before(self, call: Call) -> web.Response | None:
        if not self._when(call):
            return None
        self.count += 1
        reason = {409: "Conflict", 429: "TooManyRequests", 403: "Forbidden"}.get(self._status, "InternalError")
        body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": self._status, "reason": reason}
        headers = {"Retry-After": str(self._retry_after)} if self._retry_after else {}
        return web.json_response(body | {"message": self._message}, status=self._status, headers=headers)

    async def after(self, call: Call) -> None:
        return None


class LoseAnswer:
    """Let the API server do it, and cut the line before the operator hears of it."""

    def __init__(self, when: When) -> None:
        self._when = when
        self.count = 0

    async def before(self, call: Call) -> web.Response | None:
        return None

    async def after(self, call: Call) -> None:
        if self._when(call):
            self.count += 1
            raise ConnectionError


class Stall:
    """Keep calls waiting until released. A call whose operator is gone by then is not made."""

    def __init__(self, when: When) -> None:
        self._when = when
        self._released = asyncio.Event()
        self.held: list[Call] = []

    def release(self) -> None:
        """Let them through."""
        self._released.set()

    async def before(self, call: Call) -> web.Response | None:
        if not self._released.is_set() and self._when(call):
            self.held.append(call)
            await self._released.wait()
        return None

    async def after(self, call: Call) -> None:
        return None


class HoldAnswer(Stall):
    """Let the API server do it, and keep the answer back until released."""

    async def before(self, call: Call) -> web.Response | None:
        return None

    async def after(self, call: Call) -> None:
        await super().before(call)


def writes_in(namespace: str) -> When:
    """Writes in a namespace."""
    return lambda call: call.is_write and call.namespace == namespace


def every(number: int, when: When) -> When:
    """Every so many'th of these calls."""
    numbers = itertools.count(1)
    return lambda call: when(call) and next(numbers) % number == 0


def only(number: int, when: When) -> When:
    """The so many'th of these calls."""
    numbers = itertools.count(1)
    return lambda call: when(call) and next(numbers) == number


def beyond(number: int, when: When) -> When:
    """Of these calls all but the first so many."""
    numbers = itertools.count(1)
    return lambda call: when(call) and next(numbers) > number


class Proxy:
    """Listens on loopback without TLS; asks the API server as the cluster's admin."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.port = 0
        self._drops: Callable[[str, dict[str, Any]], bool] | None = None
        self._open: set[asyncio.Task[Any]] = set()

    @classmethod
    @asynccontextmanager
    async def serve(cls, access: Access) -> AsyncIterator[Proxy]:
        """A proxy, for as long as the block lasts."""
        proxy = cls(access)
        proxy._session = access.session(raw=True)
        await proxy.listen()
        try:
            yield proxy
        finally:
            await proxy.vanish()
            await proxy._session.close()

    # --- what was done --------------------------------------------------------------------------

    def writes(self, namespace: str = "") -> list[Call]:
        """Writes that the API server has carried out, in the order of its answers."""
        return [call for call in self.calls if call.is_write and 0 < call.status < 400 and self._in(call, namespace)]

    def attempts(self, namespace: str = "") -> list[Call]:
        """Writes that were tried, whatever came of them."""
        return [call for call in self.calls if call.is_write and self._in(call, namespace)]

    def reads(self, namespace: str = "") -> list[Call]:
        """Reads but watches and the Lease."""
        return [
            call
            for call in self.calls
            if call.method == "GET" and not call.is_watch and call.resource != "leases" and self._in(call, namespace)
        ]

    @staticmethod
    def _in(call: Call, namespace: str) -> bool:
        return namespace in {"", call.namespace}

    # --- harm -----------------------------------------------------------------------------------

    @contextmanager
    def fault(self, *faults: Any) -> Iterator[None]:
        """Do harm for as long as the block lasts."""
        self.faults += faults
        try:
            yield
        finally:
            for fault in faults:
                self.faults.remove(fault)
                if isinstance(fault, Stall):
                    fault.release()

    @contextmanager
    def dropping(self, unwanted: Callable[[str, dict[str, Any]], bool]) -> Iterator[None]:
        """Keep watch events (type, object) back for good."""
        self._drops = unwanted
        try:
            yield
        finally:
            self._drops = None

    async def vanish(self) -> None:
        """Refuse connections, and cut those that are open."""
        await self._site.stop()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await self._runner.cleanup()

    async def listen(self) -> None:
        """Be there, at the same port as before."""
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0, handler_cancellation=True)
        await self._runner.setup()
        self._site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await self._site.start()
        self.port = self._runner.addresses[0][1]

    def kubeconfig(self) -> dict[str, Any]:
        """A kubeconfig whose API server is this."""
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "proxy",
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
            "clusters": [{"name": "proxy", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
            "users": [{"name": "proxy", "user": {}}],
        }

    # --- its work -------------------------------------------------------------------------------

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            call = Call.of(request, await request.read())
            self.calls.append(call)
            return await self._ask(request, call)
        finally:
            self._open.discard(task)

    async def _ask(self, request: web.Request, call: Call) -> web.StreamResponse:
        for fault in list(self.faults):
            answer = await fault.before(call)
            if answer is not None:
                return answer
        headers = {key: value for key, value in request.headers.items() if key.lower() not in HOP}
        url = self._access.server + request.raw_path
        try:
            async with self._session.request(call.method, url, data=call.body or None, headers=headers) as upstream:
                if call.is_watch:
                    return await self._stream(request, call, upstream)
                body = await upstream.read()
        except aiohttp.ClientError:
            return self._cut(request)
        call.status = upstream.status
        try:
            for fault in list(self.faults):
                await fault.after(call)
        except ConnectionError:
            return self._cut(request)
        kept = {key: value for key, value in upstream.headers.items() if key.lower() not in HOP}
        return web.Response(body=body, status=upstream.status, headers=kept)

    async def _stream(self, request: web.Request, call: Call, upstream: aiohttp.ClientResponse) -> web.StreamResponse:
        call.status = upstream.status
        response = web.StreamResponse(status=upstream.status, headers={"Content-Type": "application/json"})
        await response.prepare(request)
        with suppress(aiohttp.ClientError, ConnectionError):
            async for line in upstream.content:
                if self._drops is not None:
                    event = json.loads(line)
                    if self._drops(event["type"], event["object"]):
                        continue
                await response.write(line)
        return response

    @staticmethod
    def _cut(request: web.Request) -> web.Response:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=502)
