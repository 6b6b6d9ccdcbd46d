"""The kernel's tables of connections, read from /proc/net; pure.

/proc/net shows the reader's network namespace, which all containers of a pod share.
"""

from __future__ import annotations

from collections.abc import Iterable

ESTABLISHED = "01"
"""TCP state; it does not change when TLS ends one direction."""

CONNECTED = "03"
"""State of a unix socket, whether or not a direction has ended."""


def established_tcp(table: Iterable[str], port: int) -> int:
    """Number of connections to a local port in `/proc/net/tcp` or `/proc/net/tcp6`.

    Args:
        table: lines of the file, with its heading.
        port: the local port.
    """
    rows = (line.split(maxsplit=4) for line in table)
    return sum(
        1 for row in rows if len(row) > 3 and row[3] == ESTABLISHED and row[1].rpartition(":")[2] == f"{port:04X}"
    )


def connected_unix(table: Iterable[str], path: str) -> int:
    """Number of connections to a unix socket in `/proc/net/unix`: those are the accepted ends, which have its path.

    Args:
        table: lines of the file, with its heading.
        path: the path that the socket was bound to.
    """
    rows = (line.rstrip("\n").split(maxsplit=7) for line in table)
    return sum(1 for row in rows if len(row) == 8 and row[7] == path and row[5] == CONNECTED)
