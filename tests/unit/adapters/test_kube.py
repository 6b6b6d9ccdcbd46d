"""What an error says when the API server does not answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio.client import ApiClient, Configuration

from nested_docker.adapters.kube import KubeClient
from nested_docker.domain.objects import CLIENT_POD
from nested_docker.domain.partial import PartialObject
from nested_docker.domain.ports import KubeError, WatchEvent


@asynccontextmanager
async def client(*, hangs_up: bool) -> AsyncIterator[KubeClient]:
    """A client of a server that reads requests, and then hangs up or stays silent."""
    connections: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        await reader.readline()
        if hangs_up:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    configuration = Configuration()
    configuration.host = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    configuration.client_session_kwargs = {"trust_env": False}
    configuration.retries = None
    kube = KubeClient(ApiClient(configuration), timeout=0.2)
    try:
        yield kube
    finally:
        await kube.close()
        server.close()
        for each in connections:
            each.close()


@pytest.mark.parametrize(
    ("hangs_up", "message"), [(False, "no answer within 0.2 s"), (True, "Server disconnected")], ids=["silent", "ends"]
)
async def test_an_error_says_why_there_is_no_answer(hangs_up: bool, message: str) -> None:
    async with client(hangs_up=hangs_up) as kube:
        with pytest.raises(KubeError) as raised:
            await kube.get("Pod", "ns", "build")
    assert (raised.value.status, raised.value.reason) == (0, "NoAnswer")
    assert raised.value.message == f"GET /api/v1/namespaces/ns/pods/build: {message}"


async def sent(write: Callable[[KubeClient], Awaitable[object]]) -> list[tuple[Any, ...]]:
    """The requests that a write makes."""
    requests: list[tuple[Any, ...]] = []
    async with client(hangs_up=True) as kube:

        async def request(method: str, kind: str, path: str, **options: Any) -> dict[str, Any]:
            requests.append((method, kind, path, options["body"], options.get("content_type")))
            return {}

        kube._request = request  # type: ignore[method-assign,assignment]
        await write(kube)
    return requests


CLIENT: Any = {"name": "job", "namespace": "ns", "uid": "u", "labels": {"a": "b"}, "resourceVersion": "1"}


async def test_a_pod_is_annotated_by_its_uid_and_nothing_else_is_written() -> None:
    metadata = {"name": "job", "namespace": "ns", "uid": "u", "annotations": {"key": "value"}}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
    path = "/api/v1/namespaces/ns/pods/job"
    found = await sent(lambda kube: kube.annotate_pod(CLIENT, "key", "value"))
    assert found == [("PATCH", "Pod", path, body, "application/merge-patch+json")]


@pytest.mark.parametrize(("seconds", "more"), [(None, {}), (30, {"gracePeriodSeconds": 30})])
async def test_a_deletion_names_the_uid_and_the_grace_period_only_if_it_is_given(
    seconds: int | None, more: dict[str, Any]
) -> None:
    ((method, _, _, body, _),) = await sent(lambda kube: kube.delete("Pod", "ns", "job", "u", grace_seconds=seconds))
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
    assert (method, body) == ("DELETE", options | {"preconditions": {"uid": "u"}} | more)


async def test_a_gate_is_removed_from_the_pod_with_that_uid_and_nothing_else_is_written() -> None:
    metadata = {"name": "job", "namespace": "ns", "uid": "u"}
    gates = [{"name": "example.com/gate", "$patch": "delete"}]
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"schedulingGates": gates}}
    path = "/api/v1/namespaces/ns/pods/job"
    found = await sent(lambda kube: kube.remove_scheduling_gate(CLIENT, "example.com/gate"))
    assert found == [("PATCH", "Pod", path, body, "application/strategic-merge-patch+json")]


# --- watches -------------------------------------------------------------------------------------------


@asynccontextmanager
async def watched(*pieces: bytes, status: int = 200) -> AsyncIterator[tuple[KubeClient, list[str]]]:
    """A client of a server that answers every request with these pieces, and the requests."""
    requests: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        requests.append(request.path_qs)
        assert request.headers["Accept-Encoding"] == "identity", "the API server compresses watches too"
        response = web.StreamResponse(status=status)
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(0)
        return response

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    configuration = Configuration()
    configuration.host = f"http://127.0.0.1:{runner.addresses[0][1]}"
    configuration.client_session_kwargs = {"trust_env": False}
    configuration.retries = None
    kube = KubeClient(ApiClient(configuration))
    try:
        yield kube, requests
    finally:
        await kube.close()
        await runner.cleanup()


def event(type_: str, **obj: Any) -> bytes:
    return json.dumps({"type": type_, "object": obj}).encode() + b"\n"


async def events(kube: KubeClient, namespace: str | None = None) -> list[WatchEvent]:
    return [each async for each in kube.watch(CLIENT_POD, namespace, labels="a")]


async def test_a_watch_brings_objects_until_it_ends() -> None:
    added, gone = event("ADDED", kind="Pod", name="a" * 200_000), event("DELETED", kind="Pod", name="b")
    whole = added + event("BOOKMARK", kind="Pod") + gone
    async with watched(whole[:70_000], whole[70_000:-10], whole[-10:]) as (kube, requests):
        assert await events(kube) == [
            WatchEvent({"kind": "Pod", "name": "a" * 200_000}),
            WatchEvent({"kind": "Pod", "name": "b"}, gone=True),
        ]
    query = "watch=true&allowWatchBookmarks=true&timeoutSeconds=300&labelSelector=a"
    assert requests == [f"/api/v1/pods?{query}"]


async def test_a_watch_of_one_namespace_asks_for_it() -> None:
    async with watched() as (kube, requests):
        assert await events(kube, "team-a") == []
    assert requests[0].startswith("/api/v1/namespaces/team-a/pods?watch=true&")


async def test_a_deep_object_of_a_watch_is_read_in_part() -> None:
    line = event("ADDED", metadata={"name": "a"}, spec="X").replace(b'"X"', b"[" * 5000 + b"]" * 5000)
    async with watched(line) as (kube, _):
        (found,) = await events(kube)
    assert isinstance(found.obj, PartialObject)
    assert found.obj.missing == "spec"


@pytest.mark.parametrize(
    ("piece", "status", "expected"),
    [
        (event("ERROR", code=410, reason="Expired", message="too old"), 200, "410 Expired: too old"),
        (b'{"reason": "Forbidden", "message": "no"}', 403, "403 Forbidden: no"),
        (b"not JSON\n", 200, "0 InvalidAnswer: the API server's answer is not JSON"),
    ],
    ids=["an error in the watch", "no permission", "nonsense"],
)
async def test_a_watch_that_fails_says_why(piece: bytes, status: int, expected: str) -> None:
    async with watched(piece, status=status) as (kube, _):
        with pytest.raises(KubeError) as raised:
            await events(kube)
    assert str(raised.value).startswith(expected)


async def test_a_watch_without_an_api_server_fails() -> None:
    async with client(hangs_up=True) as kube:
        with pytest.raises(KubeError) as raised:
            await events(kube)
    assert (raised.value.status, raised.value.reason) == (0, "NoAnswer")


async def test_a_rehearsal_creates_nothing_and_brings_the_warnings() -> None:
    asked: list[dict[str, str]] = []

    async def create(request: web.Request) -> web.Response:
        asked.append(dict(request.query))
        response = web.json_response(await request.json())
        for warning in ('299 - "no \\"handler\\" C:\\\\x"', '299 a.b "one", 299 - "two, three"', "nonsense"):
            response.headers.add("Warning", warning)
        return response

    app = web.Application()
    app.router.add_post("/apis/nesteddocker.dev/v1alpha1/namespaces/ns/nesteddockers", create)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    configuration = Configuration()
    configuration.host = f"http://127.0.0.1:{runner.addresses[0][1]}"
    configuration.client_session_kwargs = {"trust_env": False}
    kube = KubeClient(ApiClient(configuration))
    try:
        manifest = {"kind": "NestedDocker", "metadata": {"name": "build", "namespace": "ns"}}
        made, warnings = await kube.dry_run_create(manifest)
    finally:
        await kube.close()
        await runner.cleanup()
    assert made == manifest
    assert [each["dryRun"] for each in asked] == ["All"]
    assert warnings == ['no "handler" C:\\x', "one", "two, three"]
