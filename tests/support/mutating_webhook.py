"""A mutating admission webhook that applies the JSON patch that a test gives it."""

from __future__ import annotations

import base64
import json
import ssl
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from tests.support.api import Api, Manifest, own_address
from tests.support.certificates import certificate_maker
from tests.support.tls_server import TlsServer, served
from tests.support.webhook_configurations import installed

from nested_docker.domain import pki

PLURALS = {
    "": ["pods", "services", "secrets", "persistentvolumeclaims"],
    "networking.k8s.io": ["networkpolicies"],
    "policy": ["poddisruptionbudgets"],
}

Patch = list[dict[str, Any]]
Mutate = Callable[[Manifest], Patch]


@dataclass
class MutatingWebhook:
    """The webhook, and what it does in each namespace.

    Attributes:
        mutations: namespace → kind, operations, and the patch for an object; other namespaces are left alone.
    """

    mutations: dict[str, tuple[str, tuple[str, ...], Mutate]] = field(default_factory=dict)

    async def review(self, request: web.Request) -> web.Response:
        """Answer an AdmissionReview."""
        asked = (await request.json())["request"]
        answer: Manifest = {"uid": asked["uid"], "allowed": True}
        kind, operations, mutate = self.mutations.get(asked["namespace"], ("", (), lambda _object: []))
        if asked["kind"]["kind"] == kind and asked["operation"] in operations:
            patch = json.dumps(mutate(asked["object"])).encode()
            answer |= {"patchType": "JSONPatch", "patch": base64.b64encode(patch).decode()}
        return web.json_response({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer})

    @classmethod
    @asynccontextmanager
    async def serve(
        cls, api: Api, folder: Path, selector: Manifest, reinvocation: str = "Never"
    ) -> AsyncIterator[MutatingWebhook]:
        """A webhook for the children in the selected namespaces, for as long as the block lasts."""
        webhook, here = cls(), own_address(api.access)
        context, bundle = _tls(folder, here)
        app = web.Application(client_max_size=2**22)
        app.router.add_post("/mutate", webhook.review)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await runner.setup()
        server = TlsServer(served(runner), context)
        port = server.start("0.0.0.0", 0)
        name = f"test-{uuid.uuid4().hex[:8]}"
        url = f"https://{here}:{port}/mutate"
        configuration = _configuration(name, url, bundle, selector)
        configuration["webhooks"][0]["reinvocationPolicy"] = reinvocation
        try:
            async with installed(api, configuration):
                yield webhook
        finally:
            await server.stop()
            await runner.cleanup()


@asynccontextmanager
async def unreachable(api: Api, selector: Manifest, *resources: str, operations: Sequence[str]) -> AsyncIterator[None]:
    """A webhook that fails closed and whose server does not exist, for these resources in the selected namespaces."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    configuration = _configuration(name, f"https://{own_address(api.access)}:1/mutate", "", selector)
    (hook,) = configuration["webhooks"]
    del hook["clientConfig"]["caBundle"]
    hook["rules"] = [
        rule | {"operations": [*operations], "resources": wanted}
        for rule in hook["rules"]
        if (wanted := [each for each in rule["resources"] if each in resources])
    ]
    async with installed(api, configuration):
        yield


def _tls(folder: Path, host: str) -> tuple[ssl.SSLContext, str]:
    now = datetime.now(UTC)
    begin, end = now - timedelta(hours=1), now + timedelta(hours=1)
    request = pki.CertificateRequest("uid", "", "webhook", (), (host,), begin, end, end)
    keys = certificate_maker().issue(request)
    folder.mkdir(parents=True)
    for file, key in (("tls.crt", pki.SERVER_CERTIFICATE), ("tls.key", pki.SERVER_KEY)):
        (folder / file).write_bytes(keys[key])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    return context, base64.b64encode(keys[pki.CA_CERTIFICATE]).decode()


def _configuration(name: str, url: str, bundle: str, selector: Manifest) -> Manifest:
    rules = [
        {"apiGroups": [group], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": plurals}
        for group, plurals in PLURALS.items()
    ]
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": "mutate.example.com",
                "clientConfig": {"url": url, "caBundle": bundle},
                "namespaceSelector": selector,
                "rules": rules,
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "timeoutSeconds": 5,
                "admissionReviewVersions": ["v1"],
            }
        ],
    }
