"""Webhook and guardrails as the chart renders them, without a cluster."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from tests.chart.conftest import OPERATOR, SYSTEM, Helm
from tests.chart.rendered import environment, of_kind

from nested_docker.handlers import admission

CERTIFICATE = "webhook.certificate"
CHECKSUM = "checksum/webhook-certificate"


WEBHOOKS = {
    "MutatingWebhookConfiguration": "/mutate-nested-dockers",
    "ValidatingWebhookConfiguration": "/validate-nested-dockers",
}
"""The kinds of webhooks, and the paths that they are sent to."""

VALIDATING = "ValidatingWebhookConfiguration"


def webhook(manifests: list[dict[str, Any]], kind: str = VALIDATING) -> dict[str, Any]:
    """The one webhook of a kind."""
    (configuration,) = of_kind(manifests, kind)
    (only,) = configuration["webhooks"]
    return only


def pods(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    """The template of the operator's pods."""
    (deployment,) = of_kind(manifests, "Deployment")
    return deployment["spec"]["template"]


def mounted(manifests: list[dict[str, Any]]) -> str:
    """The Secret mounted at the path that the environment variable names."""
    spec = pods(manifests)["spec"]
    (container,) = spec["containers"]
    place = environment(manifests)["NESTED_DOCKER_WEBHOOK_CERTIFICATES"]
    (mount,) = (each for each in container["volumeMounts"] if each["mountPath"] == place)
    assert mount["readOnly"]
    (volume,) = (each for each in spec["volumes"] if each["name"] == mount["name"])
    return volume["secret"]["secretName"]


def selector(holder: dict[str, Any]) -> list[str]:
    """Namespaces that a rule is limited to; empty: all."""
    expressions = holder.get("namespaceSelector", {}).get("matchExpressions", [])
    assert all(each["key"] == "kubernetes.io/metadata.name" and each["operator"] == "In" for each in expressions)
    return [value for each in expressions for value in each["values"]]


@pytest.mark.parametrize("kind", WEBHOOKS)
def test_the_webhook_is_asked_where_the_operator_listens(offline: Helm, kind: str) -> None:
    manifests = offline.render()
    client = webhook(manifests, kind)["clientConfig"]["service"]
    assert client == {
        "name": "nested-docker-webhook",
        "namespace": SYSTEM,
        "path": WEBHOOKS[kind],
        "port": 443,
    }
    (service,) = (each for each in of_kind(manifests, "Service") if each["metadata"]["name"] == client["name"])
    assert service["spec"]["selector"].items() <= pods(manifests)["metadata"]["labels"].items()
    (port,) = service["spec"]["ports"]
    (container,) = pods(manifests)["spec"]["containers"]
    (named,) = (each for each in container["ports"] if each["name"] == port["targetPort"])
    assert (port["port"], named["containerPort"]) == (443, 9443)
    assert environment(manifests)["NESTED_DOCKER_WEBHOOK_PORT"] == "9443"
    place = {"namespace": SYSTEM, "name": OPERATOR}
    (network,) = (each for each in of_kind(manifests, "NetworkPolicy") if place.items() <= each["metadata"].items())
    assert {"port": 9443, "protocol": "TCP"} in network["spec"]["ingress"][0]["ports"]


def test_the_paths_are_the_operator_s() -> None:
    assert [*WEBHOOKS.values()] == [admission.MUTATE_PATH, admission.VALIDATE_PATH]


@pytest.mark.parametrize("kind", WEBHOOKS)
def test_the_webhook_is_for_what_asks_for_a_daemon_and_fails_closed(offline: Helm, kind: str) -> None:
    only = webhook(offline.render(), kind)
    assert only["rules"] == [
        {
            "apiGroups": ["nesteddocker.dev"],
            "apiVersions": ["v1alpha1"],
            "operations": ["CREATE", "UPDATE"],
            "resources": ["nesteddockers"],
            "scope": "Namespaced",
        }
    ]
    assert (only["failurePolicy"], only["sideEffects"], only["matchPolicy"]) == ("Fail", "None", "Equivalent")
    assert f"'system:serviceaccount:{SYSTEM}:{OPERATOR}'" in only["matchConditions"][0]["expression"]


def test_helm_makes_a_pair_for_the_service_and_forgets_the_authority_s_key(offline: Helm) -> None:
    manifests = offline.render()
    (secret,) = of_kind(manifests, "Secret")
    assert secret["type"] == "kubernetes.io/tls"
    assert mounted(manifests) == secret["metadata"]["name"] == f"{OPERATOR}-webhook"
    assert set(secret["data"]) == {"ca.crt", "tls.crt", "tls.key"}
    data = {key: base64.b64decode(value) for key, value in secret["data"].items()}
    authority, certificate = (x509.load_pem_x509_certificate(data[key]) for key in ("ca.crt", "tls.crt"))
    key = load_pem_private_key(data["tls.key"], None)
    certificate.verify_directly_issued_by(authority)
    assert certificate.public_key() == key.public_key() != authority.public_key()
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [f"nested-docker-webhook.{SYSTEM}.svc"]
    assert certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=3600)
    assert {webhook(manifests, kind)["clientConfig"]["caBundle"] for kind in WEBHOOKS} == {secret["data"]["ca.crt"]}
    assert pods(manifests)["metadata"]["annotations"][CHECKSUM]


