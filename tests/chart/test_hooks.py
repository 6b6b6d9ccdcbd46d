"""What helm runs beside the release: the check before an uninstall, and `helm test`."""

from __future__ import annotations

import pytest
import yaml
from tests.chart.conftest import CI, SYSTEM, Helm, Manifest
from tests.chart.rendered import of_kind
from tests.chart.waiting import ready, until
from tests.support.cluster import Cluster, CommandFailed
from tests.support.manifests import nested_docker, nested_docker_class, policy

QUICK = ("replicas=1", "crds.keep=false")


def check(offline: Helm, *values: str) -> Manifest:
    (job,) = of_kind(offline.render(*values, hooks=True), "Job")
    return job


def arguments(job: Manifest) -> list[str]:
    (container,) = job["spec"]["template"]["spec"]["containers"]
    given: list[str] = container["args"]
    return given


def test_the_check_asks_where_the_operator_serves_and_ends(offline: Helm) -> None:
    job = check(offline)
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-delete"
    assert arguments(job) == ["uninstall-check", "--wait-seconds=0"]
    assert (job["spec"]["backoffLimit"], job["spec"]["activeDeadlineSeconds"]) == (0, 120)
    assert job["spec"]["template"]["spec"]["activeDeadlineSeconds"] == 90, "before the Job's, which deletes its log"
    changed = check(
        offline,
        *("uninstall.waitSeconds=600", "uninstall.deadlineSeconds=30", "uninstall.force=true"),
        "watchNamespaces={a,b}",
    )
    assert arguments(changed) == ["uninstall-check", "--wait-seconds=600", "--force", "--namespace=a", "--namespace=b"]
    assert changed["spec"]["activeDeadlineSeconds"] == 660
    assert changed["spec"]["template"]["spec"]["activeDeadlineSeconds"] == 630


def test_the_check_can_be_left_out(offline: Helm) -> None:
    assert of_kind(offline.render("uninstall.check=false", hooks=True), "Job") == []


def test_hooks_bring_no_rights_and_no_service_selects_their_pods(offline: Helm) -> None:
    hooks = offline.render("watchNamespaces={a}", hooks=True)
    assert {each["kind"] for each in hooks} == {"Job", "Pod"}
    labels = [each["spec"].get("template", each)["metadata"]["labels"] for each in hooks]
    selectors = [each["spec"]["selector"] for each in of_kind(offline.render(), "Service")]
    assert selectors
    assert not [each for each in labels for selector in selectors if selector.items() <= each.items()]


@pytest.mark.parametrize(
    ("values", "missing"),
    [(("webhook.enabled=false",), "--webhook"), (("metrics.service=false",), "--metrics")],
)
def test_the_test_reaches_only_what_there_is(offline: Helm, values: tuple[str, ...], missing: str) -> None:
    (pod,) = of_kind(offline.render(*values, hooks=True), "Pod")
    (container,) = pod["spec"]["containers"]
    assert not [each for each in container["args"] if each.startswith(missing)]
    assert ("volumes" in pod["spec"]) == (missing != "--webhook")


def test_the_api_server_takes_the_hooks(cluster: Cluster, helm: Helm, system: str) -> None:
    hooks = helm.render(hooks=True)
    text = yaml.safe_dump_all(hooks)
    assert (
        len(cluster.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text).splitlines()) == 2
    )
    assert system == SYSTEM, "its Pod Security level is restricted"


def test_an_uninstall_stops_before_anything_is_deleted_and_says_what_runs(
    cluster: Cluster, helm: Helm, system: str
) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": CI}}
    cluster.apply(namespace)
    helm.install(*QUICK)
    tested = helm("test", "nested-docker", "--namespace", system, "--timeout=120s")
    assert "Phase:          Succeeded" in tested
    cluster.apply(
        nested_docker_class("standard", modes=["Dind"]),
        policy("all", namespaceSelector={}, allowedClasses=["standard"], allowedModes=["Dind"]),
    )
    cluster.apply(nested_docker(CI, "build", className="standard", mode="Dind"))
    until(lambda: ready(cluster, CI, "build").get("status"), "True", 120)
    with pytest.raises(CommandFailed) as stopped:
        helm.uninstall(check=True)
    assert "a finalizer or a scheduling gate: 1" in str(stopped.value)
    assert f"{CI}/build: pod {CI}/build-" in str(stopped.value)
    assert "kubectl delete nesteddockers" in str(stopped.value)
    assert (
        cluster.kubectl("-n", system, "get", "deployments", "-o", "name") == "deployment.apps/nested-docker-operator\n"
    )
    assert ready(cluster, CI, "build")["status"] == "True"
    helm("rollback", "nested-docker", "1", "--namespace", system, "--wait", "--timeout=120s")
    helm.install(*QUICK, "uninstall.waitSeconds=60")
    cluster.kubectl("-n", CI, "delete", "nesteddocker", "build", "--wait=false")
    helm.uninstall(check=True)
    assert cluster.kubectl("-n", system, "get", "deployments,jobs", "-o", "name") == ""
    cluster.kubectl("delete", "namespace", CI, "--timeout=90s")


def test_a_check_whose_image_is_missing_ends_and_can_be_left_out(cluster: Cluster, helm: Helm, system: str) -> None:
    helm.install(*QUICK, "image.tag=missing", wait=False)
    with pytest.raises(CommandFailed, match=r"(?s)uninstall|timed out|deadline"):
        helm("uninstall", "nested-docker", "--namespace", system, "--wait", "--timeout=15s")
    helm.uninstall()
    assert cluster.kubectl("-n", system, "get", "deployments", "-o", "name") == ""
    cluster.kubectl("-n", system, "delete", "job", "--all")
