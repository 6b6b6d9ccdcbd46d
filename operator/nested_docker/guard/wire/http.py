"""One end of an HTTP/1.1 connection on a stream, by h11."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import h11

from nested_docker.net.streams import Stream

MAX_HEAD_BYTES = 65536
"""Bytes of the head of a request or response, which may have credentials and build arguments."""

Headers = list[tuple[bytes, bytes]]


class Peer:
    """An HTTP/1.1 connection.

    Args:
        stream: the connection.
        role: this end's role: h11.SERVER for clients, h11.CLIENT for the daemon.
    """

    def __init__(self, stream: Stream, role: type[h11.CLIENT | h11.SERVER] = h11.CLIENT) -> None:
        self.stream = stream
        self.h11 = h11.Connection(role, max_incomplete_event_size=MAX_HEAD_BYTES)

    async def event(self) -> h11.Event | type[h11.PAUSED]:
        """The next event from the other end.

        Raises:
            h11.RemoteProtocolError: the other end violates HTTP.
            OSError: the connection broke.
        """
        while (event := self.h11.next_event()) is h11.NEED_DATA:
            self.h11.receive_data(await self._read())
        return event  # type: ignore[return-value]

    async def body(self) -> bytes:
        """The next part of the body, as much as has arrived; empty at its end.

        Raises:
            h11.RemoteProtocolError: the other end violates HTTP.
            OSError: the connection broke.
        """
        while not (data := self.available()) and not self.complete:
            self.h11.receive_data(await self._read())
        return data

    def available(self) -> bytes:
        """The part of the body that has arrived already.

        Raises:
            h11.RemoteProtocolError: the other end violates HTTP.
        """
        parts = []
        while not self.complete and isinstance(event := self.h11.next_event(), h11.Data):
            parts.append(event.data)
        return b"".join(parts)

    async def send(self, *events: h11.Event) -> None:
        """Send events in a single write.

        Raises:
            h11.LocalProtocolError: one of them is not valid in this state.
            OSError: the connection broke.
        """
        if data := b"".join(filter(None, map(self.h11.send, events))):
            await self.stream.write(data)

    @property
    def complete(self) -> bool:
        """Whether the other end has sent its whole message."""
        return self.h11.their_state is not h11.SEND_BODY

    @property
    def reusable(self) -> bool:
        """Whether request and response are complete, so that another request may follow."""
        return self.h11.our_state is h11.DONE and self.h11.their_state is h11.DONE

    def trailing_data(self) -> bytes:
        """Bytes that have arrived after the end of HTTP."""
        return bytes(self.h11.trailing_data[0])

    async def _read(self) -> bytes:
        return await self.stream.read()


class Client(Peer):
    """The connection of a client, which is also read between messages to notice that the client disconnects.

    A task reads the stream. It outlives a cancelled wait for it, so that no data is lost.
    """

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream, h11.SERVER)
        self._read_task: asyncio.Task[bytes] | None = None

    @contextlib.asynccontextmanager
    async def cancel_on_disconnect(self, grace: float) -> AsyncIterator[None]:
        """Cancel the body of the `async with` some seconds after the client has closed or broken its direction.

        Args:
            grace: the seconds.

        Raises:
            ConnectionAbortedError: the body was cancelled.
        """
        watching = True

        def on_read(read_task: asyncio.Task[bytes]) -> None:
            gone = read_task.cancelled() or read_task.exception() is not None or not read_task.result()
            if gone and watching:
                limit.reschedule(asyncio.get_running_loop().time() + grace)

        try:
            async with asyncio.timeout(None) as limit:
                self._pending_read().add_done_callback(on_read)
                try:
                    yield
                finally:
                    watching = False
        except TimeoutError as error:
            if limit.expired():
                raise ConnectionAbortedError("the client has disconnected") from error
            raise

    async def stop_reading(self) -> None:
        """Stop reading, before the stream is closed or another reader takes over."""
        if self._read_task is not None:
            self._read_task.cancel()
            await asyncio.wait({self._read_task})
            if not self._read_task.cancelled():
                self._read_task.exception()  # retrieved, so that asyncio does not log it
            self._read_task = None

    async def _read(self) -> bytes:
        data = await asyncio.shield(self._pending_read())
        self._read_task = None
        return data

    def _pending_read(self) -> asyncio.Task[bytes]:
        if self._read_task is None:
            self._read_task = asyncio.create_task(self.stream.read())
        return self._read_task


class PrefixedStream:
    """A stream some of whose bytes have been read already.

    Args:
        stream: the stream.
        first: the bytes that have been read, which `read` returns first.
    """

    def __init__(self, stream: Stream, first: bytes) -> None:
        self._stream, self._first = stream, first

    async def read(self) -> bytes:
        """See `Stream.read`."""
        if self._first:
            first, self._first = self._first, b""
            return first
        return await self._stream.read()

    async def write(self, data: bytes) -> None:
        """See `Stream.write`."""
        await self._stream.write(data)

    async def end(self) -> None:
        """See `Stream.end`."""
        await self._stream.end()

    def close(self) -> None:
        """See `Stream.close`."""
        self._stream.close()
