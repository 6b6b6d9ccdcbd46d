"""The node's socket: connecting to it, and saying what is wrong with it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp

from nested_docker.relay.streams import CHUNK, PlainStream

PING_SECONDS = 2.0


class SocketForbiddenError(Exception):
    """This process may not use the socket, and never will: its groups are fixed."""


async def connect(path: str) -> PlainStream:
    """A connection to the node's daemon.

    Raises:
        OSError: there is none to be had.
    """
    return PlainStream(*await asyncio.open_unix_connection(path, limit=CHUNK))


async def check_permission(path: str) -> None:
    """Find out at the start whether the socket may be used at all.

    Raises:
        SocketForbiddenError: it may not; the message says which group may.
    """
    try:
        (await connect(path)).close()
    except PermissionError as error:
        gid = Path(path).stat().st_gid
        raise SocketForbiddenError(
            f"permission denied on the node's Docker socket, which belongs to group {gid}: "
            f"set spec.hostSocket.gid to {gid} in the NestedDockerClass"
        ) from error
    except OSError:  # no daemon there just now: the health check tells, and clients see it come
        return


async def trouble(path: str) -> str:
    """What keeps the node's daemon from answering; empty: nothing."""
    timeout = aiohttp.ClientTimeout(total=PING_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(path), timeout=timeout) as session,
            session.get("http://docker/_ping") as answer,
        ):
            return "" if answer.status == 200 else f"the node's daemon answers /_ping with status {answer.status}"
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return f"the node's daemon does not answer: {error or type(error).__name__}"
