"""The guard as the relay's handler: reads requests, judges them, and passes on what is left of them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import h11

from nested_docker.api.meta import Enforcement
from nested_docker.api.v1alpha1.guard import GuardRules
from nested_docker.domain import quantities
from nested_docker.guard import audit
from nested_docker.guard import decision as validate
from nested_docker.guard.daemon.client import collect, document, escaped
from nested_docker.guard.daemon.preconditions import Preconditions, Resolved
from nested_docker.guard.daemon.reservations import Reservations
from nested_docker.guard.errors import CONFLICT, TOO_LARGE, GuardDenied
from nested_docker.guard.routes import Body
from nested_docker.guard.rules import responses as answers
from nested_docker.guard.wire import headers as heads
from nested_docker.guard.wire import strict_json as bodies
from nested_docker.guard.wire.headers import Head
from nested_docker.guard.wire.http import Client, Peer, Prefixed
from nested_docker.guard.wire.query import encode
from nested_docker.net.streams import Stream, discard
from nested_docker.relay.handler import OpenUpstream, UpstreamError
from nested_docker.relay.splice import splice

DRAINED = 65536
"""Bytes of a refused request's body that are read, so that the connection can go on."""

Answer = h11.Response | h11.InformationalResponse


@dataclass(frozen=True)
class Timeouts:
    """Seconds that clients may take.

    Attributes:
        idle: between requests, and for a request's head.
        document: to send a JSON body.
        chunk: between two chunks of an archive.
        linger: to read why they are refused.
    """

    idle: float = 300.0
    document: float = 10.0
    chunk: float = 300.0
    linger: float = 5.0


class Guard:
    """A relay's handler that lets through what rules allow, on one owner's objects.

    Args:
        rules: what requests are judged by.
        uid: the owner's, which labels what is made.
        patience: seconds that clients may take.

    Raises:
        ValueError: the owner's UID is empty or not a plain word.
    """

    def __init__(self, rules: GuardRules, uid: str, *, timeouts: Timeouts | None = None) -> None:
        if not uid.isascii() or not uid.replace("-", "").isalnum():
            raise ValueError(f"{uid!r} is no UID")
        self.rules, self.uid, self.timeouts = rules, uid, timeouts or Timeouts()
        self.reservations = Reservations()

    async def __call__(self, client: Stream, open_upstream: OpenUpstream) -> None:
        """As `Handler`."""
        peer = Client(client)
        try:
            while await _Exchange(self, peer, open_upstream).serve():
                peer.h11.start_next_cycle()
        except h11.ProtocolError as error:  # what is not HTTP on either side, in the midst of an answer
            raise ConnectionAbortedError(str(error)) from error
        finally:
            await peer.stop()


