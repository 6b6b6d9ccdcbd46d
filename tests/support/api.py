"""A client of the API server for tests: raw objects, no opinion, and none of the code under test."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import yaml

from nested_docker.adapters import bounded_json
from nested_docker.adapters.resources import RESOURCES
from nested_docker.domain.ports import KubeError

Manifest = dict[str, Any]
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"
BUFFER = 2**22
"""Bytes of a line in a watch that must fit."""


@dataclass(frozen=True)
class Access:
    """Where an API server is and how it is spoken to."""

    server: str
    context: ssl.SSLContext
    headers: dict[str, str]

    @classmethod
    def read(cls, kubeconfig: str) -> Access:
        """The current context of a kubeconfig file."""
        document = yaml.safe_load(Path(kubeconfig).read_text())
        context = _named(document["contexts"], document["current-context"])["context"]
        cluster = _named(document["clusters"], context["cluster"])["cluster"]
        user = _named(document["users"], context["user"])["user"]
        tls = ssl.create_default_context(cadata=_data(cluster, "certificate-authority").decode())
        if "client-certificate-data" in user or "client-certificate" in user:
            with tempfile.NamedTemporaryFile() as pair:
                pair.write(_data(user, "client-certificate") + b"\n" + _data(user, "client-key"))
                pair.flush()
                tls.load_cert_chain(pair.name)
        return cls(cluster["server"], tls, {"Authorization": f"Bearer {user['token']}"} if "token" in user else {})

    def session(self, *, raw: bool = False) -> aiohttp.ClientSession:
        """A session with that server; the caller closes it. `raw` hands bodies on as they come."""
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self.context, limit=0),
            headers=self.headers,
            timeout=aiohttp.ClientTimeout(total=None),
            read_bufsize=BUFFER,
            auto_decompress=not raw,
        )


def own_address(access: Access) -> str:
    """The machine's address on the way to the API server, which lives behind a bridge of its own."""
    host = urlsplit(access.server).hostname or ""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((host, 1))
        return str(probe.getsockname()[0])


class Api:
    """The API server."""

    def __init__(self, access: Access, session: aiohttp.ClientSession, user: Sequence[tuple[str, str]] = ()) -> None:
        self.access, self._session, self._user = access, session, user

    @classmethod
    @asynccontextmanager
    async def connect(cls, kubeconfig: str) -> AsyncIterator[Api]:
        """A client of the kubeconfig's current context."""
        access = Access.read(kubeconfig)
        async with access.session() as session:
            yield cls(access, session)

    def acting_as(self, user: str, *groups: str) -> Api:
        """The same client in somebody else's name."""
        headers = [("Impersonate-User", user), *(("Impersonate-Group", group) for group in groups)]
        return Api(self.access, self._session, headers)

    async def request(
        self, method: str, path: str, *, query: dict[str, str] | None = None, body: Any = None, type_: str = ""
    ) -> Manifest:
        """One request.

        Raises:
            KubeError: the API server refused.
        """
        data = None if body is None else json.dumps(body)
        return await self.request_text(method, path, data, query=query, type_=type_)

    async def request_text(
        self, method: str, path: str, data: str | None, *, query: dict[str, str] | None = None, type_: str = ""
    ) -> Manifest:
        """One request whose body is text, such as JSON that Python does not write.

        Raises:
            KubeError: the API server refused.
        """
        headers = [("Content-Type", type_ or "application/json"), ("Accept", "application/json"), *self._user]
        url = self.access.server + path
        async with self._session.request(method, url, params=query, data=data, headers=headers) as response:
            text = await response.text()
        answer: Manifest = bounded_json.loads(text) if text.startswith("{") else {"message": text}
        if response.status >= 400:
            raise KubeError(response.status, answer.get("reason", ""), answer.get("message", ""))
        return answer

    async def create(self, manifest: Manifest, **query: str) -> Manifest:
        """Make an object."""
        path = RESOURCES[manifest["kind"]].path(manifest["metadata"].get("namespace"))
        return await self.request("POST", path, body=manifest, query=query)

    async def apply(self, manifest: Manifest, manager: str = "tests", subresource: str = "") -> Manifest:
        """Apply an object server-side."""
        metadata = manifest["metadata"]
        path = RESOURCES[manifest["kind"]].path(metadata.get("namespace"), metadata["name"], subresource)
        query = {"fieldManager": manager, "force": "true"}
        return await self.request("PATCH", path, body=manifest, query=query, type_=APPLY)

    async def get(self, kind: str, namespace: str | None, name: str) -> Manifest | None:
        """An object; None: there is none."""
        try:
            return await self.request("GET", RESOURCES[kind].path(namespace, name))
        except KubeError as error:
            if error.status != 404:
                raise
            return None

    async def list(self, kind: str, namespace: str | None = None, labels: str = "") -> list[Manifest]:
        """Objects of a kind, by name."""
        query = {"labelSelector": labels}
        items = (await self.request("GET", RESOURCES[kind].path(namespace), query=query))["items"]
        return sorted(items, key=lambda item: str(item["metadata"]["name"]))

    async def patch(
        self, kind: str, namespace: str | None, name: str, change: Any, *, subresource: str = "", type_: str = MERGE
    ) -> Manifest:
        """Change an object."""
        path = RESOURCES[kind].path(namespace, name, subresource)
        return await self.request("PATCH", path, body=change, type_=type_, query={"fieldManager": "tests"})

    async def delete(
        self,
        kind: str,
        namespace: str | None,
        name: str,
        *,
        uid: str = "",
        now: bool = False,
        propagation: str = "Background",
    ) -> Manifest | None:
        """Delete an object, that of the uid if one is given; None: there is none such."""
        body: Manifest = {"propagationPolicy": propagation}
        if uid:
            body["preconditions"] = {"uid": uid}
        if now:
            body["gracePeriodSeconds"] = 0
        try:
            return await self.request("DELETE", RESOURCES[kind].path(namespace, name), body=body)
        except KubeError as error:
            if error.status not in {404, 409}:
                raise
            return None

    async def watch(self, kind: str, *, fields: str = "") -> AsyncIterator[tuple[str, Manifest]]:
        """What there is, as ADDED, and every change from then on, until the server ends it."""
        listed = await self.request("GET", RESOURCES[kind].path(None), query={"fieldSelector": fields})
        for item in listed["items"]:
            yield "ADDED", item
        query = {"fieldSelector": fields, "watch": "true", "resourceVersion": listed["metadata"]["resourceVersion"]}
        async with self._session.get(self.access.server + RESOURCES[kind].path(None), params=query) as response:
            async for line in response.content:
                event = bounded_json.loads(line)
                yield event["type"], event["object"]


def _named(items: list[Manifest], name: str) -> Manifest:
    return next(item for item in items if item["name"] == name)


def _data(holder: Manifest, key: str) -> bytes:
    inline = holder.get(f"{key}-data")
    return base64.b64decode(inline) if inline else Path(holder[key]).read_bytes()
