"""The pages of docs/living-with: each line names the test that runs it or says that none does, and manifests work."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.factory import policy_spec
from tests.unit.domain.injection.pods import patched, pod
from tests.unit.pages import DOCS, ROOT, table
from tests.unit.world import World

from nested_docker.api.v1alpha1 import API_VERSION, NestedDockerClassSpec, NestedDockerSpec
from nested_docker.cli.findings import Findings, Position
from nested_docker.cli.strict import parse_model
from nested_docker.domain import names
from nested_docker.domain.injection.patch import InjectedConnection, Marks, injection_patch
from nested_docker.domain.injection.request import connected_containers, injection_request

PAGES = sorted((DOCS / "living-with").glob("*.md"))
UNTRIED = "Not tried here"
HEAD = "shown by"

Manifest = dict[str, Any]


def rows() -> Iterator[tuple[str, list[str]]]:
    for page in PAGES:
        for block in re.split(r"\n\n+", page.read_text()):
            if block.startswith("|") and HEAD in block.splitlines()[0]:
                yield from ((page.stem, cells) for cells in table(block) if cells[-1] != HEAD)


def manifests(kind: str) -> Iterator[tuple[str, Manifest]]:
    """Manifests of one of our kinds on the pages, by page and name."""
    for page in PAGES:
        for block in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            for document in yaml.safe_load_all(block):
                if (document["apiVersion"], document["kind"]) == (API_VERSION, kind):
                    yield f"{page.stem} {document['metadata']['name']}", document


CLASSES = dict(manifests("NestedDockerClass"))
NESTED_DOCKERS = dict(manifests("NestedDocker"))


def of_class(manifest: Manifest) -> World:
    """A daemon of a class."""
    world = World(classes={"standard": NestedDockerClassSpec.model_validate(manifest["spec"])})
    world.settle()
    return world


def test_every_subject_has_a_page_that_the_first_page_links() -> None:
    subjects = {"autoscaler", "backup", "gitops", "managed-clusters", "mesh", "policy-engines", "quotas"}
    assert {page.stem for page in PAGES} == subjects
    first = (DOCS / "index.md").read_text()
    assert [each for each in sorted(subjects) if f"](living-with/{each}.md)" not in first] == []


@pytest.mark.parametrize(("page", "cells"), [*rows()], ids=lambda value: value if isinstance(value, str) else value[0])
def test_a_line_names_a_test_that_exists_or_says_that_there_is_none(page: str, cells: list[str]) -> None:
    assert len(cells) == 3, f"{page}: {cells}"
    if cells[-1] == UNTRIED:
        return
    named = re.fullmatch(r"`(tests/[\w/]+\.py)::(\w+)`", cells[-1])
    assert named, f"{page}: {cells[-1]}: write `path::test`, or {UNTRIED}"
    tree = ast.parse(Path(ROOT, named[1]).read_text())
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert named[2] in functions, f"{page}: {cells[-1]} does not exist"


def test_every_page_has_lines_with_tests() -> None:
    shown = {page for page, cells in rows() if cells[-1] != UNTRIED}
    assert shown == {page.stem for page in PAGES}


@pytest.mark.parametrize("page", CLASSES)
def test_a_class_has_no_unknown_field(page: str) -> None:
    spec = CLASSES[page]["spec"]
    findings = Findings()
    assert parse_model(NestedDockerClassSpec, spec, Position(page), findings), findings.problems


@pytest.mark.parametrize("page", [page for page, manifest in CLASSES.items() if "podTemplate" in manifest["spec"]])
def test_a_class_puts_its_metadata_on_the_pod(page: str) -> None:
    wanted = CLASSES[page]["spec"]["podTemplate"]["metadata"]
    metadata = of_class(CLASSES[page]).pod()["metadata"]
    for kind in ("labels", "annotations"):
        assert metadata[kind].items() >= wanted.get(kind, {}).items()


def test_a_class_keeps_drains_out() -> None:
    made = of_class(CLASSES["autoscaler long-builds"])
    assert [each.name for each in made.children if each.kind == "PodDisruptionBudget"] == ["build"]
    assert [each["name"] for each in made.pod()["spec"]["containers"]] == ["daemon", "idle-watch"]


def test_a_class_chooses_nodes() -> None:
    wanted = {
        "nodeSelector": {"pool": "docker"},
        "tolerations": [{"key": "docker", "operator": "Exists", "effect": "NoSchedule"}],
    }
    spec = of_class({"spec": {"modes": ["Dind"], "podTemplate": {"spec": wanted}}}).pod()["spec"]
    assert {key: spec[key] for key in wanted} == wanted


def test_a_client_keeps_the_daemon_s_port_out_of_its_proxy() -> None:
    """The port on the page of injection is the daemon's, and the webhook leaves the annotations as they are."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", (DOCS / "injection.md").read_text(), re.MULTILINE | re.DOTALL)
    (page,) = (block for block in blocks if "skip-outbound-ports" in block)
    annotations = yaml.safe_load(page)["metadata"]["annotations"]
    assert set(annotations.values()) == {str(names.DOCKER_PORT)}
    asking = pod(annotations=annotations)
    containers = connected_containers(asking, injection_request(asking))
    marks = Marks("0" * 20, "signature")
    injected = patched(asking, injection_patch(asking, InjectedConnection("injected-1"), containers, marks))
    assert injected["metadata"]["annotations"].items() >= annotations.items()


@pytest.mark.parametrize("page", NESTED_DOCKERS)
def test_a_secret_template_is_on_the_connection_secrets(page: str) -> None:
    spec = NESTED_DOCKERS[page]["spec"]
    findings = Findings()
    assert parse_model(NestedDockerSpec, spec, Position(page), findings), findings.problems
    world = World({"mode": "Dind"} | spec, policies={"everything": policy_spec()})
    world.settle()
    for name in (names.files_secret("build"), names.env_secret("build")):
        secret = world.secret(name)
        assert secret is not None
        assert secret["metadata"]["labels"].items() >= spec["connection"]["secretTemplate"]["labels"].items()
