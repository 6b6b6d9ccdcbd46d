"""Quotas and limit ranges before the real API server: an admin can fit every container of a pod into them."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.support.api import Api
from tests.support.cluster import Cluster
from tests.support.factory import DEFAULTS, class_spec, observed

from nested_docker.adapters.resources import RESOURCES
from nested_docker.domain.admission.acceptance import Accepted, accept
from nested_docker.domain.manifests.pod import pod
from nested_docker.domain.modes import MODES
from nested_docker.domain.modes.base import PodContext
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import Owner
from nested_docker.domain.ports import KubeError

WHOLE = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}}
RULES: dict[str, tuple[dict[str, Any], str]] = {
    "limits.cpu": (
        {"kind": "ResourceQuota", "spec": {"hard": {"limits.cpu": "10"}}},
        "must specify limits.cpu for: idle-watch",
    ),
    "requests.memory": (
        {"kind": "LimitRange", "spec": {"limits": [{"type": "Container", "min": {"memory": "48Mi"}}]}},
        "minimum memory usage per Container is 48Mi, but request is 32Mi",
    ),
    "requests.cpu": (
        {"kind": "LimitRange", "spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}, "min": {"cpu": "20m"}}]}},
        "minimum cpu usage per Container is 20m, but request is 10m",
    ),
}


@pytest.fixture
async def namespace(cluster: Cluster) -> AsyncIterator[str]:
    name = f"quota-{uuid.uuid4().hex[:6]}"
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("-n", name, "wait", "--for=create", "serviceaccount/default", "--timeout=30s")
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


async def refusal(api: Api, namespace: str, mode: str, **fields: Any) -> str:
    """The API server's answer to a daemon's pod; empty: it takes it."""
    spec = {"mode": mode, "idleTimeoutSeconds": 60, "resources": WHOLE}
    accepted = accept(observed(spec, classes={"standard": class_spec(**fields)}), DEFAULTS)
    assert isinstance(accepted, Accepted), accepted
    context = PodContext(ObjectNames(Owner("build", namespace, "1")), accepted.effective, DEFAULTS)
    made = pod(context, MODES[accepted.effective.mode], "0123456789")
    made["metadata"].pop("ownerReferences")
    try:
        path = RESOURCES["Pod"].path(namespace, None)
        await api.request("POST", path, query={"dryRun": "All"}, body=made)
    except KubeError as error:
        return error.message
    return ""


@pytest.mark.parametrize("mode", ["Dind", "HostSocket"])
@pytest.mark.parametrize("name", RULES)
async def test_a_class_fits_the_idle_watch_into_them(
    api: Api, cluster: Cluster, namespace: str, name: str, mode: str
) -> None:
    rule, complaint = RULES[name]
    cluster.apply({"apiVersion": "v1", "metadata": {"name": "rule", "namespace": namespace}} | rule)
    if rule["kind"] == "ResourceQuota":  # until a controller has counted, every pod is refused
        cluster.kubectl("-n", namespace, "wait", "--for=jsonpath={.status.hard}", "resourcequota/rule", "--timeout=30s")
    assert complaint in await refusal(api, namespace, mode)
    assert not await refusal(api, namespace, mode, idleWatch={"resources": WHOLE})