class _Exchange:
    """One request and its answer."""

    def __init__(self, guard: Guard, peer: Client, open_upstream: OpenUpstream) -> None:
        self._peer, self._open, self._rules, self._uid = peer, open_upstream, guard.rules, guard.uid
        self._timeouts, self._reservations = guard.timeouts, guard.reservations
        self._method, self._path, self._warning = "", "", ""

    async def serve(self) -> bool:
        """Read, judge and pass on a request; whether another one may follow."""
        try:
            async with asyncio.timeout(self._timeouts.idle):
                event = await self._peer.event()
        except TimeoutError:
            return await self._end()
        except h11.RemoteProtocolError as error:
            return await self._refuse(_malformed(error))
        if not isinstance(event, h11.Request):
            return await self._end()
        self._method, self._path = event.method.decode("ascii"), event.target.decode("latin-1").partition("?")[0]
        try:
            await self._validated(heads.read_head(event))
        except GuardDenied as denied:
            return await self._refuse(denied)
        except h11.RemoteProtocolError as error:
            return await self._refuse(_malformed(error))
        except UpstreamError as error:
            await self._refuse(GuardDenied("daemon", str(error), status=502))
            raise
        return self._peer.ready or await self._end()

    async def _validated(self, head: Head) -> None:
        request = validate.read(head.method, head.target)
        self._path = request.target.path
        route = request.routed.route
        data = b"" if route.body is Body.STREAM else await self._document()
        decision = validate.decide(request, data, self._rules, self._uid)
        if head.upgrade and not route.tunnel:
            raise GuardDenied("http", "this request cannot take the connection over", status=400)
        if decision.waived is not None and self._rules.enforcement is Enforcement.WARN:
            self._warning = decision.waived.message
        preconditions = Preconditions(self._rules, self._uid, self._reservations, self._open)
        async with preconditions.resolve(decision.forward_plan) as resolved:
            audit.log_waived(self._method, self._path, resolved.objects, decision.waived)
            await self._pass_on(head, request, decision, resolved)

    async def _document(self) -> bytes:
        """A body that is judged, as a whole."""
        collected = bytearray(self._peer.arrived())
        if self._peer.whole:  # as nearly always
            return bytes(collected)
        try:
            async with asyncio.timeout(self._timeouts.document):
                await self._continue()
                while data := await self._peer.body():
                    collected += data
                    if len(collected) > bodies.MAX_BODY:
                        raise bodies.too_large()
        except TimeoutError as error:
            seconds = self._timeouts.document
            raise GuardDenied("http", f"the request's body did not arrive within {seconds:g} s", status=408) from error
        return bytes(collected)

    async def _continue(self) -> None:
        """Bid a client go on that waits to be told; the daemon is not asked before the request has been judged."""
        if self._peer.h11.they_are_waiting_for_100_continue:
            await self._peer.send(h11.InformationalResponse(status_code=100, headers=[]))

    async def _pass_on(
        self, head: Head, request: validate.Request, decision: validate.Decision, resolved: Resolved
    ) -> None:
        route = request.routed.route
        body = None if route.body is Body.STREAM else b"" if resolved.body is None else bodies.write(resolved.body)
        target = _target(request, resolved)
        upstream = await self._open()
        daemon = Peer(upstream)
        try:
            written = heads.for_daemon(head, target, body=body, tunnel=route.tunnel)
            if body is None:
                await daemon.send(written)
                await self._both_ways(daemon, decision)
                return
            await daemon.send(written, h11.Data(data=body), h11.EndOfMessage())
            if route.tunnel:
                await self._tunnel_or_answer(daemon)
            else:
                await self._answer_unless_gone(daemon, decision)
        finally:
            upstream.close()

    async def _tunnel_or_answer(self, daemon: Peer) -> None:
        answer = await _answer(daemon)
        if not heads.takes_over(answer):
            await self._send(daemon, answer)
            return
        await self._peer.stop()
        await self._peer.stream.write(heads.raw(answer))
        ours = Prefixed(daemon.stream, daemon.leftover())

        async def opened() -> Stream:
            return ours

        await splice(Prefixed(self._peer.stream, self._peer.leftover()), opened)

    async def _answer_unless_gone(self, daemon: Peer, decision: validate.Decision) -> None:
        """Send the daemon's answer on; a client that leaves ends the request, as it would at the daemon's own socket.

        One that has only ended its direction still gets what does not take long.

        Raises:
            OSError: the client has left, or the daemon broke off.
        """
        async with self._peer.attended(self._timeouts.linger):
            await self._answer(daemon, decision)

    async def _both_ways(self, daemon: Peer, decision: validate.Decision) -> None:
        """Send an archive on, and the daemon's answer, which may come before the archive's end.

        Raises:
            OSError: the client has left, or the daemon broke off.
            Refusal: the client sends too much, or too slowly.
        """
        answering = asyncio.create_task(self._answer(daemon, decision))
        streaming = asyncio.create_task(self._stream(daemon))
        try:
            await asyncio.wait({answering, streaming}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                streaming.result()
                async with self._peer.attended(self._timeouts.linger):
                    await answering
            answering.result()
        finally:
            for task in (answering, streaming):
                task.cancel()
            await asyncio.gather(answering, streaming, return_exceptions=True)

    async def _stream(self, daemon: Peer) -> None:
        """Pass a body on, as it arrives."""
        most = self._rules.limits.upload
        left = None if most is None else int(quantities.parse(most))
        listens = True
        await self._continue()
        while data := await self._next_of_archive():
            if left is not None:
                left -= len(data)
                if left < 0:
                    raise GuardDenied("limits.upload", f"an archive may have {most} bytes at most", status=TOO_LARGE)
            if listens:
                listens = await _sent(daemon, h11.Data(data=data))
        if listens:
            await _sent(daemon, h11.EndOfMessage())

    async def _next_of_archive(self) -> bytes:
        try:
            async with asyncio.timeout(self._timeouts.chunk):
                return await self._peer.body()
        except TimeoutError as error:
            raise GuardDenied("http", "the archive does not go on", status=408) from error

    async def _answer(self, daemon: Peer, decision: validate.Decision) -> None:
        answer = await _answer(daemon)
        rewrite = decision.forward_plan.answer
        if answer.status_code == CONFLICT:
            data = answers.conflict(await collect(daemon))
        elif rewrite is not None and answer.status_code == 200:
            data = bodies.write(rewrite(document(await collect(daemon)), self._rules, self._uid))
        else:
            await self._send(daemon, answer)
            return
        head = heads.for_client(_response(answer), length=len(data), warning=self._warning)
        await self._peer.send(head, h11.Data(data=data), h11.EndOfMessage())

    async def _send(self, daemon: Peer, answer: Answer) -> None:
        head = heads.for_client(_response(answer), warning=self._warning)
        try:
            await self._peer.send(head, h11.Data(data=daemon.arrived()))
            while data := await daemon.body():
                await self._peer.send(h11.Data(data=data))
        except h11.RemoteProtocolError as error:
            raise ConnectionAbortedError(f"the daemon's answer broke off: {error}") from error
        await self._peer.send(h11.EndOfMessage())

    async def _refuse(self, denied: GuardDenied) -> bool:
        audit.log_denied(self._method, self._path, denied)
        if self._peer.h11.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            return False
        stays = await self._drained()
        data = denied.body()
        headers = [(b"Content-Type", b"application/json"), (b"Content-Length", str(len(data)).encode())]
        if not stays:
            headers.append((b"Connection", b"close"))
        head = h11.Response(status_code=denied.status, headers=headers)
        await self._peer.send(head, h11.Data(data=b"" if self._method == "HEAD" else data), h11.EndOfMessage())
        return self._peer.ready or await self._end()

    async def _drained(self) -> bool:
        """Read what is left of a small body; whether the connection can go on."""
        if self._peer.h11.their_state is not h11.SEND_BODY:
            return self._peer.h11.their_state is not h11.ERROR
        if self._peer.h11.they_are_waiting_for_100_continue:
            return False
        size = 0
        try:
            async with asyncio.timeout(self._timeouts.linger):
                while data := await self._peer.body():
                    size += len(data)
                    if size > DRAINED:
                        return False
        except (TimeoutError, h11.RemoteProtocolError):
            return False
        return True

    async def _end(self) -> bool:
        """End the connection so that the client can read all that it was sent."""
        await self._peer.stop()
        await self._peer.stream.end()
        await discard(self._peer.stream, seconds=self._timeouts.linger)
        return False


async def _answer(daemon: Peer) -> Answer:
    """The head of the daemon's answer; 101 counts as one.

    Raises:
        OSError: there is none.
    """
    try:
        while isinstance(event := await daemon.event(), h11.InformationalResponse):
            if event.status_code == 101:
                return event
    except h11.RemoteProtocolError as error:
        raise UpstreamError(f"the node's Docker daemon gave no answer: {error}") from error
    if not isinstance(event, h11.Response):
        raise UpstreamError("the node's Docker daemon gave no answer")
    return event


async def _sent(daemon: Peer, event: h11.Event) -> bool:
    """Send a part of an archive; False: the daemon reads no more of it, and has yet to say why."""
    try:
        await daemon.send(event)
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


def _target(request: validate.Request, resolved: Resolved) -> str:
    name = escaped(resolved.path or request.routed.name)
    path = request.routed.route.template.replace("{id}", name).replace("{name}", name)
    return f"{request.target.prefix}{path}{encode(resolved.query)}"


def _response(answer: Answer) -> h11.Response:
    if isinstance(answer, h11.Response):
        return answer
    raise UpstreamError("the node's Docker daemon took over a connection that it was not given")


def _malformed(error: h11.RemoteProtocolError) -> GuardDenied:
    return GuardDenied("http", f"the request is malformed: {error}", status=error.error_status_hint or 400)
