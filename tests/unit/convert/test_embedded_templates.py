"""Objects of kinds that nobody told `convert` of: custom resources, releases of charts, and what is no object."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.convert.conftest import Convert

from nested_docker.convert.recognition import Replaced, replaced_kind

LABEL = ("--as", "label", "--class", "standard")
DAEMON = {"name": "dind", "image": "docker:29-dind", "securityContext": {"privileged": True}}
CLIENT = {"name": "main", "image": "docker:29-cli", "env": [{"name": "DOCKER_HOST", "value": "tcp://localhost:2375"}]}
TEMPLATE: dict[str, Any] = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [CLIENT, DAEMON]}}

PLACES: dict[str, dict[str, Any]] = {
    "AutoscalingRunnerSet": {"githubConfigUrl": "x", "template": TEMPLATE},
    "Rollout": {"replicas": 2, "template": TEMPLATE},
    "ScaledJob": {"jobTargetRef": {"template": TEMPLATE}},
    "JobSet": {"replicatedJobs": [{"name": "a", "template": {"spec": {"template": TEMPLATE}}}]},
    "Sandbox": {"podTemplate": TEMPLATE},
}


def custom(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "example.com/v1", "kind": kind, "metadata": {"name": "x", "namespace": "ci"}, "spec": spec}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "input.yaml"


def replaced(node: Any, template: Any) -> Any:
    """The node with another template."""
    if node == TEMPLATE:
        return template
    if isinstance(node, dict):
        return {key: replaced(member, template) for key, member in node.items()}
    return [replaced(member, template) for member in node] if isinstance(node, list) else node


@pytest.mark.parametrize("kind", PLACES)
def test_a_custom_resource_with_a_template_gets_the_label_there(convert: Convert, file: Path, kind: str) -> None:
    file.write_text(json.dumps(custom(kind, PLACES[kind])))
    ended = convert(str(file), *LABEL)
    assert ended.code == 0, ended.err
    client = {key: value for key, value in CLIENT.items() if key != "env"}
    labels = {"a": "b", "nesteddocker.dev/inject": "standard"}
    wanted = replaced(PLACES[kind], {"metadata": {"labels": labels}, "spec": {"containers": [client]}})
    assert yaml.safe_load(ended.out) == custom(kind, wanted)
    assert f"{kind}/x: spec." in ended.err
    assert "securityContext" in ended.err
    assert "their ServiceAccount needs the permission to use the class" in ended.err
    assert ("`container:` jobs" in ended.err) == (kind == "AutoscalingRunnerSet")


@pytest.mark.parametrize("kind", PLACES)
def test_or_it_shares_a_nested_docker(convert: Convert, file: Path, kind: str) -> None:
    file.write_text(json.dumps(custom(kind, PLACES[kind])))
    ended = convert(str(file))
    assert ended.code == 0, ended.err
    daemon, resource = yaml.safe_load_all(ended.out)
    assert (daemon["kind"], daemon["metadata"]) == ("NestedDocker", {"name": "x-daemon", "namespace": "ci"})
    assert '"secretName": "x-daemon-docker"' in json.dumps(resource)
    assert "all its pods and runs share one daemon" in ended.err


def test_a_spec_without_metadata_has_no_place_for_the_label(convert: Convert, file: Path) -> None:
    resource = custom("Workbench", {"podSpec": TEMPLATE["spec"]})
    file.write_text(json.dumps(resource))
    ended = convert(str(file), *LABEL)
    assert ended.code == 2
    assert "Workbench/x: spec.podSpec has no metadata beside it" in ended.err
    ended = convert(str(file))
    assert ended.code == 0, ended.err
    assert "Workbench/x: spec.podSpec.containers[1].securityContext: " in ended.err
    assert [each["name"] for each in [*yaml.safe_load_all(ended.out)][1]["spec"]["podSpec"]["containers"]] == ["main"]


def test_nothing_but_a_daemon(convert: Convert, file: Path) -> None:
    file.write_text(json.dumps(custom("Rollout", {"template": {"spec": {"containers": [DAEMON]}}})))
    ended = convert(str(file))
    assert ended.code == 2
    assert "Rollout/x: spec.template has no container but the daemon" in ended.err


LOOKALIKES: tuple[Any, ...] = (
    {"containers": ["docker:dind"]},
    {"containers": {"dind": DAEMON}},
    {"containers": [{"name": 1, "image": "docker:dind"}]},
    {"template": {"spec": {"containers": []}}},
    {"template": "docker:dind"},
)


@pytest.mark.parametrize("spec", LOOKALIKES)
def test_what_only_looks_like_a_pod_stays_as_it_is(convert: Convert, file: Path, spec: Any) -> None:
    resource, pod = custom("Thing", spec), {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, **TEMPLATE}
    file.write_text(yaml.safe_dump_all([resource, {**pod, "metadata": {"name": "p"}}]))
    ended = convert(str(file), *LABEL)
    assert ended.code == 0, ended.err
    assert next(yaml.safe_load_all(ended.out)) == resource


def test_values_of_a_release_are_converted_as_a_file_of_them(convert: Convert, file: Path) -> None:
    values = {"githubConfigUrl": "https://github.com/x", "containerMode": {"type": "dind"}}
    release = custom("HelmRelease", {"chart": {"spec": {"chart": "gha-runner-scale-set"}}, "values": values})
    file.write_text(json.dumps(release))
    ended = convert(str(file), *LABEL)
    assert ended.code == 0, ended.err
    converted = yaml.safe_load(ended.out)
    template = {"metadata": {"labels": {"nesteddocker.dev/inject": "standard"}}}
    given = copy.deepcopy(release)
    given["spec"]["values"] = converted["spec"]["values"]
    assert converted == given
    assert "containerMode" not in converted["spec"]["values"]
    assert converted["spec"]["values"]["template"]["metadata"]["labels"] == template["metadata"]["labels"]


NO_OBJECTS = {
    "compose": ({"services": {"dind": {"image": "docker:dind", "privileged": True}}}, "a compose file"),
    "workflow": (
        {"on": "push", "jobs": {"a": {"runs-on": "x", "services": {"docker": {"image": "docker:dind"}}}}},
        "a workflow of GitHub Actions",
    ),
    "something": ({"a": 1}, "neither a Kubernetes object nor a file of a CI system"),
}


@pytest.mark.parametrize(("document", "words"), NO_OBJECTS.values(), ids=NO_OBJECTS)
def test_what_is_no_object_is_told_by_what_it_is(
    convert: Convert, file: Path, document: dict[str, Any], words: str
) -> None:
    file.write_text(yaml.safe_dump(document))
    ended = convert(str(file), *LABEL)
    assert (ended.code, ended.out) == (2, "")
    assert words in ended.err


@pytest.mark.parametrize(
    ("container", "kind"),
    [
        ({}, Replaced.DIND),
        ({"args": ["--mtu=1400"]}, Replaced.DIND),
        ({"args": ["dockerd", "--mtu=1400"]}, Replaced.DIND),
        ({"command": ["sh", "-c", "dockerd & sleep 5; ./build.sh"]}, Replaced.DIND),
        ({"command": ["cat"]}, None),
        ({"command": ["/bin/cat"], "tty": True}, None),
        ({"command": ["sleep"], "args": ["99d"]}, None),
        ({"args": ["sleep", "infinity"]}, None),
        ({"command": ["sh", "-c", "tail -f /dev/null"]}, None),
    ],
)
def test_the_daemon_s_image_that_only_waits_is_a_client(container: dict[str, Any], kind: Replaced | None) -> None:
    assert replaced_kind({"image": "docker:29-dind", **container}) is kind
