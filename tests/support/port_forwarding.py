"""An API server's port forwarding, at the level of the WebSocket: each connection reaches a local port or socket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
from aiohttp import web

PROTOCOL = "v4.channel.k8s.io"

Objects = dict[str, Any]
Dial = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


class PortForwardingServer:
    """Serves objects by path, and port forwarding to `dial` for the pods in `pods`.

    Attributes:
        objects: answer to GET, by path.
        pods: names of the pods that exist.
        dial: connects to the pod's port.
        connections: number of WebSockets that have been opened.
        open: number of WebSockets that are open.
        refuse: status that port forwarding answers with; 0: it works.
        on_headers: gets the headers of each request.
        error: what the kubelet writes to the error channel; empty: nothing.
    """

    def __init__(self, dial: Dial) -> None:
        self.objects: Objects = {}
        self.pods = {"build-1"}
        self.dial = dial
        self.connections = self.open = 0
        self.refuse = 0
        self.error = b""
        self.requests: list[tuple[str, str]] = []
        self.authorization: set[str] = set()
        self.on_headers: Callable[[Mapping[str, str]], None] = lambda _: None
        self.handle: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        application = web.Application()
        application.router.add_get("/api/v1/namespaces/{namespace}/pods/{pod}/portforward", self._forward)
        application.router.add_route("*", "/{tail:.*}", self._answer)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        self.on_headers(request.headers)
        self.authorization.add(request.headers.get("Authorization", ""))
        if self.handle is not None:
            return await self.handle(request)
        if request.path not in self.objects:
            return web.json_response({"kind": "Status", "reason": "NotFound", "message": "not found"}, status=404)
        return web.json_response(self.objects[request.path])

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        self.on_headers(request.headers)
        self.authorization.add(request.headers.get("Authorization", ""))
        if self.refuse:
            return web.json_response({"message": "no"}, status=self.refuse)
        if request.match_info["pod"] not in self.pods:
            return web.json_response({"message": "no such pod"}, status=404)
        port = int(request.query["ports"]).to_bytes(2, "little")
        socket = web.WebSocketResponse(protocols=[PROTOCOL], max_msg_size=2**25)
        await socket.prepare(request)
        self.connections += 1
        self.open += 1
        try:
            await socket.send_bytes(b"\0" + port)
            await socket.send_bytes(b"\1" + port)
            if self.error:
                await socket.send_bytes(b"\1" + self.error)
            else:
                await self._splice(socket)
        finally:
            self.open -= 1
        return socket

    async def _splice(self, socket: web.WebSocketResponse) -> None:
        reader, writer = await self.dial()
        down = asyncio.create_task(_down(reader, socket))
        try:
            async for message in socket:
                assert message.type is aiohttp.WSMsgType.BINARY
                assert message.data[0] == 0
                writer.write(message.data[1:])
                await writer.drain()
        finally:
            down.cancel()
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await down


async def _down(reader: asyncio.StreamReader, socket: web.WebSocketResponse) -> None:
    while data := await reader.read(32768):
        await socket.send_bytes(b"\0" + data)
    await socket.close()
