"""The guard as a handler of the relay: parses requests, applies the rules, and forwards what they allow."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus

import h11

from nested_docker.api.meta import Enforcement
from nested_docker.api.v1alpha1.guard import GuardRules
from nested_docker.domain import quantities
from nested_docker.guard import audit
from nested_docker.guard.daemon import negotiation
from nested_docker.guard.daemon.client import escape_name, json_or_none, read_head, read_rest
from nested_docker.guard.daemon.preconditions import Preconditions, ResolvedRequest
from nested_docker.guard.daemon.reservations import Reservations
from nested_docker.guard.decision import Decision, ParsedRequest, decide, parse_request
from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.routes import BodyKind
from nested_docker.guard.rules.api_changes import Translation
from nested_docker.guard.rules.responses import hide_container_id
from nested_docker.guard.wire import strict_json
from nested_docker.guard.wire.api_version import MAX_VERSION, common_version, format_version
from nested_docker.guard.wire.headers import (
    RequestHead,
    client_head,
    daemon_head,
    is_hijacked,
    parse_head,
    raw_stream_head,
)
from nested_docker.guard.wire.http import Client, Peer, PrefixedStream
from nested_docker.guard.wire.object_stream import ObjectStream
from nested_docker.guard.wire.query import encode_query
from nested_docker.net.streams import Stream, discard
from nested_docker.relay.handler import OpenUpstream, UpstreamError
from nested_docker.relay.splice import splice

MAX_DRAINED = 65536
"""Bytes of a denied request's body that are read, so that the client can reuse the connection."""

VERSIONLESS = frozenset({"/_ping", "/version"})
"""Paths that mean the same in all versions; clients learn from them which version to use."""

_ResponseHead = h11.Response | h11.InformationalResponse


@dataclass(frozen=True)
class Timeouts:
    """Time limits for clients, in seconds.

    Attributes:
        idle: until the next request's head is complete.
        document: until a JSON body is complete.
        chunk: between two chunks of an upload.
        linger: for a client to read the last response before the connection closes, or to get one after it has closed
            its own direction.
    """

    idle: float = 300.0
    document: float = 10.0
    chunk: float = 300.0
    linger: float = 5.0


class Guard:
    """A handler of the relay that forwards what the rules allow, on one owner's objects.

    Args:
        rules: the rules for all requests.
        uid: the owner's UID, for the owner label.
        timeouts: time limits for clients.

    Raises:
        ValueError: the owner's UID is empty, or has other characters than ASCII letters, digits and dashes.
    """

    def __init__(self, rules: GuardRules, uid: str, *, timeouts: Timeouts | None = None) -> None:
        if not uid.isascii() or not uid.replace("-", "").isalnum():
            raise ValueError(f"{uid!r} is not a valid UID")
        self.rules, self.uid, self.timeouts = rules, uid, timeouts or Timeouts()
        self.reservations = Reservations()

    async def __call__(self, client: Stream, open_upstream: OpenUpstream) -> None:
        """See `Handler`."""
        peer = Client(client)
        try:
            while await _Exchange(self, peer, open_upstream).serve():
                peer.h11.start_next_cycle()
        except h11.ProtocolError as error:  # either end violates HTTP during a response
            raise ConnectionAbortedError(str(error)) from error
        finally:
            await peer.stop_reading()


