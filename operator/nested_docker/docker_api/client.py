"""The client: HTTP/1.1 by h11 over any stream, with bounds on time and size.

It follows no redirect and accepts no content encoding: each answer is what the daemon at the other
end of the stream sent, and no larger in memory than on the wire.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import h11

from nested_docker.docker_api.answer import DockerAnswer, printable
from nested_docker.docker_api.errors import AnswerTooLargeError, DockerApiError
from nested_docker.net.streams import Stream

MAX_ANSWER = 2**20
"""Bytes of an answer's body, where the caller sets no other limit."""

MAX_ANSWER_HEAD = 65536
"""Bytes of an answer's head. The framing of chunks and trailers may take as much again."""

MAX_REASON = 256
"""Characters of an error's text that a message repeats; some of it may be the daemon's."""

_HEADERS = ((b"Host", b"docker"), (b"Accept-Encoding", b"identity"))
_CLOSE = (b"Connection", b"close")

Connect = Callable[[], Awaitable[Stream]]
"""Opens a stream to the daemon, or raises an OSError. The client closes the stream."""


class DockerApi:
    """Requests to one daemon, one at a time; made by `session`.

    Args:
        connect: opens a stream to the daemon.
        daemon: name of the daemon in messages.
        max_answer: bytes of an answer's body.
    """

    def __init__(self, connect: Connect, daemon: str, max_answer: int) -> None:
        self._connect, self._daemon, self._max = connect, daemon, max_answer
        self._stream: Stream | None = None
        self._http: h11.Connection
        self._received = 0
        self.path = ""
        """Path of the last request, for messages."""

    async def request(self, method: str, target: str, body: Any = None, *, last: bool = False) -> DockerAnswer:
        """Send a request, and read the whole answer.

        Args:
            method: of HTTP.
            target: path and query, escaped.
            body: is sent as JSON; None: there is none.
            last: asks the daemon to close the connection afterwards.

        Raises:
            AnswerTooLargeError: the body exceeds the limit.
            OSError, h11.RemoteProtocolError: there is no usable answer; `session` makes it a `DockerApiError`.
        """
        self.path, self._received = target.partition("?")[0], 0
        events = self._events(method, target, body, last=last)
        stream = await self._open()
        await stream.write(b"".join(filter(None, map(self._http.send, events))))
        head = await self._head(stream)
        return DockerAnswer(f"{self._daemon}: {method} {self.path}", head.status_code, await self._body(stream))

    @contextlib.asynccontextmanager
    async def within(self, seconds: float) -> AsyncIterator[None]:
        """A deadline for the requests inside, the connection included, and one error for all that may go wrong.

        Raises:
            DockerApiError: any failure inside that the daemon or the network caused.
        """
        deadline = asyncio.timeout(seconds)
        try:
            async with deadline:
                yield
        except DockerApiError:
            raise
        except h11.ProtocolError as error:
            reason = printable(str(error), MAX_REASON)
            raise DockerApiError(f"{self._daemon} gives a malformed answer to {self.path}: {reason}") from error
        except OSError as error:
            if deadline.expired():
                raise DockerApiError(f"{self._daemon} has not answered {self.path} within {seconds:g} s") from error
            reason = printable(str(error), MAX_REASON) or type(error).__name__
            raise DockerApiError(f"{self._daemon}: {reason}") from error

    @property
    def open(self) -> bool:
        """Whether the next request follows on the same connection."""
        return self._stream is not None and self._http.our_state is self._http.their_state is h11.DONE

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    async def _open(self) -> Stream:
        """A stream on which a request may be sent: the last one, if both sides keep it open."""
        if self._stream is not None and self.open:
            self._http.start_next_cycle()
            return self._stream
        self.close()
        self._stream = await self._connect()
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_ANSWER_HEAD)
        return self._stream

    def _events(self, method: str, target: str, body: Any, *, last: bool) -> list[h11.Event]:
        headers = [*_HEADERS, _CLOSE] if last else [*_HEADERS]
        events: list[h11.Event] = [h11.EndOfMessage()]
        if body is not None:
            data = json.dumps(body).encode()
            headers += [(b"Content-Type", b"application/json"), (b"Content-Length", str(len(data)).encode())]
            events.insert(0, h11.Data(data=data))
        try:
            head = h11.Request(method=method, target=target, headers=headers)
        except (h11.LocalProtocolError, ValueError) as error:  # such as an id with a space, taken from an answer
            raise DockerApiError(f"{self._daemon}: {printable(self.path, MAX_REASON)} is not a valid path") from error
        return [head, *events]

    async def _head(self, stream: Stream) -> h11.Response:
        while isinstance(event := await self._event(stream), h11.InformationalResponse):
            pass
        if not isinstance(event, h11.Response):
            raise DockerApiError(f"{self._daemon} closed the connection without an answer to {self.path}")
        size = 0
        for name, value in event.headers:
            size += len(name) + len(value)
            if name == b"content-encoding" and value.lower() != b"identity":
                encoding = printable(value.decode("latin-1"), MAX_REASON)
                raise DockerApiError(f"{self._daemon} answers {self.path} in the content encoding {encoding!r}")
        if size > MAX_ANSWER_HEAD:
            raise AnswerTooLargeError(
                f"{self._daemon} answers {self.path} with more than {MAX_ANSWER_HEAD} bytes of headers"
            )
        return event

    async def _body(self, stream: Stream) -> bytes:
        body = bytearray()
        while isinstance(event := await self._event(stream), h11.Data):
            body += event.data
            if len(body) > self._max:
                raise self._too_large()
        return bytes(body)

    async def _event(self, stream: Stream) -> h11.Event | type[h11.PAUSED]:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if (
                self._received > self._max + 2 * MAX_ANSWER_HEAD
            ):  # chunks of one byte, or answers that only announce others
                raise self._too_large()
            if self._received:  # data that is there already is read without a pause, and nothing else would run
                await asyncio.sleep(0)
            data = await stream.read()
            if not data and self._http.their_state is h11.SEND_RESPONSE and not self._http.trailing_data[0]:
                return h11.ConnectionClosed()
            self._received += len(data)
            self._http.receive_data(data)
        return event  # type: ignore[return-value]

    def _too_large(self) -> AnswerTooLargeError:
        return AnswerTooLargeError(f"{self._daemon} answers {self.path} with more than {self._max} bytes")


@contextlib.asynccontextmanager
async def session(
    connect: Connect, *, daemon: str, seconds: float, max_answer: int = MAX_ANSWER
) -> AsyncIterator[DockerApi]:
    """Requests to a daemon, over one connection where the daemon keeps it open.

    Args:
        connect: opens a stream to the daemon.
        daemon: name of the daemon in messages, such as its address.
        seconds: deadline for everything inside, the connection included.
        max_answer: bytes of an answer's body.

    Raises:
        DockerApiError: any failure inside that the daemon or the network caused.
    """
    api = DockerApi(connect, daemon, max_answer)
    try:
        async with api.within(seconds):
            yield api
    finally:
        api.close()


async def send_request(
    connect: Connect,
    method: str,
    target: str,
    body: Any = None,
    *,
    daemon: str,
    seconds: float,
    max_answer: int = MAX_ANSWER,
) -> DockerAnswer:
    """One request on its own connection; arguments and errors as for `session` and `DockerApi.request`."""
    async with session(connect, daemon=daemon, seconds=seconds, max_answer=max_answer) as api:
        return await api.request(method, target, body, last=True)
