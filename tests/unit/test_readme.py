"""The manifest of the README is valid, and its pod has the Secrets of its NestedDocker."""

from __future__ import annotations

import re

import yaml
from tests.unit import pages

from nested_docker.api.meta import Mode
from nested_docker.api.v1alpha1 import API_VERSION, NestedDockerSpec
from nested_docker.cli.findings import Findings, Position
from nested_docker.cli.strict import parse_model
from nested_docker.domain import names

TEXT = (pages.ROOT / "README.md").read_text(encoding="utf-8")
MANIFEST = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)[0]
NESTED_DOCKER, POD = yaml.safe_load_all(MANIFEST)


def test_it_is_a_nested_docker() -> None:
    findings = Findings()
    assert (NESTED_DOCKER["apiVersion"], NESTED_DOCKER["kind"]) == (API_VERSION, "NestedDocker")
    assert parse_model(NestedDockerSpec, NESTED_DOCKER["spec"], Position("README"), findings), findings.problems


def test_the_pod_mounts_its_connection() -> None:
    name = NESTED_DOCKER["metadata"]["name"]
    (container,), (volume,) = POD["containers"], POD["volumes"]
    example = next(
        each
        for each in yaml.safe_load_all((pages.ROOT / "examples/client-pod.yaml").read_text())
        if each["kind"] == "Pod"
    )["spec"]
    assert (
        container["envFrom"] == example["containers"][0]["envFrom"] == [{"secretRef": {"name": names.env_secret(name)}}]
    )
    assert container["volumeMounts"] == example["containers"][0]["volumeMounts"]
    assert [volume] == example["volumes"] == [{"name": "docker", "secret": {"secretName": names.files_secret(name)}}]


def test_every_mode_is_named() -> None:
    assert set(re.findall(r"\w+", MANIFEST)) >= {mode.value for mode in Mode}
