"""A TLS server that closes all its connections when it stops, those too whose handshake is not over.

A server of asyncio does not know the latter, so they outlive it: their clients wait for an answer, and whichever test
runs when the garbage is collected fails for them.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

from aiohttp import web


class TlsServer:
    """One server.

    Args:
        make_protocol: makes the protocol of a connection.
        context: of TLS.
    """

    def __init__(self, make_protocol: Callable[[], asyncio.BaseProtocol], context: ssl.SSLContext) -> None:
        self._make_protocol, self._context = make_protocol, context
        self._listener: socket.socket | None = None
        self._handshakes: dict[asyncio.Task[None], socket.socket] = {}

    def start(self, address: str, port: int) -> int:
        """Listen; the port."""
        self._listener = socket.create_server((address, port))
        self._listener.setblocking(False)
        asyncio.get_running_loop().add_reader(self._listener, self._accept, self._listener)
        return int(self._listener.getsockname()[1])

    async def stop(self) -> None:
        """Listen no more, if it listens. Connections with a protocol are for its owner to close, after this."""
        listener, self._listener = self._listener, None
        if listener is not None:
            asyncio.get_running_loop().remove_reader(listener)
            listener.close()
        for accepted in self._handshakes.values():
            with suppress(OSError):  # the client has gone by itself
                # a task that is cancelled before its first step would never close its connection
                accepted.shutdown(socket.SHUT_RDWR)
        await asyncio.gather(*self._handshakes)
        await asyncio.sleep(0)  # a transport closes its socket in the next turn of the loop

    def _accept(self, listener: socket.socket) -> None:
        with suppress(BlockingIOError, ConnectionAbortedError):
            accepted, _ = listener.accept()
            accepted.setblocking(False)
            shaking = asyncio.create_task(self._shake_hands(accepted))
            self._handshakes[shaking] = accepted
            shaking.add_done_callback(self._handshakes.pop)

    async def _shake_hands(self, accepted: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self._make_protocol, accepted, ssl=self._context)
        except OSError:  # the client is gone, or is not let in
            accepted.close()


def served(runner: web.AppRunner) -> Callable[[], asyncio.BaseProtocol]:
    """The protocol of an application whose runner is set up."""
    assert runner.server is not None
    return runner.server
