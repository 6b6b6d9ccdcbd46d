"""One end of HTTP/1.1 on a stream: h11 reads what others send, and writes heads that are ours."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import h11

from nested_docker.net.streams import Stream

MAX_HEAD = 65536
"""Bytes of a request's or an answer's head; credentials and build arguments travel in it."""

Headers = list[tuple[bytes, bytes]]


class Peer:
    """HTTP/1.1 with whoever is at a stream's other end.

    Args:
        stream: carries the bytes.
        role: ours: h11.SERVER towards clients, h11.CLIENT towards the daemon.
    """

    def __init__(self, stream: Stream, role: type[h11.CLIENT | h11.SERVER] = h11.CLIENT) -> None:
        self.stream = stream
        self.h11 = h11.Connection(role, max_incomplete_event_size=MAX_HEAD)

    async def event(self) -> h11.Event | type[h11.PAUSED]:
        """The next of what the other side sends.

        Raises:
            h11.RemoteProtocolError: it does not speak HTTP as strictly as it must.
            OSError: the connection broke.
        """
        while (event := self.h11.next_event()) is h11.NEED_DATA:
            self.h11.receive_data(await self._read())
        return event  # type: ignore[return-value]

    async def body(self) -> bytes:
        """The next of the message's body, as much as has arrived of it; empty: that was all.

        Raises:
            h11.RemoteProtocolError: as above.
            OSError: the connection broke.
        """
        while not (data := self.arrived()) and not self.whole:
            self.h11.receive_data(await self._read())
        return data

    def arrived(self) -> bytes:
        """What can be had of the body without waiting.

        Raises:
            h11.RemoteProtocolError: as above.
        """
        parts = []
        while not self.whole and isinstance(event := self.h11.next_event(), h11.Data):
            parts.append(event.data)
        return b"".join(parts)

    async def send(self, *events: h11.Event) -> None:
        """Send events, by one write.

        Raises:
            h11.LocalProtocolError: one of them has no place here.
            OSError: the connection broke.
        """
        if data := b"".join(filter(None, map(self.h11.send, events))):
            await self.stream.write(data)

    @property
    def whole(self) -> bool:
        """Whether the other side's message has come to its end."""
        return self.h11.their_state is not h11.SEND_BODY

    @property
    def ready(self) -> bool:
        """Whether both messages have come to their ends, and others may follow."""
        return self.h11.our_state is h11.DONE and self.h11.their_state is h11.DONE

    def leftover(self) -> bytes:
        """What has arrived and is not HTTP any more."""
        return bytes(self.h11.trailing_data[0])

    async def _read(self) -> bytes:
        return await self.stream.read()


class Client(Peer):
    """A client, who is listened to also while nothing is expected of it: it may leave.

    Its stream is read by tasks that outlive whoever waits for them, so that a wait can be given up
    and nothing is lost.
    """

    def __init__(self, stream: Stream) -> None:
        super().__init__(stream, h11.SERVER)
        self._reading: asyncio.Task[bytes] | None = None

    @contextlib.asynccontextmanager
    async def attended(self, linger: float) -> AsyncIterator[None]:
        """Break off what is done inside, some seconds after the client has ended or broken its direction.

        Raises:
            ConnectionAbortedError: it has.
        """
        attends = True

        def ended(reading: asyncio.Task[bytes]) -> None:
            gone = reading.cancelled() or reading.exception() is not None or not reading.result()
            if gone and attends:
                limit.reschedule(asyncio.get_running_loop().time() + linger)

        try:
            async with asyncio.timeout(None) as limit:
                self._ahead().add_done_callback(ended)
                try:
                    yield
                finally:
                    attends = False
        except TimeoutError as error:
            if limit.expired():
                raise ConnectionAbortedError("the client has left") from error
            raise

    async def stop(self) -> None:
        """Read no more; before the stream is closed, or read by somebody else."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})
            if not self._reading.cancelled():
                self._reading.exception()  # seen, so that asyncio does not complain of it
            self._reading = None

    async def _read(self) -> bytes:
        data = await asyncio.shield(self._ahead())
        self._reading = None
        return data

    def _ahead(self) -> asyncio.Task[bytes]:
        if self._reading is None:
            self._reading = asyncio.create_task(self.stream.read())
        return self._reading


class Prefixed:
    """A stream of which some bytes have been read already; else it is the stream itself."""

    def __init__(self, stream: Stream, first: bytes) -> None:
        self._stream, self._first = stream, first

    async def read(self) -> bytes:
        """As `Stream.read`."""
        if self._first:
            first, self._first = self._first, b""
            return first
        return await self._stream.read()

    async def write(self, data: bytes) -> None:
        """As `Stream.write`."""
        await self._stream.write(data)

    async def end(self) -> None:
        """As `Stream.end`."""
        await self._stream.end()

    def close(self) -> None:
        """As `Stream.close`."""
        self._stream.close()
