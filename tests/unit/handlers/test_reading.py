"""kopf's own reader of lists and watches, over a session of ours, with an API server that sends deep objects."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import kopf
import pytest
from aiohttp import web
from kopf._cogs.clients import api, auth
from tests.support.nesting import DEEP, nested, with_managed_fields

from nested_docker.domain.partial import PartialObject
from nested_docker.handlers.reading import BoundedResponse, read_object, session_for_kopf

logger = logging.getLogger(__name__)
KINDS = [
    "NestedDocker",
    "Secret",
    "Pod",
    "Service",
    "PersistentVolumeClaim",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "Namespace",
]


@asynccontextmanager
async def server(*lines: str, cut: int = 0) -> AsyncIterator[str]:
    """Answers a list with the lines as items, and a watch with the lines as ADDED objects, `cut` bytes at a time."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.query.get("watch") != "true":
            return web.Response(text=f'{{"items": [{",".join(lines)}]}}', content_type="application/json")
        response = web.StreamResponse()
        await response.prepare(request)
        stream = "".join(f'{{"type": "ADDED", "object": {line}}}\n' for line in lines).encode()
        for start in range(0, len(stream), cut or len(stream)):
            await response.write(stream[start : start + (cut or len(stream))])
            await asyncio.sleep(0)
        return response

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


async def read(url: str, path: str) -> list[Any]:
    context = auth.APIContext(session_for_kopf(kopf.ConnectionInfo(server=url, insecure=True)))
    settings = kopf.OperatorSettings()
    try:
        if "watch" not in path:
            response = await api.request("get", path, settings=settings, logger=logger, context=context)
            return (await response.json())["items"]
        response = await api.request("get", path, settings=settings, logger=logger, context=context)
        return [json.loads(line) async for line in api.iter_jsonlines(response.content)]
    finally:
        await context.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_list_with_a_deep_object_is_read(kind: str) -> None:
    async with server(with_managed_fields(kind, "a", managed=nested(DEEP)), with_managed_fields(kind, "b")) as url:
        found = await read(url, "/things")
    assert [type(each) for each in found] == [PartialObject, dict]
    assert [each["metadata"]["name"] for each in found] == ["a", "b"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cut", [0, 70_000])
async def test_so_is_a_watch(kind: str, cut: int) -> None:
    async with server(
        with_managed_fields(kind, "a", managed=nested(DEEP)), with_managed_fields(kind, "b"), cut=cut
    ) as url:
        found = await read(url, "/things?watch=true")
    first, second = (read_object(event) for event in found)
    assert isinstance(first, PartialObject)
    assert first.missing == "metadata.managedFields"
    assert type(second) is dict
    assert second == json.loads(with_managed_fields(kind, "b"))


async def test_small_pieces_make_whole_lines() -> None:
    names = [f"n{i}" for i in range(50)]
    async with server(*(with_managed_fields("Pod", name) for name in names), cut=37) as url:
        found = await read(url, "/things?watch=true")
    assert [event["object"]["metadata"]["name"] for event in found] == names


async def test_nobody_names_a_missing_field_but_the_reader() -> None:
    async with server('{"metadata": {"name": "a"}, "missing": "spec"}') as url:
        found = await read(url, "/things?watch=true")
    assert type(read_object(found[0])) is dict


async def test_other_answers_are_not_touched() -> None:
    async with (
        server() as url,
        aiohttp.ClientSession(response_class=BoundedResponse) as plain,
        plain.get(f"{url}/version") as response,
    ):
        assert await response.json() == {"items": []}
        assert isinstance(response.content, aiohttp.StreamReader)
