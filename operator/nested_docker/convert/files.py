"""Which conversion a document of a file needs that is no Kubernetes object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from nested_docker.convert.conversion import Conversion, ConversionOptions
from nested_docker.convert.gitlab_pipeline import convert_pipeline, is_pipeline
from nested_docker.convert.gitlab_runner import convert_runner_values, is_runner_values
from nested_docker.convert.runner_scale_set import convert_scale_set, is_scale_set
from nested_docker.convert.woodpecker_pipeline import convert_workflow_file, is_workflow

ConvertDocument = Callable[[Mapping[str, Any], ConversionOptions], Conversion]

KINDS_OF_FILES: tuple[tuple[Callable[[Mapping[str, Any]], bool], ConvertDocument], ...] = (
    (is_runner_values, convert_runner_values),
    (is_scale_set, convert_scale_set),
    (is_workflow, convert_workflow_file),
    (is_pipeline, convert_pipeline),
)
"""A document is of the first kind that it looks like."""


def conversion_of(document: Mapping[str, Any]) -> ConvertDocument | None:
    """What converts a document; None: it is of no kind that is known."""
    values = _values_of_release(document)
    if values and (convert := conversion_of(values)):
        return partial(_convert_release, convert)
    return next((convert for is_kind, convert in KINDS_OF_FILES if is_kind(document)), None)


def what_else(document: Mapping[str, Any]) -> str:
    """What a document seems to be that nothing converts, for a message."""
    if _has_members(document.get("services"), {"image", "build", "extends"}):
        return "a compose file, which makes no pods: convert what starts the daemon in the cluster"
    if _has_members(document.get("jobs"), {"runs-on", "uses"}):
        return "a workflow of GitHub Actions, which does not choose its pod: convert the values of the runner scale set"
    return "neither a Kubernetes object nor a file of a CI system that is known"


def _has_members(value: Any, keys: set[str]) -> bool:
    members = [*value.values()] if isinstance(value, dict) else []
    return bool(members) and all(isinstance(each, dict) and keys & each.keys() for each in members)


def _values_of_release(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The values of a HelmRelease of Flux; empty: it is none, or has none."""
    spec = document.get("spec")
    values = spec.get("values") if document.get("kind") == "HelmRelease" and isinstance(spec, dict) else None
    return values if isinstance(values, dict) else {}


def _convert_release(convert: ConvertDocument, document: Mapping[str, Any], options: ConversionOptions) -> Conversion:
    done = convert(_values_of_release(document), options)
    (values,) = done.documents
    return replace(done, documents=[{**document, "spec": {**document["spec"], "values": values}}])
