"""The chart renders to the same manifests each time, or not at all."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.chart.conftest import CHART, OPERATOR, RELEASE, RENDER, SYSTEM, Helm
from tests.chart.rendered import of_kind
from tests.support.cluster import ROOT, Cluster, CommandFailed

CERTIFICATE = "webhook.certificate"
ISSUER = f"--set={CERTIFICATE}.certManager.issuerRef.name=ours"
REFUSAL = (
    "webhook.certificate: Helm renders the chart without a cluster (helm template, --dry-run=client, Argo CD) and "
    "would create another certificate each time."
)
REMEDIES = [
    "webhook.certificate.certManager.issuerRef.name",
    "webhook.certificate.existingSecret",
    "webhook.certificate.caBundle",
    "--dry-run=server",
    "webhook.certificate.renderWithoutCluster",
]


def template(helm: Helm, *flags: str) -> str:
    return helm("template", RELEASE, str(CHART), "--namespace", SYSTEM, "--kube-version=1.34.0", *flags)


@pytest.mark.parametrize(
    "flags",
    [
        (),
        ("--is-upgrade",),
        ("--dry-run=client",),
        ("--include-crds", "--skip-tests", "--api-versions=cert-manager.io/v1"),
        ("--show-only=templates/webhook.yaml",),
        ("--show-only=templates/deployment.yaml",),
        ("--set=watchNamespaces={a}",),
        (f"--set={CERTIFICATE}.certManager.issuerRef.kind=ClusterIssuer",),
        (f"--set={CERTIFICATE}.renderWithoutCluster=false",),
        (f"--set={CERTIFICATE}.renderWithoutCluster=null",),
    ],
    ids=" ".join,
)
def test_no_certificate_is_created_where_the_last_one_cannot_be_read(offline: Helm, flags: tuple[str, ...]) -> None:
    with pytest.raises(CommandFailed) as refused:
        template(offline, *flags)
    assert REFUSAL in str(refused.value)
    assert [each for each in REMEDIES if each not in str(refused.value)] == []


@pytest.mark.parametrize(
    "flags",
    [
        (ISSUER,),
        (ISSUER, f"--set={CERTIFICATE}.certManager.issuerRef.kind=ClusterIssuer", "--set=guardrails.denyExec=true"),
        (ISSUER, "--is-upgrade"),
        (f"--set={CERTIFICATE}.existingSecret=theirs", f"--set-file={CERTIFICATE}.caBundle=CA"),
        ("--set=webhook.enabled=false",),
        (
            *("--set=webhook.enabled=false", "--set=watchNamespaces={a,b}", "--set=serviceMonitor.enabled=true"),
            "--api-versions=monitoring.coreos.com/v1/ServiceMonitor",
        ),
    ],
    ids=" ".join,
)
def test_it_renders_the_same_twice(offline: Helm, tmp_path: Path, flags: tuple[str, ...]) -> None:
    (made,) = of_kind(offline.render(), "Secret")
    authority = tmp_path / "ca.crt"
    authority.write_bytes(base64.b64decode(made["data"]["ca.crt"]))
    given = [flag.replace("=CA", f"={authority}") for flag in flags]
    assert template(offline, *given) == template(offline, *given)


def example(name: str, *path: str) -> dict[str, Any]:
    """Values in a manifest of `examples/gitops`."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "examples/gitops" / name).read_text())
    for key in path:
        found = found[key]
    return found


def test_argo_cd_s_example_renders_the_same_twice(offline: Helm, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(example("argocd-operator.yaml", "spec", "source", "helm", "valuesObject")))
    one, other = (template(offline, f"--values={values}") for _ in range(2))
    assert one == other
    (certificate,) = of_kind([*yaml.safe_load_all(one)], "Certificate")
    assert certificate["spec"]["issuerRef"]["kind"] == "ClusterIssuer"


def test_flux_s_example_renders_where_helm_reads_the_cluster(helm: Helm, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(example("flux-operator.yaml", "spec", "values")))
    assert "caBundle: " in template(helm, f"--values={values}", "--dry-run=server")


def test_somebody_may_ask_for_another_certificate_each_time(offline: Helm) -> None:
    one, other = (template(offline, f"--set={RENDER}") for _ in range(2))
    assert one != other


def test_only_the_certificate_is_not_a_function_of_the_values() -> None:
    """What else Helm offers that differs from run to run, or from cluster to cluster."""
    varying = re.compile(
        r"\b(lookup|gen[A-Z]\w+|rand\w+|shuffle|uuidv4|now|ago|htpasswd|encryptAES|getHostByName|env)\b"
    )
    actions = [
        (path.name, word)
        for path in sorted((CHART / "templates").rglob("*.*"))
        for action in re.findall(
            r"\{\{.*?\}\}", re.sub(r"\{\{-? */\*.*?\*/ *-?\}\}", "", path.read_text(), flags=re.DOTALL)
        )
        for word in varying.findall(re.sub(r'"[^"]*"', "", action))
    ]
    assert {name for name, _ in actions} == {"_helpers.tpl"}
    assert sorted({word for _, word in actions}) == ["genCAWithKey", "genPrivateKey", "genSignedCertWithKey", "lookup"]


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """The release's namespace, without a release."""
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}})
    yield SYSTEM
    cluster.kubectl("delete", "namespace", SYSTEM, "--timeout=60s")


def test_with_a_cluster_the_first_certificate_stays(cluster: Cluster, helm: Helm, namespace: str) -> None:
    (secret,) = of_kind([*yaml.safe_load_all(template(helm, "--dry-run=server"))], "Secret")
    assert secret["metadata"] == secret["metadata"] | {"name": f"{OPERATOR}-webhook", "namespace": namespace}
    cluster.apply(secret)
    one, other = (template(helm, "--dry-run=server") for _ in range(2))
    assert one == other
    assert secret["data"]["tls.crt"] in one


def test_the_first_install_needs_no_value(cluster: Cluster, helm: Helm) -> None:
    """Neither its namespace nor its Secret exists yet."""
    assert SYSTEM not in cluster.kubectl("get", "namespaces", "-o", "name")
    install = ("install", RELEASE, str(CHART), "--namespace", SYSTEM, "--create-namespace")
    assert "caBundle: " in helm(*install, "--dry-run=server")
    with pytest.raises(CommandFailed, match=re.escape(REFUSAL)):
        helm(*install, "--dry-run=client")
