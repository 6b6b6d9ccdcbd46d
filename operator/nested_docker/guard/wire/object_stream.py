"""Streams of JSON objects, one a line."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from nested_docker.guard.wire.strict_json import MAX_BODY_BYTES, encode_json

ChangeObject = Callable[[dict[str, Any]], dict[str, Any] | None]
"""Maps an object to the one for the client; None: the client does not get it."""


class ObjectStream:
    """A stream whose objects are changed on the way; what is not an object passes.

    Args:
        change: changes one object.
    """

    def __init__(self, change: ChangeObject) -> None:
        self._change, self._rest = change, b""

    def feed(self, data: bytes) -> bytes:
        """The lines for the client that are complete with this data.

        Raises:
            ConnectionAbortedError: a line is longer than `MAX_BODY_BYTES`.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_BODY_BYTES:
            raise ConnectionAbortedError(f"a line of the daemon's response exceeds {MAX_BODY_BYTES} bytes")
        return b"".join(self._line(line) for line in lines)

    def end(self) -> bytes:
        """What is left when the stream ends."""
        rest, self._rest = self._rest, b""
        return rest

    def _line(self, line: bytes) -> bytes:
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            return line + b"\n"
        if not isinstance(document, dict):
            return line + b"\n"
        changed = self._change(document)
        return b"" if changed is None else encode_json(changed) + b"\n"
