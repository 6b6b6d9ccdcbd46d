"""The kernel's tables of connections, read from /proc/net; pure.

/proc/net is of the reader's network namespace, which all containers of a pod share.
"""

from __future__ import annotations

from collections.abc import Iterable

ESTABLISHED = "01"
"""TCP's state; a direction that TLS has ended does not change it."""

CONNECTED = "03"
"""A unix socket's state, with either direction ended or not."""


def established_tcp(table: Iterable[str], port: int) -> int:
    """Connections to a local port in `/proc/net/tcp` or `/proc/net/tcp6`.

    Args:
        table: its lines, the heading included.
        port: the local port.
    """
    rows = (line.split(maxsplit=4) for line in table)
    return sum(
        1 for row in rows if len(row) > 3 and row[3] == ESTABLISHED and row[1].rpartition(":")[2] == f"{port:04X}"
    )


def connected_unix(table: Iterable[str], path: str) -> int:
    """Connections to a unix socket in `/proc/net/unix`: the accepted ends, which carry its path.

    Args:
        table: its lines, the heading included.
        path: the socket's path, as it was bound.
    """
    rows = (line.rstrip("\n").split(maxsplit=7) for line in table)
    return sum(1 for row in rows if len(row) == 8 and row[7] == path and row[5] == CONNECTED)
