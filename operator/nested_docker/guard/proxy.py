"""The guard as a handler of the relay: parses requests, applies the rules, and forwards what they allow."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from http import HTTPStatus

import h11

from nested_docker.api.meta import Enforcement
from nested_docker.api.v1alpha1.guard import GuardRules
from nested_docker.docker_api.errors import DockerApiError
from nested_docker.domain import quantities
from nested_docker.guard import audit
from nested_docker.guard.daemon import negotiation
from nested_docker.guard.daemon.client import escape_name, json_or_none, read_head, read_rest, try_send
from nested_docker.guard.daemon.creation import verify_container
from nested_docker.guard.daemon.filtering import EventFilter, filter_containers
from nested_docker.guard.daemon.owners import ContainerOwners
from nested_docker.guard.daemon.preconditions import Forwarding, Preconditions, ResolvedRequest
from nested_docker.guard.daemon.pruning import prune_containers
from nested_docker.guard.daemon.reservations import Reservations
from nested_docker.guard.daemon.tagging import remove_image, tag_image
from nested_docker.guard.decision import Decision, ParsedRequest, decide, parse_request
from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.model import ContainerPrune, ContainersIn, ForwardPlan, JsonObject
from nested_docker.guard.ownership import CREATION_ANNOTATION
from nested_docker.guard.routes import BodyKind, Route
from nested_docker.guard.rules.api_changes import Translation
from nested_docker.guard.rules.build_output import BuildOutput
from nested_docker.guard.rules.builds import added_steps
from nested_docker.guard.rules.marks import HIDING, hide_in_event, hide_marks
from nested_docker.guard.rules.responses import hide_container_id
from nested_docker.guard.verdicts import GuardVerdict, Verdicts
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
from nested_docker.guard.wire.query import encode_query, first_value, is_true
from nested_docker.net.streams import Stream, discard
from nested_docker.relay.handler import OpenUpstream, UpstreamError
from nested_docker.relay.splice import splice

MAX_DRAINED = 65536
"""Bytes of a denied request's body that are read, so that the client can reuse the connection."""

VERSIONLESS = frozenset({"/_ping", "/version"})
"""Paths that mean the same in all versions; clients learn from them which version to use."""

