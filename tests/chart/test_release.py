"""The chart in a cluster: a fresh install, the operator's rights, examples, upgrade."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.chart.conftest import CHART, CI, OPERATOR, OTHER, SYSTEM, Helm, Right, granted
from tests.chart.rights import ALWAYS, NAMESPACED, NEVER, USER
from tests.chart.waiting import ready, until
from tests.support.cluster import ROOT, Cluster, CommandFailed
from tests.support.manifests import nested_docker, nested_docker_class, policy


@pytest.fixture(scope="module", autouse=True)
def release(cluster: Cluster, helm: Helm, system: str) -> Iterator[None]:
    """The release, and namespaces for its users."""
    for name, labels in ((CI, {"ci": "true"}), (OTHER, {})):
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    helm.install()
    yield
    cluster.kubectl("delete", "namespace", CI, OTHER, "--timeout=90s")


@pytest.fixture
def clean(cluster: Cluster) -> Iterator[None]:
    """Nothing that an admin or a user has made stays."""
    yield
    cluster.kubectl("delete", "nesteddockers", "--all", "--all-namespaces", "--timeout=60s")
    cluster.kubectl("delete", "nesteddockerclasses,nesteddockerpolicies", "--all", "--timeout=60s")


def test_it_runs_where_only_restricted_pods_may(cluster: Cluster) -> None:
    deployment = json.loads(cluster.kubectl("-n", SYSTEM, "get", "deployment", OPERATOR, "-o", "json"))
    assert deployment["status"]["availableReplicas"] == 2
    restarts = cluster.kubectl(
        *("-n", SYSTEM, "get", "pods", "-l", "app.kubernetes.io/name=nested-docker"),
        "-o=jsonpath={.items[*].status.containerStatuses[*].restartCount}",
    )
    assert restarts.split() == ["0", "0"]


@pytest.mark.usefixtures("clean")
def test_a_fresh_install_gives_nobody_a_daemon(cluster: Cluster) -> None:
    assert cluster.kubectl("get", "nesteddockerclasses,nesteddockerpolicies", "-o", "name") == ""
    asked = nested_docker(CI, "build", mode="Dind")
    with pytest.raises(CommandFailed, match="denied the request: ClassNotFound: "):
        cluster.apply(asked)
    cluster.apply(nested_docker_class("standard", modes=["Dind"]))
    cluster.kubectl("annotate", "nesteddockerclass", "standard", "nesteddocker.dev/is-default-class=true")
    with pytest.raises(CommandFailed, match="denied the request: NotGranted: "):
        cluster.apply(asked)
    assert cluster.kubectl("-n", CI, "get", "nesteddockers,pods,services,secrets", "-o", "name") == ""


@pytest.mark.usefixtures("clean")
def test_class_and_policy_of_the_examples_give_a_daemon_where_they_say(cluster: Cluster) -> None:
    for name in ("class", "policy"):
        cluster.kubectl("apply", "-f", str(ROOT / f"examples/{name}.yaml"))
    example = str(ROOT / "examples/nested-docker.yaml")
    cluster.kubectl("-n", CI, "apply", "-f", example)
    until(lambda: ready(cluster, CI, "build").get("status"), "True", 120)
    with pytest.raises(CommandFailed, match="denied the request: NotGranted: "):
        cluster.kubectl("-n", OTHER, "apply", "-f", example)


def test_the_operator_may_do_what_it_does(cluster: Cluster) -> None:
    needed = [*NAMESPACED, *ALWAYS]
    missing = set(needed) - granted(cluster, USER, needed)
    assert not missing, sorted(map(str, missing))


def test_the_operator_may_do_nothing_else_of_note(cluster: Cluster) -> None:
    assert not sorted(map(str, granted(cluster, USER, NEVER)))


@pytest.mark.parametrize(
    ("role", "may", "may_not"),
    [
        ("view", ["list"], ["create", "delete"]),
        ("edit", ["list", "create", "patch", "delete"], []),
        ("admin", ["list", "create", "patch", "delete"], []),
    ],
)
def test_who_may_edit_a_namespace_may_ask_there(
    cluster: Cluster, role: str, may: list[str], may_not: list[str]
) -> None:
    user = f"user-{role}"
    cluster.kubectl("-n", CI, "create", "rolebinding", user, f"--clusterrole={role}", f"--serviceaccount={CI}:{user}")
    rights = [Right(verb, "nesteddockers.nesteddocker.dev", CI) for verb in [*may, *may_not]]
    until(lambda: {right.verb for right in granted(cluster, f"{CI}:{user}", rights)}, set(may))
    elsewhere = [Right("list", "nesteddockers.nesteddocker.dev", OTHER)]
    status = [Right("patch", "nesteddockers/status.nesteddocker.dev", CI)]
    policies = [
        Right("create", "nesteddockerpolicies.nesteddocker.dev"),
        Right("use", "nesteddockerclasses.nesteddocker.dev", CI),
    ]
    assert not granted(cluster, f"{CI}:{user}", [*elsewhere, *status, *policies])


@pytest.mark.parametrize(
    "values",
    [
        (),
        (f"watchNamespaces={{{CI},{OTHER}}}", f"podNamespaces={{{OTHER}}}"),
        ("crds.keep=false", "replicas=1", "webhook.enabled=false"),
        ("guardrails.denyExec=true", "guardrails.images={docker:.*}", f"podNamespaces={{{SYSTEM}}}"),
    ],
)
def test_the_api_server_takes_every_object(cluster: Cluster, helm: Helm, values: tuple[str, ...]) -> None:
    manifests = helm.render(*values)
    message = cluster.kubectl(
        *("apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-"),
        stdin=yaml.safe_dump_all(manifests),
    )
    assert len(message.splitlines()) == len(manifests)


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_is_taken_where_the_example_s_policy_holds(cluster: Cluster, example: Path) -> None:
    for name in ("class", "policy"):
        cluster.kubectl("apply", "-f", str(ROOT / f"examples/{name}.yaml"))
    cluster.kubectl(*("-n", CI, "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", str(example)))


@pytest.mark.parametrize(
    "recipe", sorted((ROOT / "examples/ci").glob("*/shared-daemon.yaml")), ids=lambda path: path.parent.name
)
def test_every_recipe_mounts_what_it_waits_for(recipe: Path) -> None:
    text = recipe.read_text()
    assert list(yaml.safe_load_all(text))
    assert "-docker" in text
    assert "/certs/client" in text


@pytest.mark.usefixtures("clean")
def test_an_upgrade_changes_crds_and_keeps_what_there_is(cluster: Cluster, helm: Helm, tmp_path: Path) -> None:
    cluster.apply(policy("kept", namespaceSelector={}, allowedClasses=["a"], allowedModes=["Dind"]))
    changed = shutil.copytree(CHART, tmp_path / "nested-docker")
    crd = changed / "files/crds/nesteddockerpolicies.nesteddocker.dev.yaml"
    crd.write_text(crd.read_text().replace("    - ndp\n", "    - ndp\n    - grant\n"))
    helm.install(chart=changed)
    until(lambda: "kept" in cluster.kubectl("get", "nesteddockerpolicies", "-o", "name"), wanted=True)
    names = "-o=jsonpath={.spec.names.shortNames}"
    assert cluster.kubectl("get", "crd", "nesteddockerpolicies.nesteddocker.dev", names) == '["ndp","grant"]'
    helm.install()
    assert cluster.kubectl("get", "crd", "nesteddockerpolicies.nesteddocker.dev", names) == '["ndp"]'
