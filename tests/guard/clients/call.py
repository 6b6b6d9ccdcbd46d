"""A request of a client library."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Call:
    """What a library sends for one documented operation.

    The tests replace names in braces: `{container}` is a running container, `{stopped}` one that is not, `{exec}` an
    exec instance, `{network}`, `{volume}` and `{image}` are objects of the client, and `{new}` is a name that is free.

    Attributes:
        name: the operation, as the library's documentation has it.
        method: HTTP method.
        target: path and query.
        body: JSON, or the bytes of a stream.
        headers: in addition to the usual ones.
        needs_registry: it needs a registry that answers.
    """

    name: str
    method: str
    target: str
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    needs_registry: bool = False


def build_context() -> bytes:
    """An archive with a Dockerfile."""
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        data = b"FROM busybox\nRUN true\n"
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return context.getvalue()