def test_the_operator_s_user_can_read_the_key_and_nobody_else(offline: Helm) -> None:
    spec = pods(offline.render())["spec"]
    (volume,) = (each for each in spec["volumes"] if "secret" in each)
    assert volume["secret"]["defaultMode"] == 0o440
    assert spec["securityContext"]["fsGroup"] == spec["securityContext"]["runAsGroup"] == 65532


def test_annotations_of_the_pods_are_kept_beside_the_certificate_s(offline: Helm) -> None:
    annotations = pods(offline.render("podAnnotations.team=ci"))["metadata"]["annotations"]
    assert set(annotations) == {"team", CHECKSUM}


def test_a_secret_of_somebody_else_s(offline: Helm, tmp_path: Path) -> None:
    (made,) = of_kind(offline.render(), "Secret")
    bundle = tmp_path / "ca.crt"
    bundle.write_bytes(base64.b64decode(made["data"]["ca.crt"]))
    manifests = offline.render(f"{CERTIFICATE}.existingSecret=theirs", files=(f"{CERTIFICATE}.caBundle={bundle}",))
    assert of_kind(manifests, "Secret") == []
    assert mounted(manifests) == "theirs"
    for kind in WEBHOOKS:
        assert base64.b64decode(webhook(manifests, kind)["clientConfig"]["caBundle"]) == bundle.read_bytes()
    assert "annotations" not in pods(manifests)["metadata"]


def test_cert_manager(offline: Helm) -> None:
    manifests = offline.render(f"{CERTIFICATE}.certManager.issuerRef.name=ours")
    assert of_kind(manifests, "Secret") == []
    (certificate,) = of_kind(manifests, "Certificate")
    assert certificate["spec"]["issuerRef"] == {"name": "ours", "kind": "Issuer", "group": "cert-manager.io"}
    assert certificate["spec"]["dnsNames"] == [f"nested-docker-webhook.{SYSTEM}.svc"]
    assert mounted(manifests) == certificate["spec"]["secretName"]
    for kind in WEBHOOKS:
        (configuration,) = of_kind(manifests, kind)
        injected = configuration["metadata"]["annotations"]["cert-manager.io/inject-ca-from"]
        assert injected == f"{SYSTEM}/{certificate['metadata']['name']}"
        assert "caBundle" not in webhook(manifests, kind)["clientConfig"]
    assert "annotations" not in pods(manifests)["metadata"]


def test_without_the_webhook_nothing_of_it_is_left(offline: Helm) -> None:
    manifests = offline.render("webhook.enabled=false")
    given = environment(manifests)
    assert given.pop("NESTED_DOCKER_WEBHOOK_PORT") == "0"
    assert not [name for name in given if "WEBHOOK" in name]
    left = [each for each in manifests if each["kind"] not in {"Deployment", "CustomResourceDefinition"}]
    assert "webhook" not in str([each["metadata"] for each in left]).lower()
    assert not of_kind(manifests, "Secret")
    assert "9443" not in str(left)
    assert "subjectaccessreviews" not in str(left)
    template = pods(manifests)
    assert "annotations" not in template["metadata"]
    assert "fsGroup" not in template["spec"]["securityContext"]
    assert [each["name"] for each in template["spec"]["volumes"]] == ["tmp"]
    (container,) = template["spec"]["containers"]
    assert "lifecycle" not in container


@pytest.mark.parametrize("level", ["Enforce", "Warn", "Audit"])
def test_the_operator_is_told_what_a_denial_comes_to(offline: Helm, level: str) -> None:
    assert environment(offline.render(f"enforcement={level}"))["NESTED_DOCKER_ENFORCEMENT"] == level


def test_what_is_judged_is_limited_to_the_namespaces_that_are_served(offline: Helm) -> None:
    manifests = offline.render("watchNamespaces={a,b}", "podNamespaces={pods}", "guardrails.denyExec=true")
    bound = {
        each["metadata"]["name"].removeprefix(f"{OPERATOR}-"): selector(each["spec"].get("matchResources", {}))
        for each in of_kind(manifests, "ValidatingAdmissionPolicyBinding")
    }
    served = ["a", "b", "pods", f"{SYSTEM}-cleanup"]
    assert [selector(webhook(manifests, kind)) for kind in WEBHOOKS] == [served, served]
    ours = {"reserved-labels": served, "nesting": served, "ephemeral-containers": served, "exec": served}
    assert bound == ours | {
        each: [] for each in ("children", "nesteddockers", "pods", "claims", "events", "pod-events")
    }


def test_the_whole_cluster_is_judged_by_default(offline: Helm) -> None:
    manifests = offline.render("podNamespaces={pods}")
    assert [selector(webhook(manifests, kind)) for kind in WEBHOOKS] == [[], []]
    bindings = of_kind(manifests, "ValidatingAdmissionPolicyBinding")
    assert not [each for each in bindings if "matchResources" in each["spec"]]


def test_guardrails_fail_closed_and_deny(offline: Helm) -> None:
    manifests = offline.render("guardrails.denyExec=true")
    policies = of_kind(manifests, "ValidatingAdmissionPolicy")
    assert {each["spec"]["failurePolicy"] for each in policies} == {"Fail"}
    bindings = of_kind(manifests, "ValidatingAdmissionPolicyBinding")
    assert [each["spec"]["policyName"] for each in bindings] == [each["metadata"]["name"] for each in policies]
    assert {tuple(each["spec"]["validationActions"]) for each in bindings} == {("Deny",)}
