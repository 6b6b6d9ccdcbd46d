"""Texts and values within objects: what is converted, what stays letter by letter, and what is named."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.convert.conftest import Convert

LABEL = ("--as", "label", "--class", "standard")
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: job}
spec:
  containers:
  - {name: job, image: "docker:29-cli"}
  - {name: dind, image: "docker:29-dind"}
"""
OTHER = """\
# a comment that stays
apiVersion:   v1
kind: Pod
metadata: {name: "other"}
spec: {containers: [{name: a, image: 'nginx'}]}
"""
CONFIG = """\
[[runners]]
[runners.kubernetes]
[[runners.kubernetes.services]]
name = "docker:29-dind"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "input.yaml"


def config_map(**data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": data}


def test_documents_of_a_text_without_a_daemon_stay_letter_by_letter(convert: Convert, file: Path) -> None:
    text = f"{OTHER}--- # next\n{POD}---\n{OTHER}"
    file.write_text(json.dumps(config_map(pods=text, more=OTHER)))
    ended = convert(str(file), *LABEL)
    assert ended.code == 0, ended.err
    data = yaml.safe_load(ended.out)["data"]
    assert data["more"] == OTHER
    assert data["pods"].startswith(f"{OTHER}--- # next\napiVersion: v1\n")
    assert data["pods"].endswith(f"- name: job\n    image: docker:29-cli\n---\n{OTHER}")
    assert "ConfigMap/x: data.pods: document 2: spec.containers[1]" in ended.err


def test_a_text_that_is_json_stays_json(convert: Convert, file: Path) -> None:
    file.write_text(json.dumps(config_map(pod=json.dumps(yaml.safe_load(POD)))))
    ended = convert(str(file), *LABEL)
    pod = yaml.safe_load(ended.out)["data"]["pod"]
    assert json.loads(pod)["metadata"]["labels"] == {"nesteddocker.dev/inject": "standard"}
    assert "\n" not in pod


def test_a_configuration_of_a_runner_in_a_config_map(convert: Convert, file: Path) -> None:
    file.write_text(json.dumps(config_map(**{"config.toml": CONFIG, "entrypoint": "exec docker\n"})))
    ended = convert(str(file), *LABEL)
    data = yaml.safe_load(ended.out)["data"]
    assert '[runners.kubernetes.pod_labels]\n"nesteddocker.dev/inject" = "standard"' in data["config.toml"]
    assert data["entrypoint"] == "exec docker\n"
    assert "ConfigMap/x: data.config.toml: runners[0].kubernetes.poll_timeout" in ended.err
    ended = convert(str(file))
    assert (ended.code, ended.out) == (2, "")
    assert "error: ConfigMap/x: data.config.toml: runners" not in ended.err
    assert "error: ConfigMap/x: data.config.toml has no NestedDocker beside it" in ended.err


@pytest.mark.parametrize(
    "text",
    [
        "{{- if .dind }}\n" + POD + "{{- end }}\n",
        "[[runners]]\n{{ range . }}\nname = 'docker:29-dind'\n",
        "#!/bin/sh\ndockerd -H unix:///var/run/docker.sock &\nwait\n",
        "# kubedock runs here\n# elsewhere\n",
    ],
)
def test_a_text_that_nobody_can_read_is_named_by_its_lines(convert: Convert, file: Path, text: str) -> None:
    given = config_map(text=text, pod=POD)
    file.write_text(json.dumps(given))
    ended = convert(str(file), *LABEL)
    assert ended.code == 0, ended.err
    assert yaml.safe_load(ended.out)["data"]["text"] == text
    words = ("docker.sock", "dind", "kubedock")
    lines = [number for number, line in enumerate(text.splitlines(), 1) if any(word in line for word in words)]
    named = [line for line in ended.err.splitlines() if "data.text: " in line]
    assert [line.partition("data.text: line ")[2].partition(":")[0] for line in named] == [*map(str, lines)]
    assert all("it is not read" in line for line in named)


def test_an_unread_text_alone_is_nothing_to_convert(convert: Convert, file: Path) -> None:
    file.write_text(json.dumps(config_map(text="{{ x }}\nimage: docker:29-dind\n")))
    ended = convert(str(file), *LABEL)
    assert ended.code == 1
    assert "differs: ConfigMap/x: data.text: line 2: it is not read" in ended.err


def test_text_in_text_in_text(convert: Convert, file: Path) -> None:
    values = {"extraObjects": [yaml.safe_dump(config_map(pod=POD, other=OTHER), default_flow_style=False)]}
    chart = {"valuesContent": yaml.safe_dump(values)}
    file.write_text(json.dumps({"apiVersion": "helm.cattle.io/v1", "kind": "HelmChart", "spec": chart}))
    ended = convert(str(file), *LABEL)
    assert ended.code == 0, ended.err
    spec = yaml.safe_load(ended.out)["spec"]
    inner = yaml.safe_load(yaml.safe_load(spec["valuesContent"])["extraObjects"][0])["data"]
    assert inner["other"] == OTHER
    assert "docker:29-dind" not in inner["pod"]
    where = "HelmChart/: spec.valuesContent: extraObjects[0]: data.pod: spec.containers[1].image"
    assert where in ended.err


def test_texts_are_nested_too_deeply(convert: Convert, file: Path) -> None:
    text = POD
    for _ in range(8):
        text = "[" * 90 + json.dumps({"text": text}) + "]" * 90
    file.write_text(json.dumps(config_map(text=text)))
    ended = convert(str(file), *LABEL)
    assert (ended.code, ended.out) == (2, "")
    assert "error: ConfigMap/x: texts in it are nested too deeply" in ended.err


def test_objects_within_an_object(convert: Convert, file: Path) -> None:
    work = {"apiVersion": "work.example.com/v1", "kind": "Work", "metadata": {"name": "w"}}
    file.write_text(json.dumps(work | {"spec": {"manifests": [yaml.safe_load(POD), yaml.safe_load(OTHER)]}}))
    ended = convert(str(file), *LABEL)
    assert ended.code == 0, ended.err
    first, second = yaml.safe_load(ended.out)["spec"]["manifests"]
    assert first["metadata"]["labels"] == {"nesteddocker.dev/inject": "standard"}
    assert second == yaml.safe_load(OTHER)
    assert "Work/w: spec.manifests[0]: spec.containers[1].image" in ended.err


def test_what_is_only_a_daemon_cannot_go_from_a_text(convert: Convert, file: Path) -> None:
    only = POD.replace('  - {name: job, image: "docker:29-cli"}\n', "")
    file.write_text(json.dumps(config_map(pod=only)))
    ended = convert(str(file))
    assert (ended.code, ended.out) == (2, "")
    assert "ConfigMap/x: data.pod has no container but the daemon" in ended.err


def test_a_nested_docker_beside_a_text_is_in_its_namespace_which_may_not_be_that_of_the_pods(
    convert: Convert, file: Path
) -> None:
    file.write_text(json.dumps(config_map(pod=POD)))
    ended = convert(str(file))
    assert ended.code == 0, ended.err
    assert "differs: ConfigMap/x: data.pod: the NestedDocker must be in the namespace of the pods" in ended.err


@pytest.mark.parametrize("field", ["values", "valuesObject", "valuesInline"])
def test_values_of_a_scale_set_are_a_whole_document(convert: Convert, file: Path, field: str) -> None:
    pod = {"spec": yaml.safe_load(POD)["spec"]}
    spec = {"charts": [{field: {"githubConfigUrl": "https://git.example.com", "template": pod}}]}
    file.write_text(json.dumps({"apiVersion": "a/v1", "kind": "Charts", "metadata": {"name": "x"}, "spec": spec}))
    ended = convert(str(file), *LABEL)
    assert ended.code == 0, ended.err
    template = yaml.safe_load(ended.out)["spec"]["charts"][0][field]["template"]
    assert template["metadata"]["labels"] == {"nesteddocker.dev/inject": "standard"}
    assert f"Charts/x: spec.charts[0].{field}.template.spec.containers[1].image" in ended.err


def test_what_the_api_server_writes_is_no_place_for_pods(convert: Convert, file: Path) -> None:
    resource = config_map(pod=POD)
    resource["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": POD}
    resource["status"] = {"pod": POD}
    file.write_text(json.dumps(resource))
    converted = yaml.safe_load(convert(str(file), *LABEL).out)
    assert (converted["metadata"], converted["status"]) == (resource["metadata"], resource["status"])
    assert converted["data"]["pod"] != POD


PIPELINE = """\
podTemplate(containers: [
  containerTemplate(name: 'tools', image: 'docker:29-cli', command: 'cat'),
  containerTemplate(name: 'daemon', image: 'docker:29-dind', privileged: true)
]) { node(POD_LABEL) { container('daemon') { sh 'docker build .' } } }
"""


def test_a_jenkinsfile_in_an_object_is_converted_letter_by_letter(convert: Convert, file: Path) -> None:
    file.write_text(json.dumps(config_map(Jenkinsfile=PIPELINE)))
    ended = convert(str(file), *LABEL)
    assert ended.code == 0, ended.err
    text = yaml.safe_load(ended.out)["data"]["Jenkinsfile"]
    assert text.startswith("podTemplate(containers: [\n  containerTemplate(name: 'tools', image: 'docker:29-cli'")
    assert text.endswith("{ node(POD_LABEL) { container('daemon') { sh 'docker build .' } } }\n")
    assert "nesteddocker.dev/inject: standard" in text
    assert "differs: ConfigMap/x: data.Jenkinsfile, line 3: containerTemplate.privileged" in ended.err
    assert "differs: ConfigMap/x: data.Jenkinsfile, line 4: the container is gone" in ended.err
    ended = convert(str(file))
    assert (ended.code, ended.out) == (2, "")
    assert "error: ConfigMap/x: data.Jenkinsfile has no NestedDocker beside it" in ended.err


def test_data_of_a_secret_are_named_and_not_shown(convert: Convert, file: Path) -> None:
    data = {"config.toml": f"token = 1\n{CONFIG}", "other": "x"}
    encoded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
    secret = config_map(**encoded) | {"kind": "Secret"}
    secret["data"] |= {"broken": "?", "empty": None, "binary": base64.b64encode(b"\xff dind").decode()}
    file.write_text(json.dumps(secret))
    ended = convert(str(file), *LABEL)
    assert ended.code == 1
    assert ended.err.splitlines()[0] == (
        "differs: Secret/x: data.config.toml: line 5: it is not read, since it is base64: write it into stringData, "
        'and convert again (value: "config.toml")'
    )
    assert len(ended.err.splitlines()) == 3


def test_the_template_of_the_runner_s_hooks_names_the_job_as_its_pod_does(convert: Convert, file: Path) -> None:
    job = {"name": "$job", "env": [{"name": "DOCKER_HOST", "value": "tcp://localhost:2375"}]}
    containers = [job, {"name": "other", "image": "a"}, {"name": "daemon", "image": "docker:29-dind"}]
    file.write_text(json.dumps(config_map(content=json.dumps({"spec": {"containers": containers}}))))
    template = json.loads(yaml.safe_load(convert(str(file), *LABEL).out)["data"]["content"])
    assert template["metadata"]["annotations"] == {"nesteddocker.dev/inject-containers": "job"}
    assert [each["name"] for each in template["spec"]["containers"]] == ["$job", "other"]
