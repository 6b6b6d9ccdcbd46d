"""Copies of the guardrails in a cluster, and attempts there."""

from __future__ import annotations

import json
from collections.abc import Sequence

import yaml
from tests.chart.conftest import CHART, RENDER, Helm
from tests.contract.guardrails.children import CHILDREN
from tests.contract.guardrails.events import EVENTS
from tests.contract.guardrails.guarded_pods import GUARDED_PODS
from tests.contract.guardrails.making import (
    annotations,
    child,
    cleans,
    creates,
    daemon,
    labels,
    merged_with,
    of_web,
    plain,
    renamed,
)
from tests.contract.guardrails.pods import PODS
from tests.contract.guardrails.requests import REQUESTS
from tests.contract.guardrails.reserved import RESERVED
from tests.contract.guardrails.sidecars import SIDECAR, SIDECARS
from tests.contract.guardrails.site import (
    BESIDE,
    DAEMON,
    FORM,
    GATED,
    GATES,
    GUARDED,
    INJECT,
    INJECTION,
    INJECTION_ID,
    KEPT,
    LABELLED,
    LOST,
    MANAGED_BY,
    MINE,
    NOWHERE,
    OURS,
    RAW,
    RUNTIME,
    SUFFIX,
    UNASKED,
    Attempt,
    Manifest,
    Site,
)
from tests.support.api import Api
from tests.support.cluster import Cluster
from tests.support.manifests import nested_docker
from tests.support.waiting import wait_for

from nested_docker.adapters.resources import RESOURCES
from nested_docker.domain.ports import KubeError

KUBERNETES = ("kube-system", "kube-public", "kube-node-lease")
"""Namespaces that the guardrail for children is also bound to, which limits only these sites' operators."""


def namespaces_of(site: Site) -> tuple[str, ...]:
    return site.name, site.system, site.pods, site.cleanup, site.disabled


def rendered(site: Site, values: Manifest) -> list[Manifest]:
    """The chart's guardrails, bound to the site's namespaces."""
    flags = [f"--set={RENDER}", *(f"--set-json={key}={json.dumps(value)}" for key, value in values.items())]
    text = Helm()("template", site.name, str(CHART), "--namespace", site.system, "--kube-version=1.34.0", *flags)
    guardrails = [each for each in yaml.safe_load_all(text) if each and each["kind"].startswith("ValidatingAdmission")]
    for guardrail in guardrails:
        if guardrail["kind"] == "ValidatingAdmissionPolicyBinding":
            also = KUBERNETES if guardrail["spec"]["policyName"].endswith("-children") else ()
            here = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": [*namespaces_of(site), *also]}
            guardrail["spec"]["matchResources"] = {"namespaceSelector": {"matchExpressions": [here]}}
    return guardrails


def furnish(cluster: Cluster, name: str) -> Site:
    """Namespaces in which everybody may do everything, and what there is in the one that is served."""
    bare = Site(name)
    subjects = [
        {"kind": "User", "name": bare.operator},
        *({"kind": "Group", "name": group} for group in ("users", "debuggers")),
    ]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    for namespace in namespaces_of(bare):
        metadata = {"name": "everything", "namespace": namespace}
        injection = {} if namespace == bare.disabled else {"nesteddocker.dev/injection": "enabled"}
        cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {
                    "name": namespace,
                    "labels": {"guardrails": SUFFIX} | injection,
                },
            },
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "metadata": metadata,
                "roleRef": role,
                "subjects": subjects,
            },
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata | {"name": "builder"}},
        )
        cluster.kubectl("-n", namespace, "wait", "--for=create", "serviceaccount/default", "--timeout=30s")
    cluster.apply(merged_with(nested_docker(name), {"metadata": {"finalizers": [KEPT]}}))
    site = Site(name, cluster.kubectl("-n", name, "get", "nesteddocker", "build", "-o=jsonpath={.metadata.uid}"))
    cluster.apply(
        renamed(daemon()(site), DAEMON),
        renamed(daemon({"mode": "HostSocket"})(site), GUARDED),
        renamed(daemon({"mode": "HostSocket"}, {"hostSocket": {"access": "Raw"}})(site), RAW),
        merged_with(cleans({"metadata": {"name": "cleaner"}})(site), {"spec": NOWHERE | {"nodeName": None}}),
        child("Secret", {"metadata": {"name": OURS}})(site),
        child("Secret", {"metadata": {"name": LOST}}, labels({MANAGED_BY: None}))(site),
        child("Secret", {"metadata": {"name": LABELLED}}, labels({"team": "x"}), annotations({"a.b/c": "x"}))(site),
        child("PersistentVolumeClaim", {"metadata": {"name": "build-data"}})(site),
        plain("PersistentVolumeClaim", name="web-data")(site),
        plain("Pod", name=MINE)(site),
        plain("Pod", GATES, labels({INJECT: "standard", INJECTION_ID: INJECTION}), name=GATED)(site),
        plain("Pod", GATES, name=UNASKED)(site),
        plain("Pod", GATES, labels({INJECT: "standard"}), annotations({FORM: "Sidecar"}), SIDECAR, name=BESIDE)(site),
        plain("Secret", name=MINE)(site),
        plain("PersistentVolumeClaim", name=MINE)(site),
    )
    return site


