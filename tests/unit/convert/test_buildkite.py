"""Pods of Buildkite's controller: which containers get the connection, and what is a plugin of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.convert.conftest import Convert

LABEL = ("--as", "label", "--class", "standard")
DAEMON = {"image": "docker:29-dind", "securityContext": {"privileged": True}}
INJECT = {"nesteddocker.dev/inject": "standard"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pipeline.yaml"


def pipeline(name: str = "kubernetes", **plugin: Any) -> str:
    return json.dumps({"steps": [{"plugins": [{name: plugin}]}]})


def plugin_of(output: str) -> dict[str, Any]:
    (plugin,) = yaml.safe_load(output)["steps"][0]["plugins"]
    (settings,) = plugin.values()
    return dict(settings)


@pytest.mark.parametrize("name", ["kubernetes", "kubernetes#v1", "github.com/x/kubernetes-buildkite-plugin#main"])
def test_the_plugin_has_several_names(convert: Convert, file: Path, name: str) -> None:
    file.write_text(pipeline(name, sidecars=[DAEMON], podSpec={"containers": [{"image": "a"}]}))
    ended = convert(str(file), *LABEL)
    assert ended.code == 0, ended.err
    assert plugin_of(ended.out)["metadata"]["labels"] == INJECT


def test_containers_without_a_name_have_that_of_the_controller(convert: Convert, file: Path) -> None:
    containers = [{"image": "a"}, {"name": "b", "image": "b"}, {"image": "c"}]
    file.write_text(pipeline(sidecars=[DAEMON, {"image": "db"}], podSpec={"containers": containers}))
    settings = plugin_of(convert(str(file), *LABEL).out)
    names = settings["metadata"]["annotations"]["nesteddocker.dev/inject-containers"]
    assert names == "container-0,b,container-2,sidecar-1"
    assert settings["podSpec"]["containers"] == containers
    assert settings["sidecars"] == [{"image": "db"}]


def test_a_step_without_a_container_has_that_which_the_controller_makes(convert: Convert, file: Path) -> None:
    file.write_text(pipeline(sidecars=[DAEMON]))
    settings = plugin_of(convert(str(file), *LABEL).out)
    assert settings == {
        "metadata": {"labels": INJECT, "annotations": {"nesteddocker.dev/inject-containers": "container-0"}}
    }


def test_a_native_sidecar_of_the_pod_is_a_daemon_too(convert: Convert, file: Path) -> None:
    native = DAEMON | {"name": "daemon", "restartPolicy": "Always"}
    file.write_text(pipeline(podSpec={"initContainers": [native], "containers": [{"image": "a"}]}))
    assert plugin_of(convert(str(file), *LABEL).out)["podSpec"] == {"containers": [{"image": "a"}]}


def test_mounts_of_all_containers_stay_unless_they_lead_to_the_daemon(convert: Convert, file: Path) -> None:
    mounts = [{"name": "run", "mountPath": "/var/run"}, {"name": "cache", "mountPath": "/cache"}]
    spec = {"containers": [{"image": "a"}], "volumes": [{"name": name, "emptyDir": {}} for name in ("run", "cache")]}
    file.write_text(pipeline(sidecars=[DAEMON], extraVolumeMounts=mounts, podSpec=spec))
    settings = plugin_of(convert(str(file), *LABEL).out)
    assert settings["extraVolumeMounts"] == [mounts[1]]
    assert settings["podSpec"] == {"containers": [{"image": "a"}], "volumes": [{"name": "cache", "emptyDir": {}}]}


def test_a_step_cannot_share_a_nested_docker(convert: Convert, file: Path) -> None:
    file.write_text(pipeline(sidecars=[DAEMON], podSpec={"containers": [{"image": "a"}]}))
    ended = convert(str(file))
    assert (ended.code, ended.out) == (2, "")
    assert "use --as label --class CLASS" in ended.err


@pytest.mark.parametrize("name", ["docker", "kubernetes-login"])
def test_another_plugin_is_none(convert: Convert, file: Path, name: str) -> None:
    file.write_text(pipeline(name, sidecars=[DAEMON]))
    ended = convert(str(file), *LABEL)
    assert ended.code == 1
    assert f"steps[0].plugins[0].{name}.sidecars[0]: it is not read, since this is no pod" in ended.err
