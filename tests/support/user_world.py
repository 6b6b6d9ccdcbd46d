"""What a person's command line meets: a kubeconfig, an API server with NestedDockers, and a daemon behind TLS.

All of it runs in a thread, as the code under test has its own event loop.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import yaml
from aiohttp import web
from tests.support.certificates import certificate_maker
from tests.support.port_forwarding import PortForwardingServer

from nested_docker.client.background import BackgroundLoop
from nested_docker.domain import pki
from nested_docker.net.listening import listen_everywhere
from nested_docker.net.streams import Stream, connect_tcp
from nested_docker.relay.server import Relay
from nested_docker.relay.splice import splice

Manifest = dict[str, Any]

NAMESPACE = "team-a"
TOKEN = "token-of-jane"
POD = "build-1"
KINDS = {
    "nesteddockers": "NestedDocker",
    "nesteddockerclasses": "NestedDockerClass",
    "nesteddockerpolicies": "NestedDockerPolicy",
    "secrets": "Secret",
    "pods": "Pod",
    "events": "Event",
    "services": "Service",
    "networkpolicies": "NetworkPolicy",
}
HOST = f"build.{NAMESPACE}.svc"
CREDENTIALS = b'{"auths":{"r.example":{"auth":"dTpw"}}}'
WAITING = (("Ready", "False", "DaemonStarting", "wait"), ("Reconciling", "True", "DaemonStarting", "wait"))
READY = (("Accepted", "True", "Granted", "policy ci grants it"), ("Ready", "True", "Ready", "clients can connect"))

Answer = tuple[int, Manifest | str]


class UserWorld:
    """An API server, a daemon, and a kubeconfig for them.

    Attributes:
        objects: by path.
        kubeconfig: path of the kubeconfig.
        on_create: gets each NestedDocker that is created, and may change it.
        refuse: gets method and path of each request; an answer replaces the real one.
        warn: gets each object that is to be created; warnings about it, without quotation marks.
        requests: method and path of each request.
        daemon: what the daemon does with a connection.
        log: output of the daemon's container.
        forbidden: permissions that this user lacks, as verb and resource.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects: dict[str, Manifest] = {}
        self.kubeconfig = folder / "kubeconfig"
        self.on_create: Callable[[Manifest], None] = self.make_ready
        self.refuse: Callable[[str, str], Answer | None] = lambda _method, _path: None
        self.warn: Callable[[Manifest], list[str]] = lambda _manifest: []
        self.daemon = docker_double
        self.log = "the daemon's output\n"
        self.forbidden: set[str] = set()
        self._uids = itertools.count(1)
        self._loop = BackgroundLoop()
        self._keys = self._issue()
        self.server: PortForwardingServer

    def __enter__(self) -> Self:
        self._loop.submit(self._start()).result()
        self._write_kubeconfig()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.submit(self._stop()).result()
        self._loop.stop()

    @property
    def requests(self) -> list[tuple[str, str]]:
        return self.server.requests

    def path(self, plural: str, name: str = "", namespace: str = NAMESPACE) -> str:
        group = "/apis/nesteddocker.dev/v1alpha1" if plural.startswith("nested") else "/api/v1"
        inside = "" if plural in {"nesteddockerclasses", "nesteddockerpolicies"} else f"/namespaces/{namespace}"
        return f"{group}{inside}/{plural}{'/' + name if name else ''}"

    def nested_docker(self, name: str = "build", **status: Any) -> Manifest:
        """Add a NestedDocker, ready unless the status says otherwise."""
        manifest: Manifest = {
            "apiVersion": "nesteddocker.dev/v1alpha1",
            "kind": "NestedDocker",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {"className": "standard"},
        }
        self._store(self.path("nesteddockers", name), manifest)
        self.make_ready(manifest)
        manifest["status"] |= status
        return manifest

    def make_ready(self, manifest: Manifest) -> None:
        """What the operator does: status, and the connection Secrets."""
        name = manifest["metadata"]["name"]
        manifest["status"] = {
            "observedGeneration": 1,
            "conditions": conditions(*READY),
            "binding": {"name": f"{name}-docker"},
            "podName": POD,
            "nodeName": "node-1",
            "mode": "Dind",
            "className": manifest["spec"].get("className", "standard"),
            "policyName": "ci",
            "endpoint": f"tcp://{HOST}:2376",
            "isolation": "None",
            "certificateExpirationTime": "2036-01-01T00:00:00Z",
            "engine": {"version": "29.1.0", "apiVersion": "1.52", "storageDriver": "overlay2"},
        }
        files = {"ca.pem": self._keys[pki.CA_CERTIFICATE], "cert.pem": self._keys[pki.CLIENT_CERTIFICATE]}
        files |= {"key.pem": self._keys[pki.CLIENT_KEY], "host": HOST.encode(), "port": b"2376"}
        self._secret(f"{name}-docker", files)
        # PROMPT_COMMAND: somebody else than the operator may write this Secret too
        self._secret(
            f"{name}-docker-env",
            {"DOCKER_HOST": b"tcp://x:2376", "DOCKER_AUTH_CONFIG": CREDENTIALS, "PROMPT_COMMAND": b"id"},
        )

    def _secret(self, name: str, data: dict[str, bytes]) -> None:
        encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
        self._store(
            self.path("secrets", name),
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE}, "data": encoded},
        )

    def _store(self, path: str, manifest: Manifest) -> Manifest:
        metadata = manifest["metadata"]
        metadata.setdefault("uid", f"uid-{next(self._uids)}")
        metadata.setdefault("creationTimestamp", "2026-03-01T00:00:00Z")
        metadata.setdefault("generation", 1)
        self.objects[path] = manifest
        return manifest

    # --- the API server ---------------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        refusal = self.refuse(request.method, request.path)
        if refusal is not None:
            status, body = refusal
            return web.Response(status=status, text=body if isinstance(body, str) else json.dumps(body))
        if request.method == "POST":
            return self._post(request, await request.json())
        if request.path.rpartition("/")[2] in KINDS:
            return self._list(request.path)
        if request.path.endswith("/log"):
            return web.Response(text=self.log)
        return self._object(request)

    def _object(self, request: web.Request) -> web.Response:
        found = self.objects.get(request.path)
        if found is None:
            return failure(404, "NotFound", f"{request.path} not found")
        if request.method == "DELETE":
            del self.objects[request.path]
        return web.json_response(found)

    def _post(self, request: web.Request, manifest: Manifest) -> web.Response:
        if request.path.endswith("/selfsubjectaccessreviews"):
            return self._review(manifest["spec"]["resourceAttributes"])
        return self._create(request.path, manifest, dry_run="dryRun" in request.query)

    def _review(self, attributes: dict[str, str]) -> web.Response:
        what = attributes["resource"] + ("/" + attributes["subresource"] if "subresource" in attributes else "")
        return web.json_response(
            {"status": {"allowed": f"{attributes['verb']} {what}" not in self.forbidden}}, status=201
        )

    def _create(self, path: str, manifest: Manifest, *, dry_run: bool) -> web.Response:
        name = manifest["metadata"]["name"]
        if f"{path}/{name}" in self.objects:
            return failure(409, "AlreadyExists", f'nesteddockers "{name}" already exists')
        if dry_run:
            response = web.json_response(manifest, status=201)
            for text in self.warn(manifest):
                response.headers.add("Warning", f'299 - "{text}"')
            return response
        stored = self._store(f"{path}/{name}", manifest)
        self.on_create(stored)
        return web.json_response(stored, status=201)

    def _list(self, path: str) -> web.Response:
        kind = path.rpartition("/")[2]
        head, _, _ = path.partition("/namespaces/")
        items = [
            each
            for where, each in sorted(self.objects.items())
            if where.rpartition("/")[0] == path
            or ("/namespaces/" not in path and where.startswith(head.rpartition("/")[0]) and f"/{kind}/" in where)
        ]
        return web.json_response({"kind": f"{KINDS[kind]}List", "items": items})

    # --- the daemon -------------------------------------------------------------------------------------

    async def _start(self) -> None:
        self._plain = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._plain.sockets[0].getsockname()[1]

        async def upstream() -> Stream:
            return await connect_tcp("127.0.0.1", port)

        self._relay = Relay(upstream, splice)
        listener = listen_everywhere(0)
        self.tls_port = listener.getsockname()[1]
        self._relay.serve_tls(listener, self._server_context())
        self.server = PortForwardingServer(lambda: asyncio.open_connection("127.0.0.1", self.tls_port))
        self.server.handle = self._handle
        await self.server.start()

    async def _stop(self) -> None:
        await self.server.stop()
        await self._relay.drain(0)
        self._plain.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self.daemon(reader, writer)
        finally:
            writer.close()

    def _issue(self) -> dict[str, bytes]:
        now = datetime.now(UTC)
        end = now + timedelta(days=1)
        return certificate_maker().issue(
            pki.CertificateRequest(
                owner_uid="uid",
                rotation="",
                common_name="build",
                dns_names=(HOST,),
                ip_addresses=(),
                not_before=now - timedelta(hours=1),
                not_after=end,
                server_not_after=end,
            )
        )

    def _server_context(self) -> ssl.SSLContext:
        pair = self.folder / "server.pem"
        pair.write_bytes(self._keys[pki.SERVER_CERTIFICATE] + self._keys[pki.SERVER_KEY])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair)
        context.load_verify_locations(cadata=self._keys[pki.CA_CERTIFICATE].decode())
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _write_kubeconfig(self) -> None:
        self.kubeconfig.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "test",
                    "contexts": [
                        {"name": "test", "context": {"cluster": "test", "user": "jane", "namespace": NAMESPACE}}
                    ],
                    "clusters": [{"name": "test", "cluster": {"server": self.server.url}}],
                    "users": [{"name": "jane", "user": {"token": TOKEN}}],
                }
            )
        )