async def refusal(api: Api, site: Site, attempt: Attempt) -> str:
    """How an attempt is refused; empty: it is not."""
    asked = attempt.request(site)
    client = site.acting_as(attempt.who, api)
    try:
        await client.request(asked.method, asked.path, query=asked.query, body=asked.body, type_=asked.type_)
    except KubeError as error:
        return error.message
    return ""


def deep_managed_fields(site: Site) -> Manifest:
    """A NestedDocker with more managed fields than any has."""
    fields: Manifest = {}
    for _ in range(45):
        fields = {"f:a": fields}
    entry = {"manager": "m", "operation": "Update", "apiVersion": RESOURCES["NestedDocker"].api_version}
    entry |= {"time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": fields}
    return merged_with(nested_docker(site.name, "deep"), {"metadata": {"managedFields": [entry]}})


async def wait_until_in_force(cluster: Cluster, site: Site, guardrails: Sequence[Manifest]) -> None:
    """Return when every guardrail refuses what it must: they are in force some time after they are made.

    If several guardrails refuse a request, the API server names any one of them, so each probe breaks only one.
    """
    claiming = daemon(
        {"mode": "Sysbox", "storage": {"type": "Claim", "claim": {"size": "1Gi"}}}, {"runtimeClassName": RUNTIME}
    )
    probes = {
        "reserved-labels": RESERVED["a Pod that looks like ours"],
        "children": CHILDREN["a Secret without the label"],
        "nesteddockers": REQUESTS["one of its own"],
        "nesting": Attempt("admin", creates(deep_managed_fields), ("nested 40 levels deep or more",)),
        "pods": PODS["of no NestedDocker"],
        "ephemeral-containers": GUARDED_PODS["a container put beside the guard"],
        "exec": GUARDED_PODS["exec into the guard"],
        "claims": Attempt("operator", creates(of_web(claiming)), ("web-data is not managed by the operator",)),
        "events": EVENTS["about a Secret"],
        "pod-events": EVENTS["about a user's pod"],
        "sidecars": SIDECARS["another image of the daemon"],
        "sidecar-exec": SIDECARS["exec into the daemon"],
    }
    async with Api.connect(cluster.kubeconfig) as api:
        for name in sorted({guardrail["metadata"]["name"] for guardrail in guardrails}):
            probe = probes[name.removeprefix(f"{site.name}-operator-")]

            async def in_force(name: str = name, probe: Attempt = probe) -> bool:
                message = await refusal(api, site, probe)
                assert name in message, message or "it was let through"
                return True

            await wait_for(in_force, 30, f"the guardrail {name} is in force")


async def look(api: Api, site: Site, attempt: Attempt) -> None:
    """The attempt is refused with its words, or let through."""
    message = await refusal(api, site, attempt)
    missing = [word for word in attempt.words if word not in message]
    assert not missing, f"{missing} not in: {message or 'it was let through'}"
    assert attempt.words or not message, message
