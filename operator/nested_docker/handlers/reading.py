"""How kopf reads the API server's answers: an object that is nested too deeply does not stop a watch.

kopf parses lists with `response.json()`, and watches with `json.loads` line by line. A RecursionError in either ends
the operator, and again after its restart. So kopf gets a session whose responses read lists with
`bounded_json.loads`, and replace a line of a watch that Python's parser rejects (ADR 11).
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import kopf

from nested_docker.adapters import bounded_json
from nested_docker.domain.partial import PartialObject

MISSING = "missing"
"""Key of an event, beside `type` and `object`, that names the field with the missing values."""


def session_for_kopf(info: kopf.ConnectionInfo) -> kopf.AiohttpSession:
    """The session that kopf would make from the same credentials, with responses that are read here."""
    return kopf.AiohttpSession(
        server=info.server,
        default_namespace=info.default_namespace,
        aiohttp_session=aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=info.as_ssl_context()),
            headers=info.as_http_headers(),
            proxy=info.proxy_url,
            trust_env=info.trust_env,
            response_class=BoundedResponse,
        ),
    )


def read_object(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """The object of an event, as a `PartialObject` if it is one."""
    found: Mapping[str, Any] = event["object"]
    return PartialObject(dict(found), event[MISSING]) if MISSING in event else found


class BoundedResponse(aiohttp.ClientResponse):
    """A response of the API server."""

    async def json(self, **_: Any) -> Any:
        """The body's JSON."""
        return bounded_json.loads(await self.read())

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        """As `aiohttp.ClientResponse.start`; the content of a watch is read line by line from then on."""
        await super().start(connection)
        if self.url.query.get("watch") == "true" and self.status == 200:
            self.content = _Lines(self.content)  # type: ignore[assignment]  # kopf uses only iter_chunked
        return self


class _Lines:
    """The content of a watch, in whole lines."""

    def __init__(self, content: aiohttp.StreamReader) -> None:
        self._content = content

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """The lines; those that Python's parser rejects are replaced."""
        rest = b""
        async for data in self._content.iter_chunked(size):
            lines, newline, tail = data.rpartition(b"\n")
            if not newline:
                rest += data
                continue
            for line in (rest + lines).split(b"\n"):
                yield readable(line) + b"\n"
            rest = tail
        if rest:
            yield readable(rest)


def readable(line: bytes) -> bytes:
    """The line, or one in its place that Python's parser accepts and that names what is missing."""
    if not bounded_json.is_too_deep(line):
        return line
    event = bounded_json.loads(line)
    found = event.get("object")
    if isinstance(found, PartialObject):
        event = event | {MISSING: found.missing}
    return json.dumps(event).encode()
