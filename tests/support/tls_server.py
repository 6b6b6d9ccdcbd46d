"""A TLS server that closes all its connections when it stops, those too whose handshake is not over.

A server of asyncio does not know the latter, so they outlive it, and whichever test runs when the garbage is collected
fails for them.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable

from aiohttp import web


class TlsServer:
    """One server.

    Args:
        make_protocol: makes the protocol of a connection.
        context: of TLS.
    """

    def __init__(self, make_protocol: Callable[[], asyncio.BaseProtocol], context: ssl.SSLContext) -> None:
        self._make_protocol, self._context = make_protocol, context
        self._accepting: asyncio.Task[None] | None = None
        self._handshakes: set[asyncio.Task[None]] = set()

    def start(self, address: str, port: int) -> int:
        """Listen; the port."""
        listener = socket.create_server((address, port))
        listener.setblocking(False)
        self._accepting = asyncio.create_task(self._accept(listener))
        return int(listener.getsockname()[1])

    async def stop(self) -> None:
        """Listen no more. Connections with a protocol are for its owner to close, after this."""
        running = [*self._handshakes, *([self._accepting] if self._accepting else [])]
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await asyncio.sleep(0)  # a transport closes its socket in the next turn of the loop

    async def _accept(self, listener: socket.socket) -> None:
        with listener:
            while True:
                accepted, _ = await asyncio.get_running_loop().sock_accept(listener)
                shaking = asyncio.create_task(self._shake_hands(accepted))
                self._handshakes.add(shaking)
                shaking.add_done_callback(self._handshakes.discard)

    async def _shake_hands(self, accepted: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self._make_protocol, accepted, ssl=self._context)
        except OSError:  # the client is gone, or is not let in
            accepted.close()


def served(runner: web.AppRunner) -> Callable[[], asyncio.BaseProtocol]:
    """The protocol of an application whose runner is set up."""
    assert runner.server is not None
    return runner.server
