"""What the chart runs beside the operator, where an admin has rules for pods: quotas, ranges, policies, injectors."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from tests.chart.conftest import CHART, RELEASE, SYSTEM, Helm, Manifest, is_hook
from tests.chart.rendered import of_kind
from tests.chart.waiting import until
from tests.support.cluster import ROOT, Cluster, CommandFailed

from nested_docker.domain.manifests.metadata import INJECTORS_ANNOTATIONS, INJECTORS_LABELS

CLEANUP, NODES = f"{SYSTEM}-cleanup", "chart-nodes"
"""Namespaces of node cleanup and node probes, and of the DaemonSet, which the admin has created."""

CHECK = f"{RELEASE}-uninstall-check"
QUICK = ("replicas=1", "crds.keep=false", "uninstall.deadlineSeconds=1")
BY_THE_RULES = (
    *("replicas=1", "crds.keep=false", "podLabels.team=ci", "commonLabels.cost=ci"),
    *("resources.requests.cpu=20m", "resources.limits.cpu=1", "resources.limits.memory=200Mi"),
    *(f"cleanup.namespace={CLEANUP}", "cleanup.createNamespace=false", "cleanup.resources.limits.cpu=100m"),
    *("nodeProbe.enabled=true", "seccompProfiles.install=true", f"seccompProfiles.namespace={NODES}"),
    *("seccompProfiles.resources.limits.cpu=50m", "uninstall.deadlineSeconds=60"),
)
"""Values with which every pod is admitted under `rules`."""


def policy_of_the_admin() -> list[Manifest]:
    """A ValidatingAdmissionPolicy that many clusters have, in one form or another."""
    name = "chart-rules"
    spec = "object.spec.containers.all(each, each.?securityContext.{}.orValue(false))"
    rules = {
        "pods need the label cost": "'cost' in object.metadata.?labels.orValue({})",
        "runAsNonRoot": f"namespaceObject.metadata.name == '{NODES}' || {spec.format('?runAsNonRoot')}",
        "readOnlyRootFilesystem": spec.format("?readOnlyRootFilesystem"),
        "our images only": "object.spec.containers.all(each, each.image.startsWith('nested-docker-operator:'))",
        "pods of our namespace need the label team": (
            f"namespaceObject.metadata.name != '{SYSTEM}' || 'team' in object.metadata.?labels.orValue({{}})"
        ),
    }
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
    where = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": [SYSTEM, CLEANUP, NODES]}
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name}}
    return [
        head
        | {
            "kind": "ValidatingAdmissionPolicy",
            "spec": {
                "matchConstraints": {"resourceRules": [pods], "namespaceSelector": {"matchExpressions": [where]}},
                "validations": [{"expression": rule, "message": message} for message, rule in rules.items()],
            },
        },
        head
        | {
            "kind": "ValidatingAdmissionPolicyBinding",
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        },
    ]


def quota(namespace: str, **hard: str) -> Manifest:
    """A ResourceQuota."""
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "rules", "namespace": namespace},
        "spec": {"hard": hard},
    }


EVERYTHING = {"requests.cpu": "1", "requests.memory": "1Gi", "limits.cpu": "3", "limits.memory": "1Gi", "pods": "9"}
"""A quota for which each container needs requests and limits of both."""


def limit_range(namespace: str) -> Manifest:
    """A LimitRange that admits less than the operator has by default. Its maxima are defaults too."""
    limits = [{"type": "Container", "max": {"cpu": "1", "memory": "256Mi"}, "min": {"cpu": "1m", "memory": "4Mi"}}]
    metadata = {"name": "rules", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata, "spec": {"limits": limits}}


def nothing_gets_through(namespace: str) -> Manifest:
    """A NetworkPolicy that denies what no other one allows."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "rules", "namespace": namespace},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
    }


@pytest.fixture
def cleanup(cluster: Cluster) -> Iterator[str]:
    """The namespace of node cleanup, by the admin's hand."""
    with namespace_for_root(cluster, CLEANUP):
        yield CLEANUP


