"""What `nested-docker convert` writes is valid: the real API server takes it, and so what the pages show before."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from tests.support.api import Api
from tests.unit.convert.corpus import CORPUS, CUSTOM, ONLY_DAEMONS, SYSTEMS
from tests.unit.convert.pages import EXAMPLES

from nested_docker.convert.conversion import ConversionOptions, ConvertedForm
from nested_docker.convert.manifests_conversion import convert_manifests

FOLDER_OF_KIND = {
    "Pod": "api/v1/namespaces/default/pods",
    "ConfigMap": "api/v1/namespaces/default/configmaps",
    "Service": "api/v1/namespaces/default/services",
    "Deployment": "apis/apps/v1/namespaces/default/deployments",
    "StatefulSet": "apis/apps/v1/namespaces/default/statefulsets",
    "Job": "apis/batch/v1/namespaces/default/jobs",
    "CronJob": "apis/batch/v1/namespaces/default/cronjobs",
    "NestedDocker": "apis/nesteddocker.dev/v1alpha1/namespaces/default/nesteddockers",
}


def results() -> Iterator[tuple[str, dict[str, Any]]]:
    """Objects to offer, by where they come from."""
    label = ConversionOptions(ConvertedForm.LABEL, class_name="standard")
    sidecar = ConversionOptions(ConvertedForm.SIDECAR, class_name="standard")
    for name in sorted(CORPUS.keys() - SYSTEMS - CUSTOM):
        documents = [*yaml.safe_load_all(CORPUS[name].read_text())]
        for options in [ConversionOptions()] if name in ONLY_DAEMONS else [ConversionOptions(), label, sidecar]:
            for each in convert_manifests(documents, options).documents:
                yield f"{name} {options.form} {each['kind']}", each
    for number, example in enumerate(EXAMPLES):
        for each in example.workloads:
            if each["kind"] not in FOLDER_OF_KIND:
                continue
            yield f"{example.page} {number} {each['kind']}", each


RESULTS = [*results()]


@pytest.mark.parametrize("manifest", [each for _, each in RESULTS], ids=[name for name, _ in RESULTS])
async def test_the_api_server_takes_it(api: Api, manifest: dict[str, Any]) -> None:
    offered = copy.deepcopy(manifest)
    offered["metadata"].pop("namespace", None)
    if offered["kind"] == "Pod":
        offered["spec"].pop("serviceAccountName", None)  # of the recipe's namespace
    query = {"dryRun": "All", "fieldValidation": "Strict"}
    made = await api.request("POST", f"/{FOLDER_OF_KIND[offered['kind']]}", query=query, body=offered)
    assert made["kind"] == offered["kind"], json.dumps(made)
