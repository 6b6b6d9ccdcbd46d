"""Documents of no kind, such as values of a chart: what is found in them, and what is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.convert.conftest import Convert

LABEL = ("--as", "label", "--class", "standard")
NOT_READ = "it is not read, since this is no pod"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "values.yaml"


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({"dind": {"repository": "docker", "tag": "29-dind"}}, "dind"),
        ({"jobs": [{"services": {"docker": {"image": "docker:dind"}}}]}, "jobs[0].services.docker"),
    ],
    ids=["an image in two parts", "a service"],
)
def test_a_daemon_that_is_no_container_of_a_pod_is_named(
    convert: Convert, file: Path, values: dict[str, Any], where: str
) -> None:
    file.write_text(json.dumps(values))
    ended = convert(str(file), *LABEL)
    assert ended.code == 1
    assert f"{file}: document 1: {where}: {NOT_READ}" in ended.err
    assert "error: nothing to convert" in ended.err


def test_values_cannot_share_a_nested_docker(convert: Convert, file: Path) -> None:
    containers = [{"name": "a", "image": "a"}, {"name": "b", "image": "docker:dind"}]
    file.write_text(json.dumps({"worker": {"template": {"spec": {"containers": containers}}}}))
    ended = convert(str(file))
    assert (ended.code, ended.out) == (2, "")
    assert "values have no NestedDocker beside them" in ended.err


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("main.tf", 'resource "kubernetes_pod" "x" {}', ("Terraform is not read", "docs/injection.md")),
        ("devcontainer.json", "// x\n{}", ("a dev container's configuration is not read", "dev containers")),
        ("x.yaml", "{{ if .Values.x }}\na: b\n{{ end }}", ("line 1", "rendered first: `helm template`")),
    ],
)
def test_files_of_another_language_are_told(
    convert: Convert, tmp_path: Path, name: str, text: str, told: tuple[str, str]
) -> None:
    file = tmp_path / name
    file.write_text(text)
    ended = convert(str(file), *LABEL)
    assert ended.code == 2
    assert all(each in ended.err for each in told)


@pytest.mark.parametrize(
    ("container", "removed"),
    [
        ({"env": [{"name": "DOCKER_HOST", "value": "unix:///var/run/docker.sock"}]}, "env"),
        ({"volumeMounts": [{"name": "dind-sock", "mountPath": "/var/run"}]}, "volumeMounts"),
        ({"volumeMounts": [{"name": "dind-externals", "mountPath": "/home/runner/externals"}]}, "volumeMounts"),
    ],
    ids=["a variable", "the socket", "what only the daemon needs"],
)
def test_a_runner_loses_what_leads_to_the_chart_s_daemon(
    convert: Convert, file: Path, container: dict[str, Any], removed: str
) -> None:
    template = {"spec": {"containers": [{"name": "runner", "image": "a", **container}]}}
    file.write_text(json.dumps({"containerMode": {"type": "dind"}, "template": template}))
    ended = convert(str(file), *LABEL)
    assert yaml.safe_load(ended.out)["template"]["spec"]["containers"] == [{"name": "runner", "image": "a"}]
    assert f"values.yaml: template.spec.containers[0].{removed}[0]: removed" in ended.err


@pytest.mark.parametrize("has_own", [False, True])
def test_the_chart_s_volume_with_the_jobs_files_stays_for_those_who_mount_it(
    convert: Convert, file: Path, has_own: bool
) -> None:
    mount = {"name": "work", "mountPath": "/home/runner/_work"}
    own = {"volumes": [{"name": "work", "hostPath": {"path": "/data"}}]} if has_own else {}
    template = {"spec": {"initContainers": [{"name": "a", "image": "a", "volumeMounts": [mount]}], **own}}
    file.write_text(json.dumps({"containerMode": {"type": "dind"}, "template": template}))
    done = yaml.safe_load(convert(str(file), *LABEL).out)["template"]["spec"]
    assert done["volumes"] == own.get("volumes", [{"name": "work", "emptyDir": {}}])


@pytest.mark.parametrize("volumes", [[], [{"name": "more", "emptyDir": {}}]], ids=["none", "another"])
def test_the_experimental_chart_s_volume_is_named_if_it_is_missing(
    convert: Convert, file: Path, volumes: list[dict[str, Any]]
) -> None:
    mount = {"name": "work", "mountPath": "/work"}
    spec = {"containers": [{"name": "log", "image": "a", "volumeMounts": [mount]}], "volumes": volumes}
    file.write_text(json.dumps({"runner": {"mode": "dind", "pod": {"spec": spec}}}))
    ended = convert(str(file), *LABEL)
    assert ended.code == 0, ended.err
    assert yaml.safe_load(ended.out)["runner"]["pod"]["spec"] == spec
    assert ("runner.pod.spec.volumes: without a daemon" in ended.err) == (not volumes)