@contextmanager
def namespace_for_root(cluster: Cluster, name: str) -> Iterator[None]:
    """A namespace that admits hostPath volumes."""
    labels = {"pod-security.kubernetes.io/enforce": "privileged"}
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    cluster.kubectl("-n", name, "wait", "--for=create", "serviceaccount/default", "--timeout=30s")
    yield
    cluster.kubectl("delete", "namespace", name, "--timeout=90s")


@pytest.fixture
def rules(cluster: Cluster, system: str, cleanup: str) -> Iterator[None]:
    """An admin's rules, in each namespace in which the chart or the operator runs something beside daemons."""
    with namespace_for_root(cluster, NODES):
        for namespace in (system, cleanup, NODES):
            cluster.apply(quota(namespace, **EVERYTHING), limit_range(namespace), nothing_gets_through(namespace))
        cluster.apply(*policy_of_the_admin())
        yield
        cluster.kubectl("delete", "validatingadmissionpolicy,validatingadmissionpolicybinding", "chart-rules")
        cluster.kubectl("-n", system, "delete", "resourcequota,limitrange,networkpolicy", "rules")


def probed(cluster: Cluster) -> list[str]:
    """The condition Probed of each node."""
    found = json.loads(cluster.kubectl("get", "nesteddockernodes", "-o", "json"))["items"]
    conditions = [each.get("status", {}).get("conditions", []) for each in found]
    return [f"{one['reason']} {one['message']}" for each in conditions for one in each if one["type"] == "Probed"]


@pytest.mark.usefixtures("rules")
def test_with_values_for_the_rules_every_pod_runs(cluster: Cluster, helm: Helm, system: str) -> None:
    helm.install(*BY_THE_RULES)
    assert "Phase:          Succeeded" in helm("test", RELEASE, "--namespace", system, "--timeout=120s")
    assert cluster.kubectl("-n", NODES, "get", "daemonsets", "-o=jsonpath={.items[*].status.numberReady}") == "1"
    until(lambda: probed(cluster), ["Succeeded "], 60)
    helm.uninstall(check=True)
    assert cluster.kubectl("-n", system, "get", "deployments,jobs", "-o", "name") == ""


def test_the_pod_that_cleans_a_machine_up_by_hand_is_admitted(cluster: Cluster, cleanup: str) -> None:
    pod = pod_of_the_guards_page()
    assert pod["metadata"]["namespace"] == cleanup
    pod["spec"]["nodeName"] = cluster.kubectl("get", "nodes", "-o=jsonpath={.items[0].metadata.name}")
    (container,) = pod["spec"]["containers"]
    cluster.apply(quota(cleanup, **EVERYTHING))
    cluster.kubectl("-n", cleanup, "wait", "resourcequota/rules", "--for=jsonpath={.status.used.pods}=0")
    bare = pod | {"spec": pod["spec"] | {"containers": [container | {"resources": {}}]}}
    with pytest.raises(CommandFailed, match=r"failed quota: rules: must specify limits\.cpu"):
        tried(cluster, bare)
    tried(cluster, pod)
    cluster.apply(limit_range(cleanup))
    tried(cluster, pod)


def pod_of_the_guards_page() -> Manifest:
    """What docs/guard.md says to create."""
    _, head, after = (ROOT / "docs/guard.md").read_text().partition("```yaml\napiVersion: v1\nkind: Pod\n")
    pod: Manifest = yaml.safe_load(head.removeprefix("```yaml\n") + after.partition("```")[0])
    return pod


def tried(cluster: Cluster, manifest: Manifest) -> None:
    """Have the API server judge an object that is not stored."""
    cluster.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=yaml.safe_dump(manifest))


