"""Pod templates of Jenkins' configuration: the label is in their YAML, and what is named is in their words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.convert.conftest import Convert

LABEL = ("--as", "label", "--class", "standard")
DAEMON = {"name": "daemon", "image": "docker:29-dind", "privileged": True}
TOOLS = {"name": "tools", "image": "docker:29-cli", "command": "cat"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "jenkins.yaml"


def cloud(**template: Any) -> dict[str, Any]:
    whole = {"name": "images", "label": "images", **template}
    return {"jenkins": {"clouds": [{"kubernetes": {"templates": [whole]}}]}}


def template_of(output: str) -> dict[str, Any]:
    return dict(yaml.safe_load(output)["jenkins"]["clouds"][0]["kubernetes"]["templates"][0])


def test_a_template_without_yaml_gets_one_with_the_label(convert: Convert, file: Path) -> None:
    file.write_text(json.dumps(cloud(containers=[TOOLS, DAEMON])))
    ended = convert(str(file), *LABEL)
    done = template_of(ended.out)
    assert done["containers"] == [TOOLS]
    assert yaml.safe_load(done["yaml"])["metadata"]["labels"] == {"nesteddocker.dev/inject": "standard"}
    assert "templates[0].containers[1].privileged: the mode decides" in ended.err


def test_what_the_yaml_says_stays(convert: Convert, file: Path) -> None:
    text = "spec:\n  tolerations: []\n"
    file.write_text(json.dumps(cloud(containers=[TOOLS, DAEMON], yaml=text)))
    assert yaml.safe_load(template_of(convert(str(file), *LABEL).out)["yaml"])["spec"] == {"tolerations": []}


def test_a_daemon_in_the_yaml_is_converted_there(convert: Convert, file: Path) -> None:
    containers = [{"name": "client", "image": "a"}, {"name": "daemon", "image": "docker:29-dind"}]
    pod = json.dumps({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": containers}})
    file.write_text(json.dumps(cloud(containers=[TOOLS], yaml=pod)))
    ended = convert(str(file), *LABEL)
    assert ended.code == 0, ended.err
    assert json.loads(template_of(ended.out)["yaml"])["spec"]["containers"] == containers[:1]


def test_values_of_the_chart_have_templates_as_text(convert: Convert, file: Path) -> None:
    templates = yaml.safe_dump([{"name": "images", "label": "images", "containers": [TOOLS, DAEMON]}])
    file.write_text(json.dumps({"agent": {"podTemplates": {"images": templates}}}))
    ended = convert(str(file), *LABEL)
    assert ended.code == 0, ended.err
    (done,) = yaml.safe_load(yaml.safe_load(ended.out)["agent"]["podTemplates"]["images"])
    assert done["containers"] == [TOOLS]
    assert "agent.podTemplates.images: [0].containers[1].privileged" in ended.err


def test_a_pod_of_only_a_daemon_is_refused(convert: Convert, file: Path) -> None:
    file.write_text(json.dumps(cloud(containers=[DAEMON])))
    ended = convert(str(file), *LABEL)
    assert ended.code == 2
    assert "templates[0].containers has no container but the daemon" in ended.err
    assert "hint: add one whose image has the docker command" in ended.err


@pytest.mark.parametrize("text", ["{", "- a list"])
def test_yaml_that_is_no_pod_is_refused(convert: Convert, file: Path, text: str) -> None:
    file.write_text(json.dumps(cloud(containers=[TOOLS, DAEMON], yaml=text)))
    ended = convert(str(file), *LABEL)
    assert ended.code == 2
    assert "templates[0].yaml is no pod" in ended.err


def test_an_agent_cannot_share_a_nested_docker(convert: Convert, file: Path) -> None:
    file.write_text(json.dumps(cloud(containers=[TOOLS, DAEMON])))
    ended = convert(str(file))
    assert (ended.code, ended.out) == (2, "")
    assert "use --as label --class CLASS" in ended.err
