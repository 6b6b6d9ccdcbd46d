"""Which Pod Security level admits each mode's pod, by the API server's own judgement."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest
from tests.support import mode_table
from tests.support.api import Api
from tests.support.cluster import Cluster
from tests.support.factory import DEFAULTS, observed

from nested_docker.adapters.resources import RESOURCES
from nested_docker.api.meta import Mode
from nested_docker.domain.admission.acceptance import Accepted, accept
from nested_docker.domain.admission.pod_security import ENFORCE_LABEL, VERSION_LABEL
from nested_docker.domain.manifests.pod import pod
from nested_docker.domain.modes import MODES
from nested_docker.domain.modes.base import PodContext, PodSecurityLevel
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import Owner
from nested_docker.domain.ports import KubeError

LEVELS = (PodSecurityLevel.RESTRICTED, PodSecurityLevel.BASELINE, PodSecurityLevel.PRIVILEGED)
NEWEST = 35
"""Minor version of the standards that the table is about; later ones do not differ for these pods."""


@pytest.fixture(scope="module")
def standards(cluster: Cluster) -> int:
    """Minor version of the standards that the API server has, at most NEWEST."""
    version = json.loads(cluster.kubectl("version", "-o", "json"))["serverVersion"]
    return min(int(version["minor"]), NEWEST)


@pytest.fixture(scope="module")
def namespaces(cluster: Cluster, standards: int) -> Iterator[dict[str, dict[str, str]]]:
    """Namespaces that enforce each level, with their labels."""
    suffix = uuid.uuid4().hex[:6]
    made = {f"{level}-{suffix}": {ENFORCE_LABEL: level, VERSION_LABEL: f"v1.{standards}"} for level in LEVELS}
    for name, labels in made.items():
        cluster.kubectl("create", "namespace", name)
        cluster.kubectl("label", "namespace", name, *(f"{key}={value}" for key, value in labels.items()))
        cluster.kubectl("-n", name, "wait", "--for=create", "serviceaccount/default", "--timeout=30s")
    yield made
    cluster.kubectl("delete", "namespace", *made, "--wait=false")


@pytest.mark.parametrize("mode", Mode)
async def test_policy_foresees_which_levels_admit_a_mode(
    api: Api, namespaces: dict[str, dict[str, str]], standards: int, mode: Mode
) -> None:
    admitted = [labels[ENFORCE_LABEL] for name, labels in namespaces.items() if await admits(api, name, mode)]
    foreseen = [
        labels[ENFORCE_LABEL]
        for labels in namespaces.values()
        if isinstance(accept(observed({"mode": mode}, namespace_labels=labels), DEFAULTS), Accepted)
    ]
    assert admitted == foreseen
    if standards == NEWEST:
        mode_table.check(mode, podSecurity=f"`{admitted[0]}`")


async def admits(api: Api, namespace: str, mode: Mode) -> bool:
    """Whether a namespace takes the pod that the operator makes with a class that says nothing."""
    accepted = accept(observed({"mode": mode}), DEFAULTS)
    assert isinstance(accepted, Accepted), accepted
    context = PodContext(ObjectNames(Owner("build", namespace, "1")), accepted.effective, DEFAULTS)
    made = pod(context, MODES[mode], "0123456789")
    made["metadata"].pop("ownerReferences")
    try:
        await api.request("POST", RESOURCES["Pod"].path(namespace, None), query={"dryRun": "All"}, body=made)
    except KubeError as error:
        if "violates PodSecurity" in error.message:
            return False
        raise
    return True
