"""Injection as the chart renders it: off by default, for labelled pods in enabled namespaces only, with guardrails."""

from __future__ import annotations

from typing import Any

import pytest
from tests.chart.conftest import OPERATOR, SYSTEM, Helm
from tests.chart.rendered import environment, of_kind
from tests.support.cluster import CommandFailed

from nested_docker.domain import names
from nested_docker.handlers.admission import INJECT_PATH, JUDGE_PATH

ON = "injection.enabled=true"
Manifest = dict[str, Any]


LABELS = {
    "pods.nesteddocker.dev": names.LABEL_INJECT,
    "clients.nesteddocker.dev": names.LABEL_INJECT_FROM,
}
"""The webhooks for pods, and the label of those that each is for."""


def webhooks(manifests: list[Manifest], kind: str = "Mutating") -> dict[str, Manifest]:
    """The webhooks of a kind for pods, by name."""
    configurations = of_kind(manifests, f"{kind}WebhookConfiguration")
    (found,) = (each for each in configurations if names_of(each) == f"{OPERATOR}-pods")
    return {each["name"]: each for each in found["webhooks"]}


def names_of(manifest: Manifest) -> str:
    return str(manifest["metadata"]["name"])


def rights(manifests: list[Manifest], resource: str = "nesteddockers") -> set[str]:
    """The operator's verbs on NestedDockers, or on another resource."""
    roles = [
        role for kind in ("ClusterRole", "Role") for role in of_kind(manifests, kind) if names_of(role) == OPERATOR
    ]
    rules = [rule for role in roles for rule in role["rules"] if resource in rule["resources"]]
    return {verb for rule in rules for verb in rule["verbs"]}


def test_it_is_off_by_default(offline: Helm) -> None:
    manifests = offline.render()
    assert environment(manifests)["NESTED_DOCKER_INJECTION"] == "false"
    assert [names_of(each) for each in of_kind(manifests, "MutatingWebhookConfiguration")] == [OPERATOR]
    assert "create" not in rights(manifests)
    assert names.LABEL_INJECT not in str(manifests)


def test_pods_with_their_own_daemon_are_judged_as_they_are_stored(offline: Helm) -> None:
    manifests = offline.render(ON)
    found, before = webhooks(manifests, "Validating"), webhooks(manifests)
    assert found.keys() == {"pods.nesteddocker.dev"}
    only, mutating = found["pods.nesteddocker.dev"], before["pods.nesteddocker.dev"]
    assert only["clientConfig"]["service"]["path"] == JUDGE_PATH
    assert "reinvocationPolicy" not in only
    assert {key: value for key, value in only.items() if key != "clientConfig"} == {
        key: value for key, value in mutating.items() if key not in {"clientConfig", "reinvocationPolicy"}
    }


@pytest.mark.parametrize(("value", "closed"), [("true", True), ("false", False)])
def test_the_daemon_of_a_pod_is_closed_where_those_of_nested_dockers_are(
    offline: Helm, value: str, *, closed: bool
) -> None:
    manifests = offline.render(ON, f"guardrails.denyExec={value}")
    found = {names_of(each) for each in of_kind(manifests, "ValidatingAdmissionPolicy")}
    assert ({f"{OPERATOR}-sidecars", f"{OPERATOR}-sidecar-exec"} <= found) == closed
    assert "-sidecar" not in str([names_of(each) for each in of_kind(offline.render(), "ValidatingAdmissionPolicy")])


