"""Releases from beginning to end: what stays after an uninstall, and an install for some namespaces only."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from tests.chart.conftest import CI, OPERATOR, OTHER, SYSTEM, Helm, Right, granted
from tests.chart.rights import ALWAYS, NAMESPACED, NEVER, USER
from tests.chart.waiting import ready, until
from tests.support.cluster import Cluster
from tests.support.manifests import nested_docker, nested_docker_class, policy

KINDS = (
    "customresourcedefinitions,clusterroles,clusterrolebindings,roles,rolebindings,serviceaccounts,deployments,"
    "services,networkpolicies,poddisruptionbudgets,secrets,configmaps,leases,pods,validatingwebhookconfigurations,"
    "mutatingwebhookconfigurations,validatingadmissionpolicies,validatingadmissionpolicybindings"
)


@pytest.fixture(scope="module", autouse=True)
def namespaces(cluster: Cluster, system: str) -> Iterator[None]:
    """Namespaces of users."""
    for name in (CI, OTHER):
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"ci": "true"}}})
    yield
    cluster.kubectl("delete", "namespace", CI, OTHER, "--timeout=90s")


def everything(cluster: Cluster) -> set[str]:
    """What there is of the kinds that a release could leave behind, Kubernetes' own namespaces apart."""
    listed = json.loads(cluster.kubectl("get", KINDS, "--all-namespaces", "-o", "json"))
    every_namespace_s = {"default", "kube-root-ca.crt"}
    return {
        f"{item['kind']} {item['metadata'].get('namespace', '')}/{item['metadata']['name']}"
        for item in listed["items"]
        if item["metadata"]["name"] not in every_namespace_s
        and not item["metadata"].get("namespace", "").startswith("kube-")
    }


def children(cluster: Cluster, namespace: str) -> str:
    """What NestedDockers of a namespace consist of."""
    label = "--selector=app.kubernetes.io/managed-by=nested-docker-operator"
    return cluster.kubectl(
        "-n", namespace, "get", "pods,services,secrets,networkpolicies,poddisruptionbudgets", label, "-o", "name"
    )


def grant_everything(cluster: Cluster) -> None:
    """A class and a policy that allow Dind everywhere."""
    cluster.apply(
        nested_docker_class("standard", modes=["Dind"]),
        policy("all", namespaceSelector={}, allowedClasses=["standard"], allowedModes=["Dind"]),
    )


def test_an_uninstall_that_gives_the_crds_up_leaves_lease_and_root_key_alone(cluster: Cluster, helm: Helm) -> None:
    cluster.kubectl("-n", SYSTEM, "delete", f"lease/{OPERATOR}", f"secret/{OPERATOR}-root-key", "--ignore-not-found")
    before = everything(cluster)
    helm.install("crds.keep=false")
    grant_everything(cluster)
    cluster.apply(nested_docker(CI, "build", className="standard", mode="Dind"))
    until(lambda: ready(cluster, CI, "build").get("status"), "True", 120)
    cluster.kubectl("delete", "nesteddockers", "--all", "--all-namespaces", "--timeout=60s")
    until(lambda: children(cluster, CI), "", 90)
    helm.uninstall()
    kept = {f"Lease {SYSTEM}/{OPERATOR}", f"Secret {SYSTEM}/{OPERATOR}-root-key"}
    until(lambda: everything(cluster) - before, kept, 90)


def test_an_uninstall_keeps_crds_and_daemons_and_an_install_takes_them_over(cluster: Cluster, helm: Helm) -> None:
    helm.install()
    grant_everything(cluster)
    cluster.apply(nested_docker(CI, "build", className="standard", mode="Dind"))
    until(lambda: ready(cluster, CI, "build").get("status"), "True", 120)
    uid = ("-n", CI, "get", "pods", "--selector=nesteddocker.dev/name=build", "-o=jsonpath={.items[*].metadata.uid}")
    pod = cluster.kubectl(*uid)
    helm.uninstall()
    assert cluster.kubectl(*uid) == pod
    helm.install()
    cluster.apply(nested_docker(CI, "next", className="standard", mode="Dind"))
    until(lambda: ready(cluster, CI, "next").get("status"), "True", 120)
    assert cluster.kubectl(*uid) == pod
    cluster.kubectl("delete", "nesteddockers", "--all", "--all-namespaces", "--timeout=60s")
    helm.uninstall()


def test_an_install_for_some_namespaces_serves_them_and_sees_no_secret_elsewhere(cluster: Cluster, helm: Helm) -> None:
    helm.install(f"watchNamespaces={{{CI}}}", "crds.keep=false")
    grant_everything(cluster)
    for namespace in (CI, OTHER):
        cluster.apply(nested_docker(namespace, "build", className="standard", mode="Dind"))
    until(lambda: ready(cluster, CI, "build").get("status"), "True", 120)
    assert ready(cluster, OTHER, "build") == {}
    needed = [*NAMESPACED, *ALWAYS]
    assert granted(cluster, USER, needed) == set(needed)
    elsewhere = [Right(right.verb, right.resource, OTHER) for right in NAMESPACED]
    assert granted(cluster, USER, [*elsewhere, *NEVER]) == set()
    logs = cluster.kubectl("-n", SYSTEM, "logs", f"deployment/{OPERATOR}", "--all-pods=true", "--tail=-1")
    assert "orbidden" not in logs, logs
    helm.uninstall()
