"""Connections to a port of a pod through the API server, over WebSockets with the protocol `v4.channel.k8s.io`.

Each connection has a WebSocket with two channels: 0 carries the data, 1 the kubelet's error. A message begins with
the number of its channel, and each channel begins with the port in two bytes. The protocol cannot end one direction:
a stream that needs this has to be TLS inside, whose `close_notify` is data.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping

import aiohttp

from nested_docker.domain.ports import KubeError
from nested_docker.net.streams import Stream

PROTOCOL = "v4.channel.k8s.io"
DATA, ERROR = 0, 1
FRAME_BYTES = 32768
"""Bytes of data in a message: the API server and the kubelet hold a whole message in memory."""
PORT_BYTES = 2
MAX_MESSAGE_BYTES = 2**20
MAX_ERROR_BYTES = 2048
CLOSE_SECONDS = 1.0
KEEPALIVE_SECONDS = 30.0
"""Between pings: proxies and load balancers close connections on which nothing moves, often after a minute."""

Authenticate = Callable[[str], Awaitable[Mapping[str, str]]]
"""The headers that authenticate a request to a path."""
AfterRefusal = Callable[[], Awaitable[bool]]
"""Gets other credentials; whether a request that was refused is sent once more."""


class PortForwarder:
    """Opens connections to ports of pods; any number at the same time.

    Args:
        server: URL of the API server, without a slash at its end.
        headers: authenticates each request.
        after_refusal: called when the API server does not accept the credentials.
        context: TLS to the API server; None: the URL is not https.
        server_name: name that the API server's certificate must have; empty: the host of the URL.
        proxy: URL of the proxy to the API server; empty: none.
        always: headers that each request has too; a name may be there several times.
    """

    def __init__(
        self,
        server: str,
        headers: Authenticate,
        after_refusal: AfterRefusal | None = None,
        *,
        context: ssl.SSLContext | None = None,
        server_name: str = "",
        proxy: str = "",
        always: Iterable[tuple[str, str]] = (),
    ) -> None:
        self._server, self._headers, self._after_refusal = server, headers, after_refusal
        self._always = list(always)
        self._context, self._server_name, self._proxy = context, server_name, proxy
        self._session: aiohttp.ClientSession | None = None
        self._closing: set[asyncio.Task[object]] = set()

    async def connect(self, namespace: str, pod: str, port: int, *, seconds: float = 15.0) -> Stream:
        """A connection to a port of a pod, on the loopback interface of its network namespace.

        Args:
            namespace: the pod's namespace.
            pod: the pod's name.
            port: to connect to.
            seconds: until when the API server has to answer.

        Raises:
            KubeError: the API server does not answer or refuses; 403: missing permission, 404: no such pod.
        """
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward"
        try:
            async with asyncio.timeout(seconds):
                socket = await self._open_or_renew(path, port)
        except aiohttp.WSServerHandshakeError as error:
            raise KubeError(error.status, error.message, f"GET {path}: {_refusal(error.status)}") from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            why = f"no answer within {seconds:g} s" if isinstance(error, TimeoutError) else str(error)
            raise KubeError(0, "NoAnswer", f"GET {path}: {why or type(error).__name__}") from error
        return _PortStream(socket, f"port {port} of pod {pod}", self._close_later)

    async def close(self) -> None:
        """Close all connections."""
        if self._closing:
            await asyncio.wait(self._closing)
        if self._session is not None:
            await self._session.close()

    async def _open_or_renew(self, path: str, port: int) -> aiohttp.ClientWebSocketResponse:
        target = f"{path}?ports={port}"
        try:
            return await self._open(target, await self._headers(path))
        except aiohttp.WSServerHandshakeError as error:
            if error.status != 401 or self._after_refusal is None or not await self._after_refusal():
                raise
        return await self._open(target, await self._headers(path))

    async def _open(self, target: str, headers: Mapping[str, str]) -> aiohttp.ClientWebSocketResponse:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, ssl=self._context or True, force_close=True)
            self._session = aiohttp.ClientSession(connector=connector, trust_env=False, headers=self._always)
        return await self._session.ws_connect(
            self._server + target,
            protocols=[PROTOCOL],
            headers=headers,
            max_msg_size=MAX_MESSAGE_BYTES,
            timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS),
            proxy=self._proxy or None,
            server_hostname=self._server_name or None,
        )

    def _close_later(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        task: asyncio.Task[object] = asyncio.get_running_loop().create_task(socket.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


class _PortStream:
    """A connection to a port of a pod; a `Stream` that cannot end one direction only."""

    def __init__(
        self,
        socket: aiohttp.ClientWebSocketResponse,
        peer: str,
        close: Callable[[aiohttp.ClientWebSocketResponse], None],
    ) -> None:
        self._socket, self._peer, self._close = socket, peer, close
        self._to_skip = {DATA: PORT_BYTES, ERROR: PORT_BYTES}
        self._error = bytearray()
        self._pinging: asyncio.Task[None] | None = asyncio.get_running_loop().create_task(self._ping())

    async def read(self) -> bytes:
        """As `Stream.read`."""
        while True:
            message = await self._socket.receive()
            if message.type is not aiohttp.WSMsgType.BINARY:
                return self._end(message)
            channel, payload = self._payload(message.data)
            if channel == DATA and payload:
                return payload
            if channel == ERROR:
                self._error += payload[: MAX_ERROR_BYTES - len(self._error)]

    async def write(self, data: bytes) -> None:
        """As `Stream.write`."""
        try:
            for start in range(0, len(data), FRAME_BYTES):
                await self._socket.send_bytes(b"\0" + data[start : start + FRAME_BYTES])
        except ConnectionResetError as error:  # as a socket says it: what has arrived can still be read
            raise BrokenPipeError(f"{self._peer} reads no more") from error

    async def end(self) -> None:
        """Do nothing: the protocol cannot say it."""

    def close(self) -> None:
        """As `Stream.close`."""
        if self._pinging is not None:
            self._pinging.cancel()
            self._pinging = None
            self._close(self._socket)

    def _payload(self, message: bytes) -> tuple[int, bytes]:
        """The channel of a message and its data, without the port at the channel's beginning."""
        if not message or message[0] not in self._to_skip:
            raise ConnectionError(f"{self._peer}: the API server does not speak {PROTOCOL}")
        channel = message[0]
        skipped = min(self._to_skip[channel], len(message) - 1)
        self._to_skip[channel] -= skipped
        return channel, message[1 + skipped :]

    def _end(self, message: aiohttp.WSMessage) -> bytes:
        if self._error:
            text = " ".join(self._error.decode(errors="replace").split())
            raise ConnectionError(f"{self._peer}: {text}")
        if message.type is aiohttp.WSMsgType.ERROR:
            raise ConnectionError(f"{self._peer}: {message.data}")
        if message.type is aiohttp.WSMsgType.TEXT:
            raise ConnectionError(f"{self._peer}: the API server does not speak {PROTOCOL}")
        return b""

    async def _ping(self) -> None:
        with contextlib.suppress(OSError):  # a broken connection is the reader's to report
            while True:
                await asyncio.sleep(KEEPALIVE_SECONDS)
                await self._socket.ping()


def _refusal(status: int) -> str:
    if status == 401:
        return "the API server does not accept your credentials"
    if status == 403:
        return (
            "you need the permissions get and create on pods/portforward; if you have them, a guardrail of the chart "
            "denies it, as for the guard's pods of mode HostSocket"
        )
    if status == 404:
        return "the pod does not exist"
    return f"the API server answers with status {status}"