def test_a_check_that_is_not_admitted_ends_and_its_events_name_the_cause(
    cluster: Cluster, helm: Helm, system: str
) -> None:
    helm.install(*QUICK)
    cluster.apply(quota(system, pods="1"))
    cluster.kubectl("-n", system, "wait", "resourcequota/rules", "--for=jsonpath={.status.used.pods}=1")
    refusal = 'pods "{}" is forbidden: exceeded quota: rules, requested: pods=1, used: pods=1, limited: pods=1'
    with pytest.raises(CommandFailed) as tested:
        helm("test", RELEASE, "--namespace", system)
    assert refusal.format(f"{RELEASE}-test") in str(tested.value)
    with pytest.raises(CommandFailed, match=f"job {CHECK} failed: DeadlineExceeded"):
        helm.uninstall(check=True)
    warnings = cluster.kubectl("-n", system, "get", "events", "--field-selector", "type=Warning")
    cause = refusal.format(f"{CHECK}-").partition('" is')[2]
    assert [line for line in warnings.splitlines() if f"job/{CHECK}" in line and cause in line], warnings
    assert cluster.kubectl("-n", system, "get", "deployments", "-o", "name") != "", "nothing has been deleted"
    helm.uninstall()
    assert cluster.kubectl("-n", system, "get", "deployments", "-o", "name") == ""
    cluster.kubectl("-n", system, "delete", f"job/{CHECK}", "resourcequota/rules")


def test_a_check_beside_a_container_that_goes_on_ends_and_its_log_names_the_cause(
    cluster: Cluster, helm: Helm, system: str, tmp_path: Path
) -> None:
    """As a webhook would add it."""
    changed = shutil.copytree(CHART, tmp_path / "nested-docker")
    hook = changed / "templates/uninstall.yaml"
    sidecar = (
        "        - {name: sidecar, image: 'busybox:1.37', command: [sleep, '600'], securityContext: "
        "{runAsNonRoot: true, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}\n"
    )
    hook.write_text(hook.read_text().replace("      containers:\n", f"      containers:\n{sidecar}"))
    helm.install("replicas=1", "crds.keep=false", "uninstall.deadlineSeconds=10", chart=changed)
    with pytest.raises(CommandFailed, match=f"job {CHECK} failed: BackoffLimitExceeded") as stopped:
        helm.uninstall(check=True)
    assert "no NestedDocker and no pod has a daemon" in str(stopped.value)
    assert "a container that a webhook has added to its pod did not end" in str(stopped.value)
    helm.uninstall()
    cluster.kubectl("-n", system, "delete", f"job/{CHECK}")


SECCOMP = "seccompProfiles.install=true"


def pods_beside_the_operator(offline: Helm, *values: str) -> dict[str, Manifest]:
    """The metadata and spec of each pod that the chart makes beside the operator's, by the name of its object."""
    found = [
        *offline.render(*values, hooks=True),
        *of_kind(offline.render(SECCOMP, *values), "DaemonSet"),
    ]
    return {each["metadata"]["name"]: each["spec"].get("template", each) for each in found}


def test_hooks_are_placed_and_sized_as_the_operator(offline: Helm) -> None:
    values = (
        *("nodeSelector.disk=ssd", "tolerations[0].operator=Exists", "priorityClassName=high"),
        *("imagePullSecrets[0].name=pull", "resources.limits.cpu=1", f"image.digest=sha256:{'a' * 64}"),
        "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchFields=null",
        "affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey=node",
    )
    (operator,) = of_kind(offline.render(*values), "Deployment")
    wanted = operator["spec"]["template"]["spec"]
    hooks = [each["spec"].get("template", each)["spec"] for each in offline.render(*values, hooks=True)]
    assert len(hooks) == 2
    for spec in hooks:
        for key in ("nodeSelector", "tolerations", "priorityClassName", "imagePullSecrets", "securityContext"):
            assert spec[key] == wanted[key], key
        assert spec["affinity"] == {"nodeAffinity": wanted["affinity"]["nodeAffinity"]}
        assert spec["activeDeadlineSeconds"] > 0
        for key in ("resources", "securityContext", "image", "imagePullPolicy"):
            assert spec["containers"][0][key] == wanted["containers"][0][key], key
    assert wanted["containers"][0]["image"].endswith(f":0.1.0@sha256:{'a' * 64}")


