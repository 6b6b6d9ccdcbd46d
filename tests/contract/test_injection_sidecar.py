"""A pod with its sidecar at the real API server: valid, complete as it comes back, admitted where that is foreseen."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.support.api import RESOURCES, Api
from tests.support.cluster import Cluster
from tests.support.factory import DEFAULTS, class_spec, observed
from tests.unit.domain.injection.pods import Pod, patched

from nested_docker.api.meta import Mode
from nested_docker.domain.admission.acceptance import Accepted, accept
from nested_docker.domain.admission.pod_security import ENFORCE_LABEL
from nested_docker.domain.admission.pod_security_standards import PodSecurityLevel
from nested_docker.domain.injection.request import chosen_containers, injection_request
from nested_docker.domain.injection.sidecar import Sidecar, class_sidecar, sidecar
from nested_docker.domain.injection.sidecar_patch import judge_persisted, sidecar_patch
from nested_docker.domain.injection.sidecar_signature import SidecarTerms
from nested_docker.domain.names import ANNOTATION_INJECT_FORM, LABEL_INJECT
from nested_docker.domain.ports import KubeError

RICH = {
    "resources": {"requests": {"cpu": "0.5", "memory": "1024Mi"}, "limits": {"cpu": "1.0"}},
    "storage": {"type": "EmptyDir", "emptyDir": {"sizeLimit": "2048Mi"}},
    "engine": {"caBundleRef": {"name": "authorities", "key": "ca.crt"}, "mtu": 1400},
    "securityModules": [{"mode": "Dind", "appArmorProfile": {"type": "Unconfined"}}],
    "podTemplate": {
        "spec": {
            "containers": [
                {
                    "name": "daemon",
                    "env": [{"name": "EMPTY", "value": ""}],
                    "ports": [{"containerPort": 9323}],
                    "stdin": False,
                    "lifecycle": {"preStop": {"httpGet": {"port": 9323}}},
                }
            ]
        }
    },
}
"""A class whose values the API server writes in another way."""

MESH: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
    "runAsNonRoot": True,
    "runAsUser": 1000,
}
"""What a container needs at level restricted, so that only the daemon is refused."""


@pytest.fixture(scope="module")
def namespaces(cluster: Cluster) -> Iterator[dict[PodSecurityLevel, str]]:
    """A namespace that enforces each level."""
    suffix = uuid.uuid4().hex[:6]
    made = {level: f"sidecar-{level}-{suffix}" for level in PodSecurityLevel}
    for level, name in made.items():
        cluster.kubectl("create", "namespace", name)
        cluster.kubectl("label", "namespace", name, f"{ENFORCE_LABEL}={level}")
        cluster.kubectl("-n", name, "wait", "--for=create", "serviceaccount/default", "--timeout=30s")
    yield made
    cluster.kubectl("delete", "namespace", *made.values(), "--wait=false")


def job(namespace: str) -> Pod:
    """A pod as GitLab Runner, Jenkins or Tekton make it: a checkout, a job and a workspace."""
    common = {
        "image": "docker:29-cli",
        "securityContext": MESH,
        "volumeMounts": [{"name": "workspace", "mountPath": "/builds"}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "job",
            "namespace": namespace,
            "labels": {LABEL_INJECT: "standard"},
            "annotations": {ANNOTATION_INJECT_FORM: "Sidecar"},
        },
        "spec": {
            "restartPolicy": "Never",
            "volumes": [{"name": "workspace", "emptyDir": {}}],
            "initContainers": [{"name": "checkout"} | common],
            "containers": [{"name": "build"} | common],
        },
    }


def accepted(**fields: Any) -> Accepted:
    found = accept(observed({"mode": Mode.DIND.value}, classes={"standard": class_spec(**fields)}), DEFAULTS)
    assert isinstance(found, Accepted), found
    return found


TERMS, KEY = SidecarTerms("ns", "standard", "0123456789abcdef"), b"k" * 32


def with_sidecar(asking: Pod, outcome: Accepted) -> Pod:
    clients, given = chosen_containers(asking, injection_request(asking)), given_by(outcome)
    signature = TERMS.sign(given, datetime.now(UTC), KEY)
    return patched(asking, sidecar_patch(asking, sidecar(asking, outcome, clients, given), clients, signature))


def given_by(outcome: Accepted) -> Sidecar:
    return class_sidecar(TERMS.namespace, outcome, DEFAULTS)


async def stored(api: Api, asking: Pod) -> Pod:
    """The pod as the API server would store it."""
    path = RESOURCES["Pod"].path(asking["metadata"]["namespace"], None)
    query = {"dryRun": "All", "fieldValidation": "Strict"}
    found: Pod = await api.request("POST", path, query=query, body=asking)
    return found


CLAIMED = {"storage": {"type": "Ephemeral", "ephemeral": {"size": "2048Mi", "storageClassName": "fast"}}}


@pytest.mark.parametrize(
    "fields",
    [{}, RICH, CLAIMED],
    ids=["a class that says nothing", "a class that says much", "a class with volumes of its own"],
)
async def test_a_pod_that_comes_back_is_complete(
    api: Api, namespaces: dict[PodSecurityLevel, str], fields: dict[str, Any]
) -> None:
    outcome = accepted(**fields)
    back = await stored(api, with_sidecar(job(namespaces[PodSecurityLevel.PRIVILEGED]), outcome))
    clients = chosen_containers(back, injection_request(back))
    assert (
        judge_persisted(
            back,
            sidecar(back, outcome, clients, class_sidecar(back["metadata"]["namespace"], outcome, DEFAULTS)),
            clients,
        )
        == ""
    )
    assert [each["name"] for each in back["spec"]["initContainers"]] == ["nested-docker", "checkout"]


@pytest.mark.parametrize("level", PodSecurityLevel)
async def test_what_is_foreseen_of_the_pod_security_level_is_so(
    api: Api, namespaces: dict[PodSecurityLevel, str], level: PodSecurityLevel
) -> None:
    foreseen = accept(observed({"mode": Mode.DIND.value}, namespace_labels={ENFORCE_LABEL: level.value}), DEFAULTS)
    plain = await stored(api, job(namespaces[level]))
    assert len(plain["spec"]["initContainers"]) == 1
    whole = with_sidecar(job(namespaces[level]), accepted())
    try:
        await stored(api, whole)
        refused = ""
    except KubeError as error:
        refused = error.message
    assert isinstance(foreseen, Accepted) == (not refused), refused
    assert not refused or ("violates PodSecurity" in refused and 'container "nested-docker"' in refused)
