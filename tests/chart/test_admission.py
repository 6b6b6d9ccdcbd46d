"""Webhook and guardrails of an installed release: who is refused what, and what an upgrade leaves as it is."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest
import yaml
from tests.chart.conftest import CI, OPERATOR, RELEASE, SYSTEM, Helm
from tests.chart.rights import USER
from tests.chart.waiting import ready, until
from tests.support.cluster import Cluster, CommandFailed
from tests.support.manifests import nested_docker, nested_docker_class, policy

GONE, AWAY = "chart-gone", "chart-away"
WEBHOOK = f"{OPERATOR}-webhook"
JANE = ("--as=jane", "--as-group=system:authenticated")
THE_OPERATOR = f"--as=system:serviceaccount:{USER}"
WEBHOOK_CALLED = 'admission webhook "nesteddockers.nesteddocker.dev" denied the request: '


@pytest.fixture(scope="module", autouse=True)
def release(cluster: Cluster, helm: Helm, system: str) -> Iterator[None]:
    """The release, a class and a policy for one namespace, and Jane, who may edit there."""
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": CI, "labels": {"ci": "true"}}})
    helm.install()
    cluster.apply(
        nested_docker_class("standard", modes=["Dind"]),
        policy(
            "ci",
            namespaceSelector={"matchLabels": {"ci": "true"}},
            allowedClasses=["standard", "on-the-node", "away"],
            allowedModes=["Dind"],
        ),
    )
    cluster.kubectl("-n", CI, "create", "rolebinding", "jane", "--clusterrole=edit", "--user=jane")
    yield
    cluster.kubectl("delete", "nesteddockers", "--all", "--all-namespaces", "--timeout=60s")
    cluster.kubectl("delete", "nesteddockerclasses,nesteddockerpolicies", "--all", "--timeout=60s")
    cluster.kubectl("delete", "namespace", CI, GONE, AWAY, "--ignore-not-found", "--timeout=90s")


def refusal(command: Callable[..., str], *arguments: str) -> str:
    """The words with which a command is refused; empty: it is not."""
    try:
        command(*arguments)
    except CommandFailed as refused:
        return str(refused)
    return ""


def ask(cluster: Cluster, *who: str) -> str:
    """Ask for a daemon without getting one; what is said."""
    manifest = nested_docker(CI, "build", className="standard", mode="Dind")
    return cluster.kubectl(*who, "create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(manifest))


def certificate(cluster: Cluster) -> dict[str, str]:
    """Data of the Secret that helm has made."""
    return dict(json.loads(cluster.kubectl("-n", SYSTEM, "get", "secret", WEBHOOK, "-o=jsonpath={.data}")))


def authority(cluster: Cluster) -> str:
    """The CA with which the API server verifies the webhook."""
    path = "-o=jsonpath={.webhooks[0].clientConfig.caBundle}"
    return cluster.kubectl("get", "validatingwebhookconfiguration", OPERATOR, path)


def pods(cluster: Cluster) -> set[str]:
    """The operator's pods, by uid."""
    uids = "-o=jsonpath={.items[*].metadata.uid}"
    return set(cluster.kubectl("-n", SYSTEM, "get", "pods", "-l", "app.kubernetes.io/name=nested-docker", uids).split())


def test_who_may_not_use_a_class_is_refused_and_by_a_role_is_not(cluster: Cluster) -> None:
    asking = partial(ask, cluster, *JANE)
    missing = (
        "NotPermitted: spec.className: jane may not use nesteddockerclasses.nesteddocker.dev standard in namespace"
    )
    assert f"{WEBHOOK_CALLED}{missing} {CI}" in refusal(asking)
    cluster.kubectl("-n", CI, "create", "rolebinding", "use", f"--clusterrole={RELEASE}-use-all-classes", "--user=jane")
    until(lambda: refusal(asking), "")


def test_an_upgrade_keeps_the_certificate_and_restarts_no_pod(cluster: Cluster, helm: Helm) -> None:
    before = certificate(cluster), authority(cluster), pods(cluster)
    helm.install()
    helm.install("podDisruptionBudget.enabled=false")
    assert (certificate(cluster), authority(cluster), pods(cluster)) == before
    assert authority(cluster) == certificate(cluster)["ca.crt"]


def test_a_new_certificate_reaches_pods_and_api_server(cluster: Cluster, helm: Helm) -> None:
    before, running = certificate(cluster), pods(cluster)
    cluster.kubectl("-n", SYSTEM, "delete", "secret", WEBHOOK)
    helm.install()
    assert certificate(cluster)["tls.crt"] != before["tls.crt"]
    assert authority(cluster) == certificate(cluster)["ca.crt"] != before["ca.crt"]
    assert b"BEGIN CERTIFICATE" in base64.b64decode(authority(cluster))
    until(lambda: running & pods(cluster), set(), 60)
    assert "created" in ask(cluster)