@pytest.mark.parametrize("name", LABELS)
def test_only_labelled_pods_in_enabled_namespaces_can_suffer(offline: Helm, name: str) -> None:
    found = webhooks(offline.render(ON))
    assert found.keys() == LABELS.keys()
    only = found[name]
    assert only["rules"] == [
        {
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "operations": ["CREATE"],
            "resources": ["pods"],
            "scope": "Namespaced",
        }
    ]
    assert only["objectSelector"] == {"matchExpressions": [{"key": LABELS[name], "operator": "Exists"}]}
    assert only["namespaceSelector"] == {
        "matchLabels": {names.NAMESPACE_INJECTION: names.INJECTION_ENABLED},
        "matchExpressions": [
            {
                "key": "kubernetes.io/metadata.name",
                "operator": "NotIn",
                "values": [SYSTEM, f"{SYSTEM}-cleanup", "kube-system", "kube-public", "kube-node-lease"],
            }
        ],
    }
    assert (only["failurePolicy"], only["sideEffects"], only["reinvocationPolicy"]) == ("Fail", "None", "IfNeeded")
    assert only["timeoutSeconds"] == 5
    assert only["clientConfig"]["service"]["path"] == INJECT_PATH


def test_a_pod_is_judged_again_as_it_would_be_stored(offline: Helm) -> None:
    manifests = offline.render(ON)
    validating = of_kind(manifests, "ValidatingWebhookConfiguration")
    (judge,) = (only for each in validating if names_of(each) == f"{OPERATOR}-pods" for only in each["webhooks"])
    assert judge["clientConfig"]["service"]["path"] == JUDGE_PATH
    mutating = webhooks(manifests)["pods.nesteddocker.dev"]
    differing = {"clientConfig", "reinvocationPolicy"}
    assert {key: mutating[key] for key in mutating.keys() - differing} == {
        key: judge[key] for key in judge.keys() - differing
    }
    assert "reinvocationPolicy" not in judge


def test_pods_of_daemons_and_of_other_releases_are_left_out(offline: Helm) -> None:
    manifests = offline.render(ON, "watchNamespaces={team-a}", "podNamespaces={daemons}")
    for only in webhooks(manifests).values():
        excluded, included = only["namespaceSelector"]["matchExpressions"]
        assert "daemons" in excluded["values"]
        assert (included["operator"], "team-a" in included["values"]) == ("In", True)


def test_denied_sidecars_need_no_further_right_on_pods_and_a_guardrail_says_which(offline: Helm) -> None:
    with_, without = offline.render(ON), offline.render()
    assert rights(with_, "pods") == rights(without, "pods") == {"get", "list", "watch", "create", "patch", "delete"}
    assert rights(with_, "pods/status") == rights(without, "pods/status") == set()

    def exceptions(manifests: list[Manifest]) -> set[str]:
        (found,) = (
            each for each in of_kind(manifests, "ValidatingAdmissionPolicy") if names_of(each) == f"{OPERATOR}-children"
        )
        return {each["name"] for each in found["spec"]["matchConditions"]}

    assert exceptions(with_) - exceptions(without) == {"not-the-scheduling-gate", "not-a-denied-sidecar"}


def test_the_operator_may_create_nested_dockers_and_a_guardrail_says_which(offline: Helm) -> None:
    manifests = offline.render(ON)
    assert environment(manifests)["NESTED_DOCKER_INJECTION"] == "true"
    assert "create" in rights(manifests)
    policies = {names_of(each): each["spec"] for each in of_kind(manifests, "ValidatingAdmissionPolicy")}
    (validation,) = policies[f"{OPERATOR}-nesteddockers"]["validations"]
    assert validation["expression"].startswith("variables.injected ||")
    variables = {each["name"]: each["expression"] for each in policies[f"{OPERATOR}-nesteddockers"]["variables"]}
    assert names.injection_id(names.injected_name("0" * 20)) == "0" * 20
    assert "startsWith('injected-')" in variables["id"]
    assert "matches('^[0-9a-f]{20}$')" in variables["injected"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("webhook.enabled=false", "injection.enabled: the webhook adds the connection to pods"),
        (
            "guardrails.enabled=false",
            "injection.enabled: a guardrail keeps users from setting the webhook's marks on pods",
        ),
    ],
)
def test_it_needs_webhook_and_guardrails(offline: Helm, value: str, message: str) -> None:
    with pytest.raises(CommandFailed, match=message):
        offline.render(ON, value)
