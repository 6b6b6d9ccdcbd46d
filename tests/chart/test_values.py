"""The chart without a cluster: lint, values, and what they render to."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest
import yaml
from tests.chart.conftest import CHART, OPERATOR, SYSTEM, Helm
from tests.chart.rendered import environment, of_kind
from tests.support.cluster import CommandFailed

import nested_docker
from nested_docker.domain.modes.pod_user_namespace import SECCOMP_PROFILE
from nested_docker.settings import Settings

SECRETS = {"resources": ["pods", "services", "secrets"]}
CLEANUP = f"{SYSTEM}-cleanup"
"""Where nodes are cleaned up from, unless a value says otherwise."""

WITHOUT_SOCKETS = "guardrails.hostSocketPaths=null"


def paths(values: dict[str, Any], prefix: str = "") -> set[str]:
    """Paths of all leaves; an empty mapping is one."""
    found: set[str] = set()
    for key, value in values.items():
        path = f"{prefix}{key}"
        found |= paths(value, f"{path}.") if isinstance(value, dict) and value else {path}
    return found


def test_lint(offline: Helm) -> None:
    assert "0 chart(s) failed" in offline("lint", "--strict", "--kube-version=1.34.0", str(CHART))


def test_the_chart_is_of_the_package_s_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == chart["version"] == nested_docker.__version__


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("replicas=0", r"at '/replicas': minimum: got 0, want 1"),
        ("replicaCount=3", r"additional properties 'replicaCount' not allowed"),
        ("image.tag=a:b", r"at '/image/tag': 'a:b' does not match"),
        ("image.pullPolicy=Sometimes", r"at '/image/pullPolicy': value must be one of 'Always', 'IfNotPresent'"),
        ("watchNamespaces=ci", r"at '/watchNamespaces': got string, want array"),
        ("watchNamespaces={Team}", r"at '/watchNamespaces/0': 'Team' does not match"),
        ("workers=1000", r"at '/workers': maximum: got 1,?000, want 64"),
        ("logLevel=loud", r"at '/logLevel': value must be one of 'DEBUG'"),
        ("crds.kepp=true", r"at '/crds': additional properties 'kepp' not allowed"),
        ("resources.cpu=1", r"at '/resources': additional properties 'cpu' not allowed"),
        ("idleWatch.resources.cpu=1", r"at '/idleWatch/resources': additional properties 'cpu' not allowed"),
        ("cleanup.resources.limits.cpu=one", r"at '/cleanup/resources/limits/cpu': 'one' does not match"),
        ("metrics.service=false,serviceMonitor.enabled=true", r"at '/metrics/service': value must be true"),
        (
            "prometheusRule.enabled=true,serviceMonitor.enabled=false",
            r"at '/serviceMonitor/enabled': value must be true",
        ),
        (
            "serviceMonitor.enabled=true,podMonitor.enabled=true",
            r"at '/podMonitor/enabled': value must be false",
        ),
        ("prometheusRule.hazards={a|b}", r"at '/prometheusRule/hazards/0': 'a|b' does not match"),
        ("uninstall.waitSeconds=-1", r"at '/uninstall/waitSeconds': minimum: got -1, want 0"),
        ("networkPolicy.apiServerPorts={0}", r"at '/networkPolicy/apiServerPorts/0': minimum"),
        ("podNamespaces={Pods}", r"at '/podNamespaces/0': 'Pods' does not match"),
        ("cleanup.namespace=Cleanup", r"at '/cleanup/namespace': 'Cleanup' does not match"),
        ("cleanup.create=false", r"at '/cleanup': additional properties 'create' not allowed"),
        ("enforcement=Deny", r"at '/enforcement': value must be one of 'Enforce', 'Warn', 'Audit'"),
        ("webhook.port=1", r"at '/webhook': additional properties 'port' not allowed"),
        ("webhook.certificate.caBundle=ca.crt", r"at '/webhook/certificate/caBundle': 'ca.crt' does not match"),
        ("webhook.certificate.existingSecret=a", r"at '/webhook/certificate/caBundle': minLength: got 0, want 1"),
        ("guardrails.volumeTypes={hostPath}", r"at '/guardrails/volumeTypes/0': value must be one of 'configMap'"),
        (
            "guardrails.hostSocketPaths={/run/../docker.sock}",
            r"at '/guardrails/hostSocketPaths/0': '/run/../docker.sock' does",
        ),
        ("guardrails.serviceAccountNames={a b}", r"at '/guardrails/serviceAccountNames/0': 'a b' does not match"),
        ("guardrails.images={docker:(28}", r"guardrails.images: docker:\(28 is not an RE2 expression: fix it"),
        ("guardrails.images={a)|(b}", r"guardrails.images: a\)\|\(b is not an RE2 expression"),
        ("guardrails.metadataKeys={a)|(b}", r"guardrails.metadataKeys: a\)\|\(b is not an RE2 expression"),
        ("guardrails.cleanupImages={a)|(b}", r"guardrails.cleanupImages: a\)\|\(b is not an RE2 expression"),
        (r"commonLabels.app\.kubernetes\.io/name=x", "invalid propertyName 'app.kubernetes.io/name'"),
        ("commonLabels.team=a b", r"at '/commonLabels/team': 'a b' does not match"),
        ("guardrails.metadataKeys={a b}", r"at '/guardrails/metadataKeys/0': 'a b' does not match"),
    ],
)
def test_a_bad_value_is_refused_with_its_path(offline: Helm, value: str, complaint: str) -> None:
    with pytest.raises(CommandFailed, match=re.compile(complaint)):
        offline.render(value)


def test_every_value_is_in_the_schema_and_in_the_readme() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert set(values) == set(schema["properties"]) - {"global"}
    rows = set(re.findall(r"^\| `([\w.]+)` \|", (CHART / "README.md").read_text(), re.MULTILINE))
    shown = {re.sub(r"\b(resources|labels)\..*", r"\1", path) for path in paths(values)}
    assert shown == rows


def test_the_environment_is_what_the_settings_read(offline: Helm, monkeypatch: pytest.MonkeyPatch) -> None:
    known = {f"NESTED_DOCKER_{field.upper()}" for field in Settings.model_fields}
    given = environment(
        offline.render(
            "watchNamespaces={a,b}",
            "image.repository=example.test/op",
            "image.tag=v1",
            "workers=3",
            "idleWatch.resources.limits.cpu=1",
            "cleanup.resources.requests.memory=64Mi",
        )
    )
    assert set(given) <= known
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.namespaces == ("a", "b", CLEANUP)
    assert settings.cleanup_namespace == CLEANUP
    assert settings.operator_image == "example.test/op:v1"
    assert settings.workers == 3
    assert settings.idle_watch_resources.limits == {"cpu": "1", "memory": "128Mi"}
    assert settings.cleanup_resources.requests == {"cpu": "10m", "memory": "64Mi"}


def test_defaults_agree_with_the_settings(offline: Helm, monkeypatch: pytest.MonkeyPatch) -> None:
    given = environment(offline.render())
    default = Settings()
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    ours = {"operator_image", "operator_namespace", "cleanup_namespace", "webhook_port", "webhook_certificates"}
    assert Settings().model_dump(exclude=ours) == default.model_dump(exclude=ours)


def test_no_object_twice_and_every_object_labelled(offline: Helm) -> None:
    manifests = offline.render("watchNamespaces={a,b}", "serviceMonitor.enabled=true", "guardrails.denyExec=true")
    identities = Counter(
        (manifest["kind"], manifest["metadata"].get("namespace"), manifest["metadata"]["name"])
        for manifest in manifests
    )
    assert set(identities.values()) == {1}
    assert {manifest["metadata"]["labels"]["app.kubernetes.io/name"] for manifest in manifests} == {"nested-docker"}


def test_common_labels_are_on_every_object_and_on_the_pods(offline: Helm) -> None:
    manifests = offline.render(
        "commonLabels.team=ci", "podLabels.team=mine", "watchNamespaces={a,b}", "serviceMonitor.enabled=true"
    )
    without = [
        f"{manifest['kind']} {manifest['metadata']['name']}"
        for manifest in manifests
        if manifest["metadata"]["labels"].get("team") != "ci" and manifest["kind"] != "CustomResourceDefinition"
    ]
    assert without == []
    (deployment,) = [manifest for manifest in manifests if manifest["kind"] == "Deployment"]
    assert deployment["spec"]["template"]["metadata"]["labels"]["team"] == "mine"
    assert deployment["spec"]["selector"]["matchLabels"].keys() == {
        "app.kubernetes.io/name",
        "app.kubernetes.io/instance",
    }


def test_labels_of_the_pods_do_not_replace_those_that_select_them(offline: Helm) -> None:
    (deployment,) = [
        manifest
        for manifest in offline.render(r"podLabels.app\.kubernetes\.io/name=other")
        if manifest["kind"] == "Deployment"
    ]
    assert deployment["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"] == "nested-docker"


@pytest.mark.parametrize(
    ("repository", "allowed"),
    [
        ("operator", r"(docker\.io/(library/)?)?operator:1\.0"),
        ("ci/operator", r"(docker\.io/)?ci/operator:1\.0"),
        ("registry.example/operator", r"registry\.example/operator:1\.0"),
        ("registry:5000/operator", r"registry:5000/operator:1\.0"),
        ("localhost/operator", r"localhost/operator:1\.0"),
    ],
)
def test_nodes_are_cleaned_up_by_the_operator_s_image_however_it_is_written(
    offline: Helm, repository: str, allowed: str
) -> None:
    manifests = offline.render(f"image.repository={repository}", "image.tag=1.0")
    (policy,) = [
        manifest
        for manifest in manifests
        if manifest["kind"] == "ValidatingAdmissionPolicy" and manifest["metadata"]["name"].endswith("-pods")
    ]
    (images,) = [each for each in policy["spec"]["variables"] if each["name"] == "cleanupImages"]
    assert json.loads(images["expression"]) == [f"^(?:{allowed})$"]


def test_neither_class_nor_policy_comes_with_it(offline: Helm) -> None:
    kinds = {manifest["kind"] for manifest in offline.render()}
    assert not kinds & {"NestedDocker", "NestedDockerClass", "NestedDockerPolicy"}


def test_crds_are_the_generated_ones_and_kept(offline: Helm) -> None:
    for manifest in of_kind(offline.render(), "CustomResourceDefinition"):
        source = yaml.safe_load((CHART / f"files/crds/{manifest['metadata']['name']}.yaml").read_text())
        assert manifest["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
        assert manifest == source
    assert len(of_kind(offline.render(), "CustomResourceDefinition")) == len(list(CHART.glob("files/crds/*.yaml")))


def test_crds_can_be_given_up_or_left_out(offline: Helm) -> None:
    given_up = of_kind(offline.render("crds.keep=false"), "CustomResourceDefinition")
    assert given_up
    assert not any("annotations" in manifest["metadata"] for manifest in given_up)
    assert of_kind(offline.render("crds.install=false"), "CustomResourceDefinition") == []


def test_the_whole_cluster_by_a_cluster_role(offline: Helm) -> None:
    manifests = offline.render()
    (role,) = (each for each in of_kind(manifests, "ClusterRole") if each["metadata"]["name"] == OPERATOR)
    assert any(rule.items() >= SECRETS.items() for rule in role["rules"])
    assert {each["metadata"]["namespace"] for each in of_kind(manifests, "Role")} == {SYSTEM}


def test_named_namespaces_by_roles_there_only(offline: Helm) -> None:
    manifests = offline.render("watchNamespaces={a,b}")
    (role,) = (each for each in of_kind(manifests, "ClusterRole") if each["metadata"]["name"] == OPERATOR)
    reading = [rule for rule in role["rules"] if rule["resources"] != ["subjectaccessreviews"]]
    assert {verb for rule in reading for verb in rule["verbs"]} == {"get", "list", "watch"}
    assert "secrets" not in str(role["rules"])
    there = [each for each in of_kind(manifests, "Role") if each["metadata"]["name"] == OPERATOR]
    assert [each["metadata"]["namespace"] for each in there] == ["a", "b", CLEANUP]
    bound = [each for each in of_kind(manifests, "RoleBinding") if each["metadata"]["name"] == OPERATOR]
    assert [each["metadata"]["namespace"] for each in bound] == ["a", "b", CLEANUP]
    assert all(each["subjects"][0]["namespace"] == SYSTEM for each in bound)


def test_namespaces_for_pods_are_served_too(offline: Helm) -> None:
    manifests = offline.render("watchNamespaces={a}", "podNamespaces={a,pods}")
    there = [each for each in of_kind(manifests, "Role") if each["metadata"]["name"] == OPERATOR]
    assert [each["metadata"]["namespace"] for each in there] == ["a", "pods", CLEANUP]
    assert environment(manifests)["NESTED_DOCKER_NAMESPACES"] == f"a,pods,{CLEANUP}"
    without = offline.render("watchNamespaces={a}", "podNamespaces={a,pods}", WITHOUT_SOCKETS)
    assert environment(without)["NESTED_DOCKER_NAMESPACES"] == "a,pods"
    assert environment(offline.render("podNamespaces={pods}"))["NESTED_DOCKER_NAMESPACES"] == ""


@pytest.mark.parametrize("served", [(), ("watchNamespaces={a}",)], ids=["everywhere", "here"])
def test_requests_are_changed_only_where_a_finalizer_is_needed(offline: Helm, served: tuple[str, ...]) -> None:
    def verbs(*values: str) -> set[str]:
        roles = [each for kind in ("ClusterRole", "Role") for each in of_kind(offline.render(*served, *values), kind)]
        rules = [rule for each in roles if each["metadata"]["name"] == OPERATOR for rule in each["rules"]]
        return {verb for rule in rules if rule["resources"] == ["nesteddockers"] for verb in rule["verbs"]}

    assert verbs() == {"list", "watch", "delete", "get", "patch"}
    assert verbs(WITHOUT_SOCKETS) == {"get", "list", "watch", "delete"}
    assert verbs(WITHOUT_SOCKETS, "podNamespaces={pods}") == {"list", "watch", "delete", "get", "patch"}


def test_nodes_are_cleaned_up_from_a_namespace_of_its_own(offline: Helm) -> None:
    manifests = offline.render()
    (namespace,) = of_kind(manifests, "Namespace")
    assert namespace["metadata"]["name"] == CLEANUP
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"
    (isolation,) = (each for each in of_kind(manifests, "NetworkPolicy") if each["metadata"]["namespace"] == CLEANUP)
    assert isolation["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert environment(manifests)["NESTED_DOCKER_CLEANUP_NAMESPACE"] == CLEANUP


@pytest.mark.parametrize("value", ["cleanup.createNamespace=false", WITHOUT_SOCKETS])
def test_no_such_namespace_is_made_where_somebody_else_makes_it_or_nobody_needs_it(offline: Helm, value: str) -> None:
    manifests = offline.render(value, "watchNamespaces={a}")
    assert of_kind(manifests, "Namespace") == []
    assert {each["metadata"]["namespace"] for each in of_kind(manifests, "NetworkPolicy")} == {SYSTEM}
    there = {each["metadata"]["namespace"] for each in of_kind(manifests, "Role")}
    assert (CLEANUP in there) == (value != WITHOUT_SOCKETS), "the operator's rights"


PROBED = "nodeProbe.enabled=true"


def node_rights(manifests: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """Verbs on NestedDockerNodes, and on their status."""
    return {
        (verb, resource)
        for role in of_kind(manifests, "ClusterRole")
        if role["metadata"]["name"].endswith("-operator")
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        if resource.startswith("nesteddockernodes")
    }


def test_nodes_are_not_probed_unless_an_admin_wants_it(offline: Helm) -> None:
    manifests = offline.render()
    assert environment(manifests)["NESTED_DOCKER_NODE_PROBE"] == "false"
    assert node_rights(manifests) == {("list", "nesteddockernodes"), ("watch", "nesteddockernodes")}


def test_probes_have_their_namespace_and_their_rights_also_without_sockets(offline: Helm) -> None:
    manifests = offline.render(PROBED, WITHOUT_SOCKETS, "watchNamespaces={a}")
    assert environment(manifests)["NESTED_DOCKER_NODE_PROBE"] == "true"
    assert environment(manifests)["NESTED_DOCKER_NAMESPACES"] == f"a,{CLEANUP}"
    assert [each["metadata"]["name"] for each in of_kind(manifests, "Namespace")] == [CLEANUP]
    assert CLEANUP in {each["metadata"]["namespace"] for each in of_kind(manifests, "Role")}
    assert node_rights(manifests) == {
        ("list", "nesteddockernodes"),
        ("watch", "nesteddockernodes"),
        ("create", "nesteddockernodes"),
        ("patch", "nesteddockernodes/status"),
    }


def test_it_can_be_another_one(offline: Helm) -> None:
    manifests = offline.render("cleanup.namespace=tidy", "watchNamespaces={a}")
    assert [each["metadata"]["name"] for each in of_kind(manifests, "Namespace")] == ["tidy"]
    assert environment(manifests)["NESTED_DOCKER_NAMESPACES"] == "a,tidy"
    assert environment(manifests)["NESTED_DOCKER_CLEANUP_NAMESPACE"] == "tidy"
    guardrails = str(of_kind(manifests, "ValidatingAdmissionPolicy"))
    assert 'request.namespace in ["tidy"]' in guardrails
    assert CLEANUP not in guardrails


@pytest.mark.parametrize("taken", [SYSTEM, "pods", "a"])
def test_it_is_shared_with_nobody(offline: Helm, taken: str) -> None:
    complaint = f"cleanup.namespace: {taken} is used for other pods: choose a namespace for node cleanup alone"
    with pytest.raises(CommandFailed, match=complaint):
        offline.render(f"cleanup.namespace={taken}", "podNamespaces={pods}", "watchNamespaces={a}")


def test_nobody_is_given_the_use_of_classes(offline: Helm) -> None:
    manifests = offline.render()
    (role,) = (each for each in of_kind(manifests, "ClusterRole") if "use" in str(each["rules"]))
    assert role["metadata"]["name"] == "nested-docker-use-all-classes"
    assert role["rules"] == [
        {"apiGroups": ["nesteddocker.dev"], "resources": ["nesteddockerclasses"], "verbs": ["use"]}
    ]
    assert not [label for label in role["metadata"]["labels"] if "aggregate" in label]
    assert not [each for each in of_kind(manifests, "ClusterRoleBinding") if each["roleRef"]["name"] != OPERATOR]


def test_two_releases_have_different_root_keys(offline: Helm) -> None:
    one, other = (environment(offline.render(release=release)) for release in ("one", "other"))
    assert one["NESTED_DOCKER_ROOT_KEY_SECRET"] != other["NESTED_DOCKER_ROOT_KEY_SECRET"]


def test_an_admins_root_key_is_only_read(offline: Helm) -> None:
    manifests = offline.render("rootKeySecret=mine")
    assert environment(manifests)["NESTED_DOCKER_ROOT_KEY_SECRET"] == "mine"
    (role,) = (each for each in of_kind(manifests, "Role") if each["metadata"]["name"].endswith("-root-key"))
    assert role["rules"] == [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["mine"], "verbs": ["get"]}]
    (guardrail,) = (
        each for each in of_kind(manifests, "ValidatingAdmissionPolicy") if "children" in each["metadata"]["name"]
    )
    assert [each["name"] for each in guardrail["spec"]["matchConditions"]] == ["the-operator"]


def test_two_releases_do_not_share_a_lease(offline: Helm) -> None:
    one, other = (environment(offline.render(release=release)) for release in ("one", "other"))
    assert one["NESTED_DOCKER_LEASE_NAME"] != other["NESTED_DOCKER_LEASE_NAME"]


@pytest.mark.parametrize(
    ("value", "kind", "count"),
    [
        ("replicas=1", "PodDisruptionBudget", 0),
        ("replicas=3", "PodDisruptionBudget", 1),
        ("podDisruptionBudget.enabled=false", "PodDisruptionBudget", 0),
        (f"networkPolicy.enabled=false,{WITHOUT_SOCKETS}", "NetworkPolicy", 0),
        ("metrics.service=false,webhook.enabled=false", "Service", 0),
        ("serviceMonitor.enabled=true", "ServiceMonitor", 1),
        ("podMonitor.enabled=true,metrics.service=false", "PodMonitor", 1),
        ("podMonitor.enabled=true,prometheusRule.enabled=true", "PrometheusRule", 1),
        ("podMonitor.guards=true", "PodMonitor", 1),
        ("podMonitor.enabled=true,podMonitor.guards=true", "PodMonitor", 2),
        ("userRoles=false", "ClusterRole", 1),
        ("webhook.enabled=false", "ValidatingWebhookConfiguration", 0),
        ("webhook.enabled=false", "MutatingWebhookConfiguration", 0),
        ("guardrails.enabled=false,guardrails.denyExec=true", "ValidatingAdmissionPolicy", 0),
        ("guardrails.enabled=false,guardrails.denyExec=true", "ValidatingAdmissionPolicyBinding", 0),
        ("guardrails.denyExec=true", "ValidatingAdmissionPolicy", 10),
        ("guardrails.denyExec=false", "ValidatingAdmissionPolicy", 10),
    ],
)
def test_parts_can_be_switched(offline: Helm, value: str, kind: str, count: int) -> None:
    assert len(of_kind(offline.render(value), kind)) == count


def test_no_seccomp_profile_is_put_onto_nodes_unless_somebody_says_so(offline: Helm) -> None:
    assert of_kind(offline.render(), "DaemonSet") == []


def test_the_seccomp_profile_is_put_where_the_kubelet_looks_for_it(offline: Helm) -> None:
    where = ("seccompProfiles.kubeletFolder=/opt/kubelet", "seccompProfiles.namespace=nodes")
    manifests = offline.render("seccompProfiles.install=true", *where, "seccompProfiles.tolerations[0].operator=Exists")
    (made,) = of_kind(manifests, "DaemonSet")
    assert made["metadata"]["namespace"] == "nodes"
    pod = made["spec"]["template"]
    folder, _, name = SECCOMP_PROFILE.rpartition("/")
    (on_node,) = [each["hostPath"] for each in pod["spec"]["volumes"] if "hostPath" in each]
    assert on_node == {"path": f"/opt/kubelet/seccomp/{folder}", "type": "DirectoryOrCreate"}
    (config,) = [each for each in of_kind(manifests, "ConfigMap") if each["metadata"]["namespace"] == "nodes"]
    assert json.loads(config["data"][name])["defaultAction"] == "SCMP_ACT_ERRNO"
    assert pod["spec"]["tolerations"] == [{"operator": "Exists"}]
    (container,) = pod["spec"]["containers"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    (operator,) = of_kind(manifests, "Deployment")
    selector = operator["spec"]["selector"]["matchLabels"]
    assert not selector.items() <= pod["metadata"]["labels"].items(), "Services of the operator would select it"
