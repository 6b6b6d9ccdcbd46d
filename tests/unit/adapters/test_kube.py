"""What an error says when the API server does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from kubernetes.aio.client import ApiClient, Configuration

from nested_docker.adapters.kube import KubeClient
from nested_docker.domain.ports import KubeError


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
