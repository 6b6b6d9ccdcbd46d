"""Every field of an input is in the output or named, and pods with the label are pods that the webhook takes."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from tests.unit.convert.corpus import CASES, CORPUS, case_id
from tests.unit.convert.texts import within_text
from tests.unit.domain.injection.pods import patched
from tests.unit.domain.injection.sidecars import inject, judged

from nested_docker.convert.chart_values import convert_values
from nested_docker.convert.conversion import Conversion, ConversionOptions, ConvertedForm
from nested_docker.convert.files import conversion_of
from nested_docker.convert.manifests_conversion import convert_manifests
from nested_docker.convert.workloads import TEMPLATE_OF_KIND
from nested_docker.domain.injection.patch import InjectedConnection, Marks, injection_patch
from nested_docker.domain.injection.request import connected_containers, injection_request
from nested_docker.domain.names import ANNOTATION_INJECT_FORM

MARK = "kept-or-named"
YAML_CASES = [(name, form) for name, form in CASES if CORPUS[name].suffix == ".yaml"]
LABELLED = [(name, form) for name, form in YAML_CASES if form]


def documents_of(name: str) -> list[Any]:
    return [document for document in yaml.safe_load_all(CORPUS[name].read_text()) if document]


def converted(documents: list[Any], form: list[str]) -> Conversion:
    options = ConversionOptions()
    if form:
        options = ConversionOptions(ConvertedForm(form[1]), class_name=form[3])
    convert = conversion_of(documents[0])
    if convert is None and "kind" not in documents[0]:
        return convert_values(documents[0], options, "values.yaml: ")
    return convert(documents[0], options) if convert else convert_manifests(documents, options)


def with_mark(value: Any) -> Iterator[Any]:
    """The value with an unknown field in each of its mappings, one at a time."""
    if isinstance(value, dict):
        yield {**value, "futureField": MARK}
        for key, member in value.items():
            yield from ({**value, key: each} for each in with_mark(member))
    elif isinstance(value, list):
        for number, member in enumerate(value):
            yield from ([*value[:number], each, *value[number + 1 :]] for each in with_mark(member))
    elif isinstance(value, str) and "\n" in value:
        yield from within_text(value, with_mark)


@pytest.mark.parametrize(("name", "form"), YAML_CASES, ids=case_id)
def test_an_unknown_field_anywhere_is_kept_or_named(name: str, form: list[str]) -> None:
    for marked in with_mark(documents_of(name)):
        done = converted(marked, form)
        named = [each.value for each in done.differences]
        assert MARK in json.dumps([done.documents, named]), marked


def pods(result: Conversion) -> Iterator[dict[str, Any]]:
    """Pods that the objects of a result have or make."""
    for document in result.documents:
        where = TEMPLATE_OF_KIND.get(document.get("kind", ""))
        if where is not None:
            template = document
            for part in where:
                template = template[part]
            metadata = {**(template.get("metadata") or {}), "namespace": "team-a"}
            yield {"metadata": metadata, "spec": copy.deepcopy(template["spec"])}


def assert_taken(pod: dict[str, Any]) -> None:
    """The webhook adds what a pod asks for, and finds it complete."""
    if ANNOTATION_INJECT_FORM in pod["metadata"].get("annotations", {}):
        assert judged(inject(pod)) == ""
        return
    containers = connected_containers(pod, injection_request(pod))
    marks = Marks("0" * 20, "signature")
    injected = patched(pod, injection_patch(pod, InjectedConnection("injected-1"), containers, marks))
    assert [each.container["name"] for each in connected_containers(injected, injection_request(injected))] != []


@pytest.mark.parametrize(("name", "form"), LABELLED, ids=case_id)
def test_the_webhook_takes_the_pods(name: str, form: list[str]) -> None:
    for pod in pods(converted(documents_of(name), form)):
        assert_taken(pod)


OF_OLD_CLIENTS = {
    "DOCKER_HOST": "tcp://localhost:2376",
    "DOCKER_TLS": "1",
    "DOCKER_TLS_VERIFY": "1",
    "DOCKER_CERT_PATH": "/certs/client",
    "DOCKER_TLS_CERTDIR": "/certs",
    "TESTCONTAINERS_HOST_OVERRIDE": "localhost",
}


@pytest.mark.parametrize("form", [["--as", form, "--class", "standard"] for form in ("label", "sidecar")], ids=case_id)
def test_the_webhook_takes_a_pod_whose_client_had_every_variable(form: list[str]) -> None:
    env = [{"name": name, "value": value} for name, value in OF_OLD_CLIENTS.items()]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "job"},
        "spec": {"containers": [{"name": "job", "env": env}, {"name": "dind", "image": "docker:29-dind"}]},
    }
    done = converted([pod], form)
    (made,) = pods(done)
    assert "env" not in made["spec"]["containers"][0]
    assert {each.path.rpartition(".")[2] for each in done.differences} >= {f"env[{number}]" for number in range(6)}
    assert_taken(made)


@pytest.mark.parametrize(
    ("kind", "spec"), [("ReplicationController", ["spec", "template"]), ("PodTemplate", ["template"])]
)
def test_every_kind_of_kubernetes_with_a_pod_is_converted(kind: str, spec: list[str]) -> None:
    containers = [{"name": "job", "image": "a"}, {"name": "dind", "image": "docker:29-dind"}]
    whole: Any = {"metadata": {}, "spec": {"containers": containers}}
    for part in reversed(spec):
        whole = {part: whole}
    done = converted([{"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}, **whole}], [])
    assert done.converted == 1
    assert [each["kind"] for each in done.documents] == ["NestedDocker", kind]


def test_the_items_of_a_typed_list_are_converted() -> None:
    item = {"metadata": {"name": "x"}, "spec": {"containers": [{"name": "a"}, {"name": "d", "image": "docker:dind"}]}}
    pods = {"apiVersion": "v1", "kind": "PodList", "metadata": {"name": "all"}, "items": [item]}
    done = converted([pods], [])
    assert done.converted == 1
    assert "docker:dind" not in json.dumps(done.documents[1:])


def test_a_job_named_pages_and_a_file_with_inputs_are_converted() -> None:
    job = {"services": ["docker:29-dind"], "script": ["docker build ."]}
    form = ["--as", "label", "--class", "standard"]
    (pipeline,) = converted([{"pages": job}], form).documents
    assert "services" not in pipeline["pages"]
    header = {"spec": {"inputs": {"image": {"default": "a"}}}}
    done = converted([header], form)
    assert (done.documents, done.converted) == ([header], 0)
