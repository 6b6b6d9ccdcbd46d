"""One end of HTTP/1.1 on a stream: h11 reads what others send, and writes heads that are ours."""

from __future__ import annotations

import asyncio

import h11

from nested_docker.relay.streams import Stream

MAX_HEAD = 65536
"""Bytes of a request's or an answer's head; credentials and build arguments travel in it."""

Headers = list[tuple[bytes, bytes]]


class Peer:
    """HTTP/1.1 with whoever is at a stream's other end.

    Args:
        stream: carries the bytes.
        role: ours: h11.SERVER towards clients, h11.CLIENT towards the daemon.
    """

    def __init__(self, stream: Stream, role: type[h11.CLIENT | h11.SERVER]) -> None:
        self.stream = stream
        self.h11 = h11.Connection(role, max_incomplete_event_size=MAX_HEAD)
        # A read of its own, which outlives whoever waits for it: what has arrived is not lost with a cancelled wait.
        self._reading: asyncio.Task[bytes] | None = None

    async def event(self) -> h11.Event | type[h11.PAUSED]:
        """The next of what the other side sends.

        Raises:
            h11.RemoteProtocolError: it does not speak HTTP as strictly as it must.
            OSError: the connection broke.
        """
        while True:
            event = self.h11.next_event()
            if event is not h11.NEED_DATA:
                return event  # type: ignore[return-value]
            reading = await self._read()
            self._reading = None
            self.h11.receive_data(reading.result())

    async def gone(self) -> None:
        """Return when the other side has ended or broken its direction; never, if it sends something instead."""
        reading = await self._read()
        if reading.cancelled() or reading.exception() is not None or not reading.result():
            return
        await asyncio.Event().wait()

    async def send(self, event: h11.Event) -> None:
        """Send one event.

        Raises:
            h11.LocalProtocolError: it has no place here.
            OSError: the connection broke.
        """
        if data := self.h11.send(event):
            await self.stream.write(data)

    @property
    def ready(self) -> bool:
        """Whether both messages have come to their ends, and others may follow."""
        return self.h11.our_state is h11.DONE and self.h11.their_state is h11.DONE

    def leftover(self) -> bytes:
        """What has arrived and is not HTTP any more."""
        return bytes(self.h11.trailing_data[0])

    async def stop(self) -> None:
        """Read no more; before the stream is closed, or read by somebody else."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})
            if not self._reading.cancelled():
                self._reading.exception()  # seen, so that asyncio does not complain of it
            self._reading = None

    async def _read(self) -> asyncio.Task[bytes]:
        if self._reading is None:
            self._reading = asyncio.create_task(self.stream.read())
        await asyncio.wait({self._reading})
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
