"""Sockets that listen on every address of the host, whether it has IPv6, IPv4 or both."""

from __future__ import annotations

import errno
import socket

BACKLOG = 1024
"""Connections that may wait to be accepted; a unix socket refuses further ones at once. The kernel may set a lower
limit (net.core.somaxconn)."""

WITHOUT_IPV6 = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})
"""What the kernel says if it has no IPv6, or if IPv6 is disabled in this network namespace."""


def listen_everywhere(port: int) -> socket.socket:
    """A TCP listener for both families, or for IPv4 alone on a host without IPv6.

    Args:
        port: to listen on; 0: any free one.

    Raises:
        OSError: the port is in use, or this process may not use it.
    """
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("::", port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)
        except OSError as error:
            if error.errno not in WITHOUT_IPV6:
                raise
    return socket.create_server(("0.0.0.0", port), backlog=BACKLOG)  # noqa: S104 - clients are on other hosts
