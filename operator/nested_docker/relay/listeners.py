"""The sockets that the relay listens on."""

from __future__ import annotations

import contextlib
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from nested_docker.net.listening import BACKLOG, listen_everywhere

EVERY_HOST = "::"
"""The host of an `Address` that means every address of both families."""

SOCKET_MODE = 0o660
"""Workloads have the socket's group as a supplemental group (fsGroup makes the directory's files inherit
it), so nobody else needs access, however the pod changes later."""

KEEPALIVE = {socket.TCP_KEEPIDLE: 60, socket.TCP_KEEPINTVL: 15, socket.TCP_KEEPCNT: 4}
"""A client whose node is lost is noticed after two minutes; a silent stream stays open."""


@dataclass(frozen=True)
class Address:
    """Where to listen for TCP."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read `HOST:PORT`; an IPv6 host may be in brackets.

        Raises:
            ValueError: the text has another form.
        """
        host, colon, port = text.rpartition(":")
        if not colon or not port.isdigit() or not 0 <= int(port) <= 65535:
            raise ValueError(f"{text!r} is not HOST:PORT, such as [::]:2376")
        return cls(host.strip("[]"), int(port))


def listen_tcp(address: Address) -> socket.socket:
    """A listener with TCP keepalive; on `::` it accepts IPv4 too, and IPv4 alone on a host without IPv6.

    Raises:
        OSError: the address is in use, or does not belong to this host.
    """
    if address.host == EVERY_HOST:
        listener = listen_everywhere(address.port)
    else:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        listener = socket.create_server((address.host, address.port), family=family, backlog=BACKLOG)
    # Accepted sockets inherit all of these.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE.items():
        listener.setsockopt(socket.IPPROTO_TCP, option, value)
    return listener


def listen_unix(path: str) -> socket.socket:
    """A listener on a unix socket; it replaces the socket of an earlier start.

    Raises:
        OSError: the path is another kind of file, or the directory is not writable.
    """
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(Path(path).lstat().st_mode):
            Path(path).unlink()
    with contextlib.ExitStack() as unless_listening:
        listener = unless_listening.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        listener.bind(path)
        Path(path).chmod(SOCKET_MODE)
        listener.listen(BACKLOG)
        unless_listening.pop_all()
    return listener