_ResponseHead = h11.Response | h11.InformationalResponse
_WholeResponse = tuple[_ResponseHead, bytes]


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
        self.reservations, self.owners = Reservations(), ContainerOwners(uid)
        self.verdicts = Verdicts()
        self._creations: set[asyncio.Task[_WholeResponse]] = set()

    def start_creation(self, creation: Coroutine[None, None, _WholeResponse]) -> asyncio.Task[_WholeResponse]:
        """Run the creation of a container, which ends with its check even if the client disconnects."""
        task = asyncio.create_task(creation)
        self._creations.add(task)
        task.add_done_callback(self._end_creation)
        return task

    def _end_creation(self, task: asyncio.Task[_WholeResponse]) -> None:
        self._creations.discard(task)
        if not task.cancelled():
            task.exception()  # retrieved, so that asyncio does not log it if the client has disconnected

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
        self._timeouts, self._guard = guard.timeouts, guard
        self._method, self._path, self._warning = "", "", ""
        self._translation = Translation("", None, MAX_VERSION)

    async def serve(self) -> bool:
        """Serve one request; return whether another one may follow on the connection."""
        try:
            event = await self._next_request()
            if event is None:
                return await self._close()
            await self._forward_allowed(parse_head(event))
        except GuardDenied as denied:
            return await self._deny(denied)
        except h11.RemoteProtocolError as error:
            return await self._deny(_malformed_request(error))
        except DockerApiError as error:
            return await self._deny(GuardDenied("daemon", str(error), status=HTTPStatus.BAD_GATEWAY))
        return self._peer.reusable or await self._close()

    async def _next_request(self) -> h11.Request | None:
        """The head of the client's next request; None: the client sends none."""
        try:
            async with asyncio.timeout(self._timeouts.idle):
                event = await self._peer.event()
        except TimeoutError:
            return None
        if not isinstance(event, h11.Request):
            return None
        self._method, self._path = event.method.decode("ascii"), event.target.decode("latin-1").partition("?")[0]
        return event

    async def _forward_allowed(self, head: RequestHead) -> None:
        request = parse_request(head.method, head.target)
        self._path = request.target.path
        route = request.match.route
        _check_encoding(head, route)
        data = await self._read_body() if route.body is BodyKind.JSON else b""
        decision = decide(request, data, self._rules, self._uid)
        if head.upgrade and not route.hijack:
            raise GuardDenied("http", "this request may not upgrade the connection", status=HTTPStatus.BAD_REQUEST)
        if route.body is BodyKind.NONE:
            await self._read_body()  # and ignore it, as the daemon does
        if decision.waived is not None and self._rules.enforcement is Enforcement.WARN:
            self._warning = decision.waived.message
        if decision.forward_plan.prune is not None:
            await self._prune(decision.forward_plan.prune)
        elif decision.forward_plan.complete is not None:
            await self._create(head, request, decision)
        else:
            async with self._resolve(decision) as forwarding:
                await self._forward(head, request, forwarding)

    @contextlib.asynccontextmanager
    async def _resolve(self, decision: Decision) -> AsyncIterator[Forwarding]:
        guard = self._guard
        preconditions = Preconditions(self._rules, self._uid, guard.owners, guard.reservations, self._open)
        async with preconditions.resolve(decision.forward_plan) as resolved:
            self._log_allowed(resolved.objects, decision.waived)
            yield Forwarding(decision.forward_plan, resolved, preconditions.references)

    async def _prune(self, prune: ContainerPrune) -> None:
        self._log_allowed((), None)
        data = strict_json.encode_json(await prune_containers(self._open, self._guard.owners, prune))
        headers = [(b"Content-Type", b"application/json"), (b"Content-Length", str(len(data)).encode())]
        await self._peer.send(
            h11.Response(status_code=HTTPStatus.OK, headers=headers), h11.Data(data=data), h11.EndOfMessage()
        )

    async def _create(self, head: RequestHead, request: ParsedRequest, decision: Decision) -> None:
        creation = self._guard.start_creation(self._create_container(head, request, decision))
        async with self._peer.cancel_on_disconnect(self._timeouts.linger):
            response, data = await asyncio.shield(creation)
        await self._send_whole(response, data)

    async def _create_container(self, head: RequestHead, request: ParsedRequest, decision: Decision) -> _WholeResponse:
        async with self._resolve(decision) as forwarding:
            resolved = forwarding.resolved
            with self._guard.owners.creation() as creation:
                assert resolved.body is not None  # noqa: S101 - a plan that completes a body has one
                resolved.body["HostConfig"]["Annotations"][CREATION_ANNOTATION] = creation.annotation
                response, data = await self._exchange(head, request, resolved)
                creation.absent = response.status_code >= HTTPStatus.BAD_REQUEST
                if not creation.absent:
                    creation.container = str((json_or_none(data) or {}).get("Id"))
                    await verify_container(self._open, forwarding, creation)
                return response, data

    async def _exchange(self, head: RequestHead, request: ParsedRequest, resolved: ResolvedRequest) -> _WholeResponse:
        """Send a request with its whole body, and read the whole response."""
        daemon = await self._connect(request)
        with contextlib.closing(daemon.stream):
            await self._send(daemon, head, request, resolved)
            response = await read_head(daemon)
            data = await read_rest(daemon)
        return response, hide_container_id(data) if response.status_code == HTTPStatus.CONFLICT else data

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

    async def _send(self, daemon: Peer, head: RequestHead, request: ParsedRequest, resolved: ResolvedRequest) -> None:
        """Send a request to the daemon, without the body if that is a stream."""
        route, document = request.match.route, self._translation.body(resolved.body)
        body = None if route.body is BodyKind.STREAM else b"" if document is None else strict_json.encode_json(document)
        target = _daemon_target(request, resolved, self._translation)
        head_for_daemon = daemon_head(head, target, body=body, hijack=route.hijack)
        rest = () if body is None else (h11.Data(data=body), h11.EndOfMessage())
        await try_send(daemon, head_for_daemon, *rest)

    async def _read_body(self) -> bytes:
        """The whole of a body, except for a stream."""
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

    async def _forward(self, head: RequestHead, request: ParsedRequest, forwarding: Forwarding) -> None:
        route, daemon = request.match.route, await self._connect(request)
        with contextlib.closing(daemon.stream):
            await self._send(daemon, head, request, forwarding.resolved)
            if route.body is BodyKind.STREAM:
                await self._forward_stream(daemon, forwarding)
            elif route.hijack:
                await self._forward_hijack(daemon)
            else:
                await self._respond_while_connected(daemon, forwarding)

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

    async def _respond_while_connected(self, daemon: Peer, forwarding: Forwarding) -> None:
        """Forward the daemon's response. A client that disconnects cancels the request, as at the daemon's own socket.

        A client that has closed only its direction still gets a response that arrives within `Timeouts.linger`.

        Raises:
            OSError: the client has disconnected, or the connection to the daemon broke.
        """
        async with self._peer.cancel_on_disconnect(self._timeouts.linger):
            await self._respond(daemon, forwarding)

    async def _forward_stream(self, daemon: Peer, forwarding: Forwarding) -> None:
        """Forward an upload, and the daemon's response, which may come before the upload is complete.

        Raises:
            OSError: the client has disconnected, or the connection to the daemon broke.
            GuardDenied: the upload is too large or too slow.
        """
        responding = asyncio.create_task(self._respond(daemon, forwarding))
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
                daemon_reads = await try_send(daemon, h11.Data(data=data))
        if daemon_reads:
            await try_send(daemon, h11.EndOfMessage())

    async def _next_chunk(self) -> bytes:
        try:
            async with asyncio.timeout(self._timeouts.chunk):
                return await self._peer.body()
        except TimeoutError as error:
            raise GuardDenied(
                "http", f"the upload paused for more than {self._timeouts.chunk:g} s", status=HTTPStatus.REQUEST_TIMEOUT
            ) from error

    async def _respond(self, daemon: Peer, forwarding: Forwarding) -> None:
        response, plan = await read_head(daemon), forwarding.plan
        if response.status_code < HTTPStatus.BAD_REQUEST:
            await forwarding.verify()
        if response.status_code == HTTPStatus.CONFLICT:
            await self._send_whole(response, hide_container_id(await read_rest(daemon)))
        elif response.status_code == HTTPStatus.CREATED and plan.tags:
            await self._send_whole(response, await self._tag_commit(await read_rest(daemon), forwarding))
        elif response.status_code not in {HTTPStatus.OK, HTTPStatus.CREATED}:
            await self._forward_response(daemon, response)
        elif self._translation.route == "POST /build":
            await self._forward_build(daemon, response, forwarding)
        elif plan.containers_in is ContainersIn.EVENTS:
            events = EventFilter(self._open, self._guard.owners, self._event)
            await self._forward_response(daemon, response, events.feed)
        elif plan.filters_response or self._translation.changes_response or self._translation.route in HIDING:
            await self._send_whole(response, await self._filter(await read_rest(daemon), plan))
        else:
            await self._forward_response(daemon, response)

    async def _filter(self, data: bytes, plan: ForwardPlan) -> bytes:
        document = await filter_containers(self._open, self._guard.owners, json_or_none(data), plan.containers_in)
        if plan.response_filter is not None:
            document = plan.response_filter(document, self._rules, self._uid)
        shown = hide_marks(self._translation.route, document, self._translation.daemon)
        return strict_json.encode_json(self._translation.response(shown))

    def _event(self, event: JsonObject) -> JsonObject:
        return hide_in_event(self._translation.event(event))

    async def _tag_commit(self, data: bytes, forwarding: Forwarding) -> bytes:
        """Name the new image; return the response of the commit."""
        image = str((json_or_none(data) or {}).get("Id"))
        try:
            for name in forwarding.plan.tags:
                await tag_image(self._open, forwarding.references, image, name)
        except GuardDenied:
            await remove_image(self._open, image)
            raise
        return data

    async def _forward_build(self, daemon: Peer, response: _ResponseHead, forwarding: Forwarding) -> None:
        """Forward the output of a build, and name the image at its end."""
        quiet = is_true(first_value(forwarding.plan.query, "q"))
        output = BuildOutput(quiet=quiet, hidden=added_steps(self._uid))

        async def read(data: bytes) -> bytes:
            return output.feed(data)

        async def tag() -> bytes:
            lines = [
                await self._tag_build(forwarding, output.image, name, quiet=quiet)
                for name in forwarding.plan.tags
                if output.image
            ]
            return output.end() + b"".join(strict_json.encode_json(line) + b"\r\n" for line in lines if line)

        await self._forward_response(daemon, _without_length(response), read, tag)

    async def _tag_build(self, forwarding: Forwarding, image: str, name: str, *, quiet: bool) -> dict[str, object]:
        """Name the image of a build; return a line of output, empty in quiet mode."""
        try:
            await tag_image(self._open, forwarding.references, image, name)
        except GuardDenied as denied:
            self._log_denied(denied)
            message = json_or_none(denied.body())["message"]
            return {"errorDetail": {"message": message}, "error": message}
        return {} if quiet else {"stream": f"Successfully tagged {name}\n"}

    async def _send_whole(self, response: _ResponseHead, data: bytes) -> None:
        await self._peer.send(self._client_head(response, len(data)), h11.Data(data=data), h11.EndOfMessage())

    async def _forward_response(
        self,
        daemon: Peer,
        response: _ResponseHead,
        change: Callable[[bytes], Awaitable[bytes]] | None = None,
        last: Callable[[], Awaitable[bytes]] | None = None,
    ) -> None:
        """Forward a response as it arrives.

        Args:
            daemon: the connection.
            response: its head.
            change: maps each part of the body to what the client gets; None: the same.
            last: what the client gets in addition, at the end; None: nothing.
        """
        try:
            data = daemon.available()
            await self._peer.send(self._client_head(response), h11.Data(data=await change(data) if change else data))
            while data := await daemon.body():
                await self._peer.send(h11.Data(data=await change(data) if change else data))
        except h11.RemoteProtocolError as error:
            raise ConnectionAbortedError(f"the daemon's response is incomplete: {error}") from error
        if last is not None:
            await self._peer.send(h11.Data(data=await last()))
        await self._peer.send(h11.EndOfMessage())

    def _client_head(self, response: _ResponseHead, length: int | None = None) -> h11.Response:
        return client_head(
            _final_response(response),
            content_type=self._translation.content_type,
            length=length,
            warning=self._warning,
        )

    def _log_allowed(self, objects: tuple[str, ...], waived: GuardDenied | None) -> None:
        audit.log_allowed(self._method, self._path, objects, waived)
        self._guard.verdicts.count(GuardVerdict.ALLOWED if waived is None else GuardVerdict.WAIVED, waived)

    def _log_denied(self, denied: GuardDenied) -> None:
        audit.log_denied(self._method, self._path, denied)
        self._guard.verdicts.count(GuardVerdict.DENIED, denied)

    async def _deny(self, denied: GuardDenied) -> bool:
        self._log_denied(denied)
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


