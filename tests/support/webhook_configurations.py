"""Webhook configurations before the API server, which takes up their changes a moment after it has stored them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.support.api import Api, own_address
from tests.support.waiting import wait_for

from nested_docker.domain.ports import KubeError

API = "/apis/admissionregistration.k8s.io/v1"
LABEL = "nested-docker-test/configuration"
PROBE = "installed.example.com"
"""Name of a webhook that nothing serves, so that a request fails as soon as the API server asks it."""
SECONDS = 30.0


@asynccontextmanager
async def installed(api: Api, configuration: Mapping[str, Any]) -> AsyncIterator[None]:
    """The API server acts by a configuration throughout the block, and no more after it.

    Args:
        api: of the API server.
        configuration: a MutatingWebhookConfiguration or ValidatingWebhookConfiguration.

    Raises:
        AssertionError: it takes up the configuration, or its end, too late.
    """
    kind, name = configuration["kind"], configuration["metadata"]["name"]
    path, label = f"{API}/{kind.lower()}s", f"{kind.removesuffix('WebhookConfiguration')}-{name}"
    webhooks = [*configuration["webhooks"], _probe(label, own_address(api.access))]
    await api.request("POST", path, body={**configuration, "webhooks": webhooks})
    try:
        await wait_for(lambda: _is_asked(api, label), SECONDS, f"the API server to act by {kind} {name}")
        yield
    finally:
        await api.request("DELETE", f"{path}/{name}")

        async def is_gone() -> bool:
            return not await _is_asked(api, label)

        await wait_for(is_gone, SECONDS, f"the API server to act by {kind} {name} no more")


def _probe(label: str, host: str) -> dict[str, Any]:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    return {
        "name": PROBE,
        "clientConfig": {"url": f"https://{host}:1/"},
        "objectSelector": {"matchLabels": {LABEL: label}},
        "rules": [rule],
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "timeoutSeconds": 1,
        "admissionReviewVersions": ["v1"],
    }


async def _is_asked(api: Api, label: str) -> bool:
    """Whether the probe of a configuration is asked about an object with its label."""
    metadata = {"name": "probe", "namespace": "default", "labels": {LABEL: label}}
    try:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
        await api.request("POST", "/api/v1/namespaces/default/configmaps", query={"dryRun": "All"}, body=body)
    except KubeError as error:
        if PROBE not in error.message:
            raise
        return True
    return False