def test_hooks_can_have_resources_of_their_own(offline: Helm) -> None:
    given = "hooks.resources.requests.cpu=1m"
    for hook in offline.render(given, hooks=True):
        (container,) = hook["spec"].get("template", hook)["spec"]["containers"]
        assert container["resources"] == {"requests": {"cpu": "1m"}}


def test_pods_beside_the_operator_have_its_labels_and_no_sidecar(offline: Helm) -> None:
    labels = ("commonLabels.cost=ci", "podLabels.team=ci", r"podLabels.sidecar\.istio\.io/inject=enabled")
    pods = pods_beside_the_operator(offline, *labels, r"podAnnotations.linkerd\.io/inject=enabled")
    assert len(pods) == 3
    for name, pod in pods.items():
        metadata = pod["metadata"]
        assert metadata["labels"].items() >= {"cost": "ci", "team": "ci", **INJECTORS_LABELS}.items(), name
        assert metadata["annotations"].items() >= INJECTORS_ANNOTATIONS.items(), name
        assert metadata["labels"]["app.kubernetes.io/name"].startswith("nested-docker-"), name


def test_hooks_can_be_taken_out_of_any_injector_or_put_into_one(offline: Helm) -> None:
    given = (r"hooks.podLabels.sidecar\.istio\.io/inject=enabled", r"hooks.podAnnotations.example\.com/inject=no")
    for hook in offline.render(*given, r"hooks.podLabels.app\.kubernetes\.io/name=nested-docker", hooks=True):
        metadata = hook["spec"].get("template", hook)["metadata"]
        assert metadata["labels"]["sidecar.istio.io/inject"] == "enabled"
        assert metadata["labels"]["app.kubernetes.io/name"] != "nested-docker"
        assert metadata["annotations"]["example.com/inject"] == "no"
        assert is_hook(hook)


def test_a_network_policy_lets_hooks_reach_what_they_ask(offline: Helm) -> None:
    manifests = offline.render("networkPolicy.apiServerPorts={8443}")
    (policy,) = (each for each in of_kind(manifests, "NetworkPolicy") if each["metadata"]["name"].endswith("-hooks"))
    (expression,) = policy["spec"]["podSelector"]["matchExpressions"]
    hooks = [each["spec"].get("template", each)["metadata"]["labels"] for each in offline.render(hooks=True)]
    assert {each["app.kubernetes.io/name"] for each in hooks} == set(expression["values"])
    assert all(policy["spec"]["podSelector"]["matchLabels"].items() <= each.items() for each in hooks)
    anywhere, operator = policy["spec"]["egress"]
    assert "to" not in anywhere
    assert {(each["port"], each["protocol"]) for each in anywhere["ports"]} == {(53, "UDP"), (53, "TCP"), (8443, "TCP")}
    (deployment,) = of_kind(manifests, "Deployment")
    pod = deployment["spec"]["template"]
    assert operator["to"][0]["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    ports = {each["containerPort"] for each in pod["spec"]["containers"][0]["ports"]}
    assert {each["port"] for each in operator["ports"]} == ports


@pytest.mark.parametrize(
    ("values", "ports"),
    [
        (("webhook.enabled=false",), [{8080}]),
        (("metrics.service=false",), [{9443}]),
        (("webhook.enabled=false", "metrics.service=false"), []),
    ],
)
def test_hooks_reach_only_what_there_is(offline: Helm, values: tuple[str, ...], ports: list[set[int]]) -> None:
    policies = of_kind(offline.render(*values), "NetworkPolicy")
    (policy,) = (each for each in policies if each["metadata"]["name"].endswith("-hooks"))
    _anywhere, *operator = policy["spec"]["egress"]
    assert [{each["port"] for each in rule["ports"]} for rule in operator] == ports
