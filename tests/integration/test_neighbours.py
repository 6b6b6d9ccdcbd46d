"""What admins put into namespaces for other reasons: quotas, default limits, admission policies, disruption budgets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.integration.conftest import per_test
from tests.integration.world import CHILDREN, World
from tests.support.kubelet import SESSION
from tests.support.manifests import nested_docker, nested_docker_class, policy

from nested_docker.domain.names import LABEL_ROLE, WATCH_SELECTOR
from nested_docker.domain.ports import KubeError

POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
TEAM = {"labels": {"team": "ci"}}

Manifest = dict[str, Any]


async def put(world: World, path: str, kind: str, spec: Manifest) -> Manifest:
    """Create an object, named after its kind, of a kind that the operator does not know."""
    prefix = "/api/v1" if "/" not in path else f"/apis/{path.rpartition('/')[0]}"
    where = f"{prefix}/namespaces/{world.namespace}/{path.rpartition('/')[2]}"
    version = prefix.removeprefix("/apis/").removeprefix("/api/")
    body = {"apiVersion": version, "kind": kind, "metadata": {"name": kind.lower()}, "spec": spec}
    await world.api.request("POST", where, body=body)

    async def seen() -> Manifest:
        found: Manifest = await world.api.request("GET", f"{where}/{kind.lower()}")
        assert kind == "LimitRange" or found.get("status"), found
        return found

    return await world.until(seen, f"{kind} with a status")


async def test_default_limits_are_taken_as_they_are(world: World) -> None:
    limits = {"type": "Container", "default": {"cpu": "2", "memory": "1Gi"}, "defaultRequest": {"cpu": "10m"}}
    await put(world, "limitranges", "LimitRange", {"limits": [limits]})
    await world.create()
    await world.serves()
    writes = await world.quiet()
    (pod,) = await world.pods()
    assert pod["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "2", "memory": "1Gi"}
    assert [each for each in writes if each.startswith("create pods/")] == [f"create pods/{pod['metadata']['name']}"]


async def test_a_quota_for_limits_is_satisfied_by_resources(world: World) -> None:
    hard = {"limits.cpu": "4", "limits.memory": "4Gi", "requests.cpu": "4", "requests.memory": "4Gi"}
    await put(world, "resourcequotas", "ResourceQuota", {"hard": hard})
    await world.create()
    message = await world.settles("APIRejected")
    assert "must specify limits.cpu for: daemon" in message
    amounts = {"cpu": "1", "memory": "1Gi"}
    await world.edit(resources={"requests": amounts, "limits": amounts})
    await world.serves(timeout=40)


async def test_labels_and_annotations_of_a_gitops_tool_are_not_copied(world: World) -> None:
    """By them the tool would take the children for its own, and prune them."""
    manifest = nested_docker(world.namespace, className=world.class_name)
    manifest["metadata"] |= {
        "labels": {"app.kubernetes.io/instance": "gitops", "kustomize.toolkit.fluxcd.io/name": "gitops"},
        "annotations": {
            "argocd.argoproj.io/tracking-id": "gitops",
            "kubectl.kubernetes.io/last-applied-configuration": "gitops",
        },
    }
    await world.api.create(manifest)
    await world.serves()
    for kind in CHILDREN:
        for child in await world.api.list(kind, world.namespace, WATCH_SELECTOR):
            metadata = child["metadata"]
            assert "gitops" not in str([metadata.get("labels"), metadata.get("annotations")]), child


async def test_a_quota_limits_the_number_of_nested_dockers(world: World) -> None:
    await put(world, "resourcequotas", "ResourceQuota", {"hard": {"count/nesteddockers.nesteddocker.dev": "1"}})
    await world.create()
    with pytest.raises(KubeError, match="exceeded quota") as refused:
        await world.api.create(nested_docker(world.namespace, "second", className=world.class_name))
    assert refused.value.status == 403


@per_test
async def labelled_pods_only(world: World) -> AsyncIterator[str]:
    """A policy engine's rule: pods need the label `team`."""
    name = f"team-{world.namespace}"
    rule = {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
            ]
        },
        "validations": [
            {"expression": "'team' in object.metadata.?labels.orValue({})", "message": "every pod needs the label team"}
        ],
    }
    here = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}}}
    binding = {"policyName": name, "validationActions": ["Deny"], "matchResources": here}
    version = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name}}
    await world.api.request("POST", POLICIES, body=version | {"kind": "ValidatingAdmissionPolicy", "spec": rule})
    await world.api.request(
        "POST", BINDINGS, body=version | {"kind": "ValidatingAdmissionPolicyBinding", "spec": binding}
    )
    bare = {"metadata": {"name": "bare", "namespace": world.namespace}, "apiVersion": "v1", "kind": "Pod"}
    bare |= {"spec": {"containers": [{"name": "a", "image": "busybox"}]}}

    async def in_force() -> bool:
        try:
            await world.api.create(bare, dryRun="All")
        except KubeError as error:
            return "every pod needs the label team" in error.message
        return False

    await world.until(in_force, "the rule in force")
    yield name
    await world.api.request("DELETE", f"{BINDINGS}/{name}")
    await world.api.request("DELETE", f"{POLICIES}/{name}")


async def test_a_policy_engine_s_denial_is_in_the_condition(world: World, labelled_pods_only: str) -> None:
    await world.create()
    message = await world.settles("APIRejected")
    assert "every pod needs the label team" in message
    assert labelled_pods_only in message


async def test_labels_of_the_class_satisfy_a_policy_engine(world: World, labelled_pods_only: str) -> None:
    name = labelled_pods_only
    template = {"metadata": TEAM, "spec": {"nodeName": world.kubelet.node}}
    await world.api.create(nested_docker_class(name, modes=["Dind"], podTemplate=template))
    selector = {"matchLabels": {SESSION: world.class_name}}
    await world.api.create(policy(name, namespaceSelector=selector, allowedClasses=[name], allowedModes=["Dind"]))
    try:
        await world.api.create(nested_docker(world.namespace, className=name))
        await world.serves()
    finally:
        await world.api.delete("NestedDockerPolicy", None, name)
        await world.api.delete("NestedDockerClass", None, name)


async def test_a_drained_daemon_comes_back(world: World) -> None:
    await world.create()
    await world.serves()
    (pod,) = await world.pods()
    await world.evict(pod["metadata"]["name"])
    await world.gone("Pod", pod["metadata"]["name"], timeout=40)
    await world.serves(timeout=40)


async def test_a_disruption_budget_keeps_a_daemon_from_a_drain(world: World) -> None:
    await world.create()
    await world.serves()
    spec = {"minAvailable": 1, "selector": {"matchLabels": {LABEL_ROLE: "daemon"}}}
    await put(world, "policy/v1/poddisruptionbudgets", "PodDisruptionBudget", spec)

    async def counted() -> bool:
        path = f"/apis/policy/v1/namespaces/{world.namespace}/poddisruptionbudgets/poddisruptionbudget"
        status = (await world.api.request("GET", path))["status"]
        assert status.get("currentHealthy") == 1, status
        return True

    await world.until(counted, "the daemon counted as healthy")
    (pod,) = await world.pods()
    with pytest.raises(KubeError, match="disruption budget") as refused:
        await world.evict(pod["metadata"]["name"])
    assert refused.value.status == 429