class _Exchange:
    """A request and its response."""

    def __init__(self, guard: Guard, peer: Client, open_upstream: OpenUpstream) -> None:
        self._peer, self._open, self._rules, self._uid = peer, open_upstream, guard.rules, guard.uid
        self._timeouts, self._reservations = guard.timeouts, guard.reservations
        self._method, self._path, self._warning = "", "", ""
        self._translation = Translation("", None, MAX_VERSION)

    async def serve(self) -> bool:
        """Serve one request; return whether another one may follow on the connection."""
        try:
            async with asyncio.timeout(self._timeouts.idle):
                event = await self._peer.event()
        except TimeoutError:
            return await self._close()
        except h11.RemoteProtocolError as error:
            return await self._deny(_malformed_request(error))
        if not isinstance(event, h11.Request):
            return await self._close()
        self._method, self._path = event.method.decode("ascii"), event.target.decode("latin-1").partition("?")[0]
        try:
            await self._forward_allowed(parse_head(event))
        except GuardDenied as denied:
            return await self._deny(denied)
        except h11.RemoteProtocolError as error:
            return await self._deny(_malformed_request(error))
        except UpstreamError as error:
            await self._deny(GuardDenied("daemon", str(error), status=HTTPStatus.BAD_GATEWAY))
            raise
        return self._peer.reusable or await self._close()

    async def _forward_allowed(self, head: RequestHead) -> None:
        request = parse_request(head.method, head.target)
        self._path = request.target.path
        route = request.match.route
        data = b"" if route.body is BodyKind.STREAM else await self._read_body()
        decision = decide(request, data, self._rules, self._uid)
        if head.upgrade and not route.hijack:
            raise GuardDenied("http", "this request may not upgrade the connection", status=HTTPStatus.BAD_REQUEST)
        if decision.waived is not None and self._rules.enforcement is Enforcement.WARN:
            self._warning = decision.waived.message
        preconditions = Preconditions(self._rules, self._uid, self._reservations, self._open)
        async with preconditions.resolve(decision.forward_plan) as resolved:
            daemon = await self._connect(request)
            try:
                audit.log_allowed(self._method, self._path, resolved.objects, decision.waived)
                await self._forward(daemon, head, request, decision, resolved)
            finally:
                daemon.stream.close()

    async def _connect(self, request: ParsedRequest) -> Peer:
        """Connect to the daemon, and choose the version of the request.

        Raises:
            GuardDenied: the client's version is newer than the daemon's.
        """
        if request.target.path in VERSIONLESS:
            return Peer(await self._open())
        daemon, newest = await negotiation.connect(self._open)
        try:
            version = common_version(newest, request.target.version)
        except GuardDenied:
            daemon.stream.close()
            raise
        route = request.match.route
        self._translation = Translation(f"{route.method} {route.template}", request.target.version, version)
        return daemon

    async def _read_body(self) -> bytes:
        """The whole of a body that the rules apply to."""
        collected = bytearray(self._peer.available())
        if self._peer.complete:  # nearly always
            return bytes(collected)
        try:
            async with asyncio.timeout(self._timeouts.document):
                await self._send_continue()
                while data := await self._peer.body():
                    collected += data
                    if len(collected) > strict_json.MAX_BODY_BYTES:
                        raise strict_json.body_too_large()
        except TimeoutError as error:
            seconds = self._timeouts.document
            raise GuardDenied(
                "http", f"the request body did not arrive within {seconds:g} s", status=HTTPStatus.REQUEST_TIMEOUT
            ) from error
        return bytes(collected)

    async def _send_continue(self) -> None:
        """Send 100 Continue if the client waits for it; the daemon gets the request only when its body is complete."""
        if self._peer.h11.they_are_waiting_for_100_continue:
            await self._peer.send(h11.InformationalResponse(status_code=HTTPStatus.CONTINUE, headers=[]))

    async def _forward(
        self, daemon: Peer, head: RequestHead, request: ParsedRequest, decision: Decision, resolved: ResolvedRequest
    ) -> None:
        route = request.match.route
        document = self._translation.body(resolved.body)
        body = None if route.body is BodyKind.STREAM else b"" if document is None else strict_json.encode_json(document)
        target = _daemon_target(request, resolved, self._translation)
        head_for_daemon = daemon_head(head, target, body=body, hijack=route.hijack)
        if body is None:
            await daemon.send(head_for_daemon)
            await self._forward_stream(daemon, decision)
            return
        await daemon.send(head_for_daemon, h11.Data(data=body), h11.EndOfMessage())
        if route.hijack:
            await self._forward_hijack(daemon)
        else:
            await self._respond_while_connected(daemon, decision)

    async def _forward_hijack(self, daemon: Peer) -> None:
        response = await read_head(daemon)
        if not is_hijacked(response):
            await self._forward_response(daemon, response)
            return
        await self._peer.stop_reading()
        await self._peer.stream.write(raw_stream_head(response, content_type=self._translation.content_type))
        upstream_stream = PrefixedStream(daemon.stream, daemon.trailing_data())

        async def open_stream() -> Stream:
            return upstream_stream

        await splice(PrefixedStream(self._peer.stream, self._peer.trailing_data()), open_stream)

    async def _respond_while_connected(self, daemon: Peer, decision: Decision) -> None:
        """Forward the daemon's response. A client that disconnects cancels the request, as at the daemon's own socket.

        A client that has closed only its direction still gets a response that arrives within `Timeouts.linger`.

        Raises:
            OSError: the client has disconnected, or the connection to the daemon broke.
        """
        async with self._peer.cancel_on_disconnect(self._timeouts.linger):
            await self._respond(daemon, decision)

    async def _forward_stream(self, daemon: Peer, decision: Decision) -> None:
        """Forward an upload, and the daemon's response, which may come before the upload is complete.

        Raises:
            OSError: the client has disconnected, or the connection to the daemon broke.
            GuardDenied: the upload is too large or too slow.
        """
        responding = asyncio.create_task(self._respond(daemon, decision))
        uploading = asyncio.create_task(self._upload(daemon))
        try:
            await asyncio.wait({responding, uploading}, return_when=asyncio.FIRST_COMPLETED)
            if not responding.done():
                uploading.result()
                async with self._peer.cancel_on_disconnect(self._timeouts.linger):
                    await responding
            responding.result()
        finally:
            for task in (responding, uploading):
                task.cancel()
            await asyncio.gather(responding, uploading, return_exceptions=True)

    async def _upload(self, daemon: Peer) -> None:
        """Forward a body as it arrives."""
        maximum = self._rules.limits.upload
        remaining = None if maximum is None else int(quantities.parse(maximum))
        daemon_reads = True
        await self._send_continue()
        while data := await self._next_chunk():
            if remaining is not None:
                remaining -= len(data)
                if remaining < 0:
                    raise GuardDenied(
                        "limits.upload",
                        f"the upload exceeds the limit of {maximum} bytes",
                        status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    )
            if daemon_reads:
                daemon_reads = await _try_send(daemon, h11.Data(data=data))
        if daemon_reads:
            await _try_send(daemon, h11.EndOfMessage())

    async def _next_chunk(self) -> bytes:
        try:
            async with asyncio.timeout(self._timeouts.chunk):
                return await self._peer.body()
        except TimeoutError as error:
            raise GuardDenied(
                "http", f"the upload paused for more than {self._timeouts.chunk:g} s", status=HTTPStatus.REQUEST_TIMEOUT
            ) from error

    async def _respond(self, daemon: Peer, decision: Decision) -> None:
        response = await read_head(daemon)
        response_filter = decision.forward_plan.response_filter
        if response.status_code == HTTPStatus.CONFLICT:
            data = hide_container_id(await read_rest(daemon))
        elif response.status_code == HTTPStatus.OK and (response_filter or self._translation.changes_response):
            document = json_or_none(await read_rest(daemon))
            if response_filter is not None:
                document = response_filter(document, self._rules, self._uid)
            data = strict_json.encode_json(self._translation.response(document))
        else:
            await self._forward_response(daemon, response)
            return
        await self._peer.send(self._client_head(response, len(data)), h11.Data(data=data), h11.EndOfMessage())

    async def _forward_response(self, daemon: Peer, response: _ResponseHead) -> None:
        head = self._client_head(response)
        events = response.status_code == HTTPStatus.OK and self._translation.changes_events
        lines = ObjectStream(self._translation.event) if events else None
        try:
            await self._peer.send(head, h11.Data(data=_feed(lines, daemon.available())))
            while data := await daemon.body():
                await self._peer.send(h11.Data(data=_feed(lines, data)))
        except h11.RemoteProtocolError as error:
            raise ConnectionAbortedError(f"the daemon's response is incomplete: {error}") from error
        await self._peer.send(h11.Data(data=lines.end() if lines else b""), h11.EndOfMessage())

    def _client_head(self, response: _ResponseHead, length: int | None = None) -> h11.Response:
        return client_head(
            _final_response(response),
            content_type=self._translation.content_type,
            length=length,
            warning=self._warning,
        )

    async def _deny(self, denied: GuardDenied) -> bool:
        audit.log_denied(self._method, self._path, denied)
        if self._peer.h11.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            return False
        reusable = await self._drain()
        data = denied.body()
        headers = [(b"Content-Type", b"application/json"), (b"Content-Length", str(len(data)).encode())]
        if not reusable:
            headers.append((b"Connection", b"close"))
        head = h11.Response(status_code=denied.status, headers=headers)
        await self._peer.send(head, h11.Data(data=b"" if self._method == "HEAD" else data), h11.EndOfMessage())
        return self._peer.reusable or await self._close()

    async def _drain(self) -> bool:
        """Read the rest of a small body; return whether the client can reuse the connection."""
        if self._peer.h11.their_state is not h11.SEND_BODY:
            return self._peer.h11.their_state is not h11.ERROR
        if self._peer.h11.they_are_waiting_for_100_continue:
            return False
        size = 0
        try:
            async with asyncio.timeout(self._timeouts.linger):
                while data := await self._peer.body():
                    size += len(data)
                    if size > MAX_DRAINED:
                        return False
        except (TimeoutError, h11.RemoteProtocolError):
            return False
        return True

    async def _close(self) -> bool:
        """Close the connection after the client has read the response; return False."""
        await self._peer.stop_reading()
        await self._peer.stream.end()
        await discard(self._peer.stream, seconds=self._timeouts.linger)
        return False


async def _try_send(daemon: Peer, event: h11.Event) -> bool:
    """Send a part of an upload; False: the daemon has stopped reading it, and its response says why."""
    try:
        await daemon.send(event)
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


def _feed(lines: ObjectStream | None, data: bytes) -> bytes:
    return data if lines is None else lines.feed(data)


def _daemon_target(request: ParsedRequest, resolved: ResolvedRequest, translation: Translation) -> str:
    name = escape_name(resolved.path or request.match.name)
    path = request.match.route.template.replace("{id}", name).replace("{name}", name)
    prefix = "" if request.target.path in VERSIONLESS else f"/v{format_version(translation.daemon)}"
    return f"{prefix}{path}{encode_query(translation.query(resolved.query))}"


def _final_response(response: _ResponseHead) -> h11.Response:
    if isinstance(response, h11.Response):
        return response
    raise UpstreamError("the node's Docker daemon upgraded a connection without being asked to")


def _malformed_request(error: h11.RemoteProtocolError) -> GuardDenied:
    return GuardDenied("http", f"malformed request: {error}", status=error.error_status_hint or HTTPStatus.BAD_REQUEST)
