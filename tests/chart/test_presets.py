"""The chart's presets and what it says of itself to catalogues."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hack.chart_readme import presets
from tests.chart.conftest import CHART, SYSTEM, Helm
from tests.chart.rendered import environment, of_kind
from tests.support.cluster import ROOT, Cluster

CHANGE_KINDS = {"added", "changed", "deprecated", "removed", "fixed", "security"}


@pytest.mark.parametrize("preset", presets(), ids=lambda path: path.stem)
def test_the_api_server_takes_every_object_of_a_preset(cluster: Cluster, helm: Helm, system: str, preset: Path) -> None:
    assert system == SYSTEM
    manifests = helm.render(presets=[preset])
    for namespace in of_kind(manifests, "Namespace"):  # what a dry run creates is not there for what is in it
        cluster.apply(namespace)
    message = cluster.kubectl(
        *("apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-"),
        stdin=yaml.safe_dump_all(manifests),
    )
    assert len(message.splitlines()) == len(manifests)
    for namespace in of_kind(manifests, "Namespace"):
        cluster.kubectl("delete", "namespace", namespace["metadata"]["name"], "--timeout=60s")
    helm("lint", "--strict", str(CHART), f"--values={preset}", "--set=webhook.certificate.renderWithoutCluster=true")


def test_there_is_a_preset_for_each_purpose_and_the_install_page_says_which() -> None:
    names = {path.name for path in presets()}
    assert names == {"values-dev.yaml", "values-ci.yaml", "values-hardened.yaml"}
    assert names <= set(re.findall(r"values-\w+\.yaml", (ROOT / "docs/install.md").read_text()))


def test_the_hardened_preset_lets_nobody_become_root_on_a_node(offline: Helm) -> None:
    (hardened,) = (path for path in presets() if path.stem == "values-hardened")
    manifests = offline.render(presets=[hardened])
    (guardrail,) = (
        each
        for each in of_kind(manifests, "ValidatingAdmissionPolicy")
        if each["metadata"]["name"].endswith("operator-pods")
    )
    assert "guardrails.privileged is false" in str(guardrail)
    assert of_kind(manifests, "Namespace") == [], "no pod has a node's socket, so none removes anything from nodes"
    assert environment(manifests)["NESTED_DOCKER_DENIAL_GRACE_SECONDS"] == "0"
    assert not [each for each in of_kind(manifests, "ClusterRole") if "aggregate-to" in str(each["metadata"])]


def chart() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((CHART / "Chart.yaml").read_text())
    return loaded


def annotation(name: str) -> Any:
    return yaml.safe_load(chart()["annotations"][f"artifacthub.io/{name}"])


def test_the_catalogue_has_each_crd(offline: Helm) -> None:
    definitions = {
        each["metadata"]["name"]: (each["spec"]["names"]["kind"], each["spec"]["versions"][0]["name"])
        for each in of_kind(offline.render(), "CustomResourceDefinition")
    }
    assert {each["name"]: (each["kind"], each["version"]) for each in annotation("crds")} == definitions
    assert all(each["description"] and each["displayName"] for each in annotation("crds"))


def test_the_catalogue_has_the_image_that_is_installed(offline: Helm) -> None:
    (deployment,) = of_kind(offline.render(), "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    (image,) = annotation("images")
    assert image["image"] == container["image"]
    runners = (ROOT / ".github/workflows/release.yaml").read_text()
    assert image["platforms"] == [f"linux/{each}" for each in re.findall(r"- platform: (\w+)", runners)]


def test_the_catalogue_s_changes_license_and_example() -> None:
    assert annotation("changes")
    assert {each["kind"] for each in annotation("changes")} <= CHANGE_KINDS
    assert all(each["description"] for each in annotation("changes"))
    assert (ROOT / "LICENSE").read_text().split()[:2] == ["Apache", "License"]
    assert annotation("license") == "Apache-2.0"
    kinds = {each["kind"] for each in annotation("crds")}
    assert {each["kind"] for each in annotation("crdsExamples")} <= kinds
    assert all(isinstance(value, str) for value in chart()["annotations"].values()), json.dumps(chart()["annotations"])


def test_the_workflow_replaces_what_stands_there() -> None:
    """A name that it does not find would be published as it is."""
    workflow = (ROOT / ".github/workflows/release.yaml").read_text()
    replaced = re.findall(r"s\|(.+?)\|", workflow)
    assert replaced == ["image: nested-docker-operator:.*", "ghcr.io/OWNER/charts"]
    texts = [(CHART / name).read_text() for name in ("Chart.yaml", "README.md")]
    assert all(any(re.search(pattern, text) for text in texts) for pattern in replaced)
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    for path in re.findall(r"'?\.(image\.repository|prometheusRule\.runbookUrl) = ", workflow):
        section, _, key = path.partition(".")
        assert key in values[section]
