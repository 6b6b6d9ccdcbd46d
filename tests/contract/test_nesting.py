"""The chart's bound on managed fields, before the real API server."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from tests.chart.conftest import Helm
from tests.support.api import Api
from tests.support.cluster import Cluster
from tests.support.manifests import nested_docker
from tests.support.nesting import BODIES, nested
from tests.support.waiting import wait_for

from nested_docker.adapters.resources import RESOURCES
from nested_docker.domain.ports import KubeError

SUFFIX = f"x{uuid.uuid4().hex[:6]}"
KINDS = ["NestedDocker", *BODIES]
MANAGED_BY = {"app.kubernetes.io/managed-by": "nested-docker-operator"}
MOST = 39


@pytest.fixture(scope="module")
def bounded(cluster: Cluster, crds: list[str]) -> Iterator[str]:
    """A namespace in which the bound applies."""
    del crds
    rendered = Helm().render("guardrails.enabled=true", release=f"nesting-{SUFFIX}")
    here = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": [f"nesting-{SUFFIX}"]}
    guardrails = [
        each
        for each in rendered
        if each["kind"].startswith("ValidatingAdmission") and each["metadata"]["name"].endswith("-nesting")
    ]
    assert len(guardrails) == 2
    guardrails[1]["spec"]["matchResources"] = {"namespaceSelector": {"matchExpressions": [here]}}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"nesting-{SUFFIX}"}}
    cluster.apply(namespace, *guardrails)
    yield f"nesting-{SUFFIX}"
    for guardrail in guardrails:
        cluster.kubectl("delete", guardrail["kind"], guardrail["metadata"]["name"])
    cluster.kubectl("delete", "namespace", f"nesting-{SUFFIX}", "--wait=false")


async def offer(api: Api, namespace: str, kind: str, depth: int, labels: dict[str, str], *, fields: str = "") -> str:
    """The message with which an object is denied; empty: it is accepted."""
    api_version = RESOURCES[kind].api_version
    entry = {"manager": "m", "operation": "Update", "apiVersion": api_version, "fieldsType": "FieldsV1"}
    entry |= {"time": "2026-01-01T00:00:00Z", "fieldsV1": "DEEP"}
    obj: dict[str, Any] = nested_docker(namespace, "deep") if kind == "NestedDocker" else dict(BODIES[kind])
    obj |= {"apiVersion": api_version, "kind": kind}
    obj["metadata"] = {"name": "deep", "namespace": namespace, "labels": labels, "managedFields": [entry]}
    text = json.dumps(obj).replace('"DEEP"', fields or nested(depth))
    try:
        await api.request_text("POST", RESOURCES[kind].path(namespace), text, query={"dryRun": "All"})
    except KubeError as error:
        return error.message
    return ""


@pytest.mark.parametrize("kind", KINDS)
async def test_deep_managed_fields_are_denied(api: Api, bounded: str, kind: str) -> None:
    async def in_force() -> bool:
        return bool(await offer(api, bounded, kind, 9_990, MANAGED_BY))

    await wait_for(in_force, 30, "the policy to be in force")
    for depth in (MOST + 1, 100, 1000, 9_990):
        message = await offer(api, bounded, kind, depth, MANAGED_BY)
        assert f"metadata.managedFields of {kind} deep is nested 40 levels deep or more" in message, depth
        assert "leave metadata.managedFields out, and the API server keeps what it has" in message
    wide = "{" + ",".join(f'"f:a{i}":{{}}' for i in range(500)) + ',"f:z":' + nested(9_000) + "}"
    assert "nested 40 levels deep or more" in await offer(api, bounded, kind, 0, MANAGED_BY, fields=wide)


@pytest.mark.parametrize("kind", KINDS)
async def test_others_are_accepted(api: Api, bounded: str, kind: str) -> None:
    assert await offer(api, bounded, kind, MOST, MANAGED_BY) == ""
    wide = "{" + ",".join(f'"f:a{i}":{{"f:b":{{"f:c":{{}}}}}}' for i in range(1000)) + "}"
    assert await offer(api, bounded, kind, 0, MANAGED_BY, fields=wide) == ""
    if kind != "NestedDocker":
        assert await offer(api, bounded, kind, 9_990, {"app": "other"}) == ""
