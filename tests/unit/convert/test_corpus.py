"""What `convert` writes for each shape, whole; UPDATE_SNAPSHOTS=1 writes the files anew, for review in the diff."""

from __future__ import annotations

import json
import os
import tomllib
from typing import Any

import pytest
import yaml
from tests.unit.convert.conftest import Convert
from tests.unit.convert.corpus import CASES, CORPUS, FOLDER, case_id
from tests.unit.snapshot import FOLDER as SNAPSHOTS

from nested_docker.convert.conversion import ConversionOptions
from nested_docker.convert.manifests_conversion import convert_manifests

OLD_WAYS = (
    "tcp://localhost:237",
    "tcp://127.0.0.1:2",
    "docker.sock",
    "tcp://docker",
    "dind",
    "kubedock:",
    "moby/buildkit",
)


def parsed(name: str, text: str) -> list[Any]:
    """The documents of a result."""
    return [tomllib.loads(text)] if CORPUS[name].suffix == ".toml" else [*yaml.safe_load_all(text)]


@pytest.mark.parametrize(("name", "form"), CASES, ids=case_id)
def test_the_result_and_its_differences_are_as_reviewed(convert: Convert, name: str, form: list[str]) -> None:
    ended = convert(*form, str(CORPUS[name]))
    assert ended.code == 0, ended.err
    text = ended.out + "".join(f"# {line}\n" for line in ended.err.replace(str(FOLDER), "corpus").splitlines())
    path = SNAPSHOTS / "convert" / f"{name}-{case_id(form)}.txt"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize(("name", "form"), CASES, ids=case_id)
def test_nothing_that_leads_to_the_old_daemon_is_left(convert: Convert, name: str, form: list[str]) -> None:
    documents = parsed(name, convert(*form, str(CORPUS[name])).out)
    others = {"NestedDocker", "Service", "ConfigMap"} - ({"ConfigMap"} if name == "config-map-of-pods" else set())
    workloads = [each for each in documents if each.get("kind") not in others]
    assert [old for old in OLD_WAYS if old in json.dumps(workloads)] == []
    connected = "nesteddocker.dev/inject" if form else "-docker-env"
    assert all(connected in json.dumps(each) for each in workloads)


@pytest.mark.parametrize(("name", "form"), CASES, ids=case_id)
def test_a_second_conversion_finds_nothing(convert: Convert, tmp_path: Any, name: str, form: list[str]) -> None:
    once = tmp_path / f"once{CORPUS[name].suffix}"
    once.write_text(convert(*form, str(CORPUS[name])).out)
    ended = convert(*form, str(once))
    assert ended.code in {1, 2}  # a pipeline without services is no input any more
    assert "error: " in ended.err


def test_objects_without_a_daemon_stay_as_they_are() -> None:
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"ports": [{"port": 1}]}}
    result = convert_manifests([{"apiVersion": "v1", "kind": "List", "items": [service]}], ConversionOptions())
    assert (result.documents, result.differences, result.converted) == ([service], [], 0)
