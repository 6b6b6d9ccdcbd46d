"""Which conversion a document of a file needs that is no Kubernetes object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    return next((convert for is_kind, convert in KINDS_OF_FILES if is_kind(document)), None)
