"""Runners of the older API of Actions Runner Controller: which of them have a daemon, and what becomes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.convert.conftest import Convert

LABEL = ("--as", "label", "--class", "standard")


def runner(kind: str = "Runner", **fields: Any) -> dict[str, Any]:
    spec = {"repository": "shop/app", **fields}
    whole = {"template": {"spec": spec}} if kind in {"RunnerDeployment", "RunnerReplicaSet"} else spec
    return {"apiVersion": "actions.summerwind.dev/v1alpha1", "kind": kind, "metadata": {"name": "shop"}, "spec": whole}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "runner.yaml"


@pytest.mark.parametrize(
    ("fields", "has_one"),
    [
        ({}, True),
        ({"dockerEnabled": True}, True),
        ({"dockerEnabled": False}, False),
        ({"dockerEnabled": False, "dockerdWithinRunnerContainer": True}, True),
        ({"containerMode": "kubernetes"}, False),
        ({"containerMode": "kubernetes", "dockerEnabled": True}, False),
    ],
    ids=str,
)
def test_the_controller_adds_a_daemon_unless_it_is_told_not_to(
    convert: Convert, file: Path, fields: dict[str, Any], has_one: bool
) -> None:
    file.write_text(json.dumps(runner(**fields)))
    ended = convert(str(file), *LABEL)
    assert ended.code == (0 if has_one else 1), ended.err
    if has_one:
        done = yaml.safe_load(ended.out)
        assert done["spec"] == {"repository": "shop/app", "dockerEnabled": False}
        assert done["metadata"]["labels"] == {"nesteddocker.dev/inject": "standard"}


@pytest.mark.parametrize("kind", ["RunnerDeployment", "RunnerReplicaSet", "RunnerSet"])
def test_the_label_is_that_of_the_pods(convert: Convert, file: Path, kind: str) -> None:
    file.write_text(json.dumps(runner(kind)))
    done = yaml.safe_load(convert(str(file), *LABEL).out)
    assert done["metadata"] == {"name": "shop"}
    assert done["spec"]["template"]["metadata"]["labels"] == {"nesteddocker.dev/inject": "standard"}


def test_an_image_that_starts_its_own_daemon_is_named(convert: Convert, file: Path) -> None:
    file.write_text(json.dumps(runner(dockerdWithinRunnerContainer=True, image="actions-runner-dind")))
    ended = convert(str(file), *LABEL)
    assert "spec.dockerdWithinRunnerContainer: removed: the runner's image must not start a daemon" in ended.err
    assert '(value: "actions-runner-dind")' in ended.err
    assert "the controller no longer adds the container docker" not in ended.err


def test_a_volume_that_came_with_the_daemon_stays_for_those_who_mount_it(convert: Convert, file: Path) -> None:
    mount = {"name": "work", "mountPath": "/runner/_work"}
    file.write_text(json.dumps(runner(initContainers=[{"name": "own", "image": "a", "volumeMounts": [mount]}])))
    assert yaml.safe_load(convert(str(file), *LABEL).out)["spec"]["volumes"] == [{"name": "work", "emptyDir": {}}]


def test_a_variable_that_leads_to_another_daemon_is_refused(convert: Convert, file: Path) -> None:
    file.write_text(json.dumps(runner(env=[{"name": "DOCKER_HOST", "value": "tcp://far:2376"}])))
    ended = convert(str(file), *LABEL)
    assert ended.code == 2
    assert "error: Runner/shop: spec.env[0]: DOCKER_HOST is 'tcp://far:2376'" in ended.err


def test_another_group_with_the_same_kind_is_no_such_runner(convert: Convert, file: Path) -> None:
    file.write_text(json.dumps(runner() | {"apiVersion": "runners.example.com/v1"}))
    assert convert(str(file), *LABEL).code == 1