def test_a_roll_out_refuses_nobody(cluster: Cluster, helm: Helm) -> None:
    message: list[str] = []
    done = threading.Event()

    def keep_asking() -> None:
        while not done.is_set():
            message.append(refusal(ask, cluster))

    asking = threading.Thread(target=keep_asking)
    asking.start()
    try:
        running = pods(cluster)
        helm.install("podAnnotations.rolled=once")
        until(lambda: running & pods(cluster), set(), 60)
    finally:
        done.set()
        asking.join()
    assert len(message) > 10
    assert set(message) == {""}


@pytest.fixture
def stopped(cluster: Cluster, helm: Helm) -> Iterator[None]:
    """A daemon in either namespace, and no operator for a while."""
    for namespace in (CI, GONE):
        labels = {"ci": "true"}
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}})
        cluster.apply(nested_docker(namespace, "kept", className="standard", mode="Dind"))
        until(lambda namespace=namespace: ready(cluster, namespace, "kept").get("status"), "True", 120)
    cluster.kubectl("-n", SYSTEM, "scale", f"deployment/{OPERATOR}", "--replicas=0")
    until(lambda: pods(cluster), set(), 60)
    yield
    cluster.kubectl("-n", SYSTEM, "scale", f"deployment/{OPERATOR}", "--replicas=2")
    cluster.kubectl("-n", SYSTEM, "rollout", "status", f"deployment/{OPERATOR}", "--timeout=60s")
    helm.wait_for_the_webhook()


@pytest.mark.usefixtures("stopped")
def test_without_the_operator_nothing_can_be_asked_for_and_everything_cleaned_up(cluster: Cluster) -> None:
    suspend = ("patch", "nesteddocker", "kept", "--type=merge", '--patch={"spec":{"suspend":true}}')
    assert "failed calling webhook" in refusal(ask, cluster)
    assert "failed calling webhook" in refusal(cluster.kubectl, "-n", CI, *suspend)
    cluster.kubectl("-n", CI, "annotate", "nesteddocker", "kept", "example.com/note=x")
    cluster.kubectl("-n", CI, "delete", "nesteddocker", "kept", "--cascade=foreground", "--timeout=60s")
    cluster.kubectl("delete", "namespace", GONE, "--timeout=90s")


def test_nobody_marks_a_pod_as_a_daemon(cluster: Cluster) -> None:
    run = (*JANE, "-n", CI, "run", "other", "--image=busybox", "--dry-run=server")
    assert refusal(cluster.kubectl, *run) == ""
    message = refusal(cluster.kubectl, *run, "--labels=nesteddocker.dev/role=daemon")
    assert f"reserved: only system:serviceaccount:{USER} may set, change or remove them" in message


def test_the_operator_makes_nothing_but_daemons_and_leaves_its_webhook_alone(cluster: Cluster) -> None:
    acting = partial(refusal, cluster.kubectl, THE_OPERATOR)
    message = acting("-n", CI, "create", "secret", "generic", "other", "--dry-run=server")
    assert "app.kubernetes.io/managed-by of Secret other must be nested-docker-operator" in message
    message = acting("-n", SYSTEM, "delete", "secret", WEBHOOK, "--dry-run=server")
    assert f"Secret {WEBHOOK} is not managed by the operator" in message
    for kind in ("validatingwebhookconfiguration", "mutatingwebhookconfiguration"):
        message = acting("delete", kind, OPERATOR, "--dry-run=server")
        assert f'cannot delete resource "{kind}s"' in message


def test_a_class_beyond_the_guardrails_gives_no_daemon_and_says_why(cluster: Cluster) -> None:
    cluster.apply(nested_docker_class("on-the-node", modes=["Dind"], podTemplate={"spec": {"hostNetwork": True}}))
    cluster.apply(nested_docker(CI, "beyond", className="on-the-node", mode="Dind"))
    until(lambda: ready(cluster, CI, "beyond").get("reason"), "APIRejected")
    assert "spec.hostNetwork: true" in ready(cluster, CI, "beyond")["message"]


@pytest.mark.parametrize("served", [(), (f"watchNamespaces={{{CI}}}",)], ids=["everywhere", "here"])
def test_a_daemon_away_from_who_asked_for_it_is_made_and_removed_inside_the_guardrails(
    cluster: Cluster, helm: Helm, served: tuple[str, ...]
) -> None:
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": AWAY}})
    helm.install(f"podNamespaces={{{AWAY}}}", *served)
    cluster.apply(nested_docker_class("away", modes=["Dind"], podNamespace=AWAY))
    cluster.apply(nested_docker(CI, "away", className="away", mode="Dind"))
    until(lambda: ready(cluster, CI, "away").get("status"), "True", 120)
    assert cluster.kubectl("-n", CI, "get", "pods", "-l", "nesteddocker.dev/name=away", "-o", "name") == ""
    ours = (
        "-n",
        AWAY,
        "get",
        "pods,services,secrets,networkpolicies,poddisruptionbudgets",
        "-l",
        "nesteddocker.dev/role=daemon",
        "-o",
        "name",
    )
    assert cluster.kubectl(*ours).startswith("pod/nd-")
    cluster.kubectl("-n", CI, "delete", "nesteddocker", "away", "--timeout=60s")
    until(lambda: cluster.kubectl(*ours), "", 90)
    cluster.kubectl("delete", "namespace", AWAY, "--timeout=90s")