def failure(status: int, reason: str, message: str) -> web.Response:
    """An error of the API server."""
    return web.json_response({"kind": "Status", "reason": reason, "message": message}, status=status)


def conditions(*rows: tuple[str, str, str, str]) -> list[Manifest]:
    """Conditions of a status."""
    return [
        {
            "type": type_,
            "status": status,
            "reason": reason,
            "message": message,
            "lastTransitionTime": "2026-03-01T00:00:05Z",
            "observedGeneration": 1,
        }
        for type_, status, reason, message in rows
    ]


DF = json.dumps(
    {
        "LayersSize": 1_500_000_000,
        "Images": [{"Containers": 1}, {"Containers": 0}],
        "Containers": [{"State": "running", "SizeRw": 1500}, {"State": "exited"}],
        "Volumes": [{"UsageData": {"RefCount": 0, "Size": -1}}],
        "BuildCache": None,
    }
).encode()


async def docker_double(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Docker's API: /_ping, /version, and a hijacked connection that answers after the client's half has ended."""
    while head := await _head(reader):
        target = head.split()[1].decode()
        if target.endswith("/attach"):
            writer.write(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
            received = await reader.read()
            writer.write(b"after the end: " + received[:100] + str(len(received)).encode())
            writer.write_eof()
            return
        body = (
            b"OK"
            if target.endswith("/_ping")
            else DF
            if target.endswith("/system/df")
            else json.dumps({"ApiVersion": "1.52", "Version": "29.1.0"}).encode()
        )
        writer.write(b"HTTP/1.1 200 OK\r\nApi-Version: 1.52\r\nContent-Type: application/json\r\n")
        writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