def _check_encoding(head: RequestHead, route: Route) -> None:
    if head.encoded and route.body is BodyKind.JSON:
        raise GuardDenied(
            "http",
            "Content-Encoding is not supported here: send the JSON as it is",
            status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        )


def _daemon_target(request: ParsedRequest, resolved: ResolvedRequest, translation: Translation) -> str:
    name = escape_name(resolved.path or request.match.name)
    path = request.match.route.template.replace("{id}", name).replace("{name}", name)
    prefix = "" if request.target.path in VERSIONLESS else f"/v{format_version(translation.daemon)}"
    return f"{prefix}{path}{encode_query(translation.query(resolved.query))}"


def _final_response(response: _ResponseHead) -> h11.Response:
    if isinstance(response, h11.Response):
        return response
    raise UpstreamError("the node's Docker daemon upgraded a connection without being asked to")


def _without_length(response: _ResponseHead) -> h11.Response:
    """A head without the length of the body, for a body that becomes longer."""
    headers = [each for each in response.headers if each[0] != b"content-length"]
    return h11.Response(status_code=response.status_code, headers=headers)


def _malformed_request(error: h11.RemoteProtocolError) -> GuardDenied:
    return GuardDenied("http", f"malformed request: {error}", status=error.error_status_hint or HTTPStatus.BAD_REQUEST)
