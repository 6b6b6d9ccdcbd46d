"""Which conversion a document needs that is no Kubernetes object, but a file of a CI system or values of a chart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from nested_docker.convert.buildkite_plugin import convert_plugin, convert_settings, is_controller, is_plugin
from nested_docker.convert.conversion import Conversion, ConversionOptions
from nested_docker.convert.gitlab_pipeline import convert_pipeline, is_pipeline
from nested_docker.convert.gitlab_runner import convert_runner_values, is_runner_values
from nested_docker.convert.jenkins_cloud import convert_agent_template, is_agent_template
from nested_docker.convert.runner_scale_set import (
    convert_runner_mode,
    convert_scale_set,
    has_container_mode,
    has_runner_mode,
    is_scale_set,
)
from nested_docker.convert.woodpecker_pipeline import convert_workflow_file, is_workflow


class ConvertDocument(Protocol):
    """Converts a document; `head` begins its paths, and is by default a name of such a file.

    Raises:
        UnconvertibleError: the options do not fit, or it cannot be converted as it is.
    """

    def __call__(self, document: Mapping[str, Any], options: ConversionOptions, head: str = ..., /) -> Conversion:
        """Convert."""


_Kind = tuple[Callable[[Mapping[str, Any]], bool], ConvertDocument]

KINDS_OF_FILES: tuple[_Kind, ...] = (
    (is_runner_values, convert_runner_values),
    (is_scale_set, convert_scale_set),
    (is_workflow, convert_workflow_file),
    (is_pipeline, convert_pipeline),
)
"""A document is of the first kind that it looks like."""

KINDS_OF_VALUES: tuple[_Kind, ...] = (
    (is_runner_values, convert_runner_values),
    (has_container_mode, convert_scale_set),
    (has_runner_mode, convert_runner_mode),
    (is_plugin, convert_plugin),
    (is_controller, convert_settings),
    (is_agent_template, convert_agent_template),
)
"""What nothing else looks like, so that it may be anywhere, such as values of a chart in those of another."""


def conversion_of(document: Mapping[str, Any]) -> ConvertDocument | None:
    """What converts a document; None: it is of no kind that is known."""
    return _first(KINDS_OF_FILES, document)


def conversion_of_part(part: Mapping[str, Any]) -> ConvertDocument | None:
    """What converts a part of a document; None: it is of no kind that has such a mark."""
    return _first(KINDS_OF_VALUES, part)


def what_is_not_read(file: str) -> tuple[str, str] | None:
    """What a file is by its name, and what to do instead; None: it may be read."""
    if file.endswith((".tf", ".tf.json")):
        return "Terraform", "write the label into `metadata` of the pod there: see docs/injection.md"
    if file.endswith("devcontainer.json"):
        return "a dev container's configuration", "see docs/ci.md, dev containers"
    return None


def _first(kinds: tuple[_Kind, ...], document: Mapping[str, Any]) -> ConvertDocument | None:
    return next((convert for is_kind, convert in kinds if is_kind(document)), None)


def what_else(document: Mapping[str, Any]) -> str:
    """What a document seems to be that nothing converts, for a message; empty: it may be anything."""
    if _has_members(document.get("services"), {"image", "build", "extends"}):
        return "a compose file, which makes no pods: convert what starts the daemon in the cluster"
    if _has_members(document.get("jobs"), {"runs-on", "uses"}):
        return "a workflow of GitHub Actions, which does not choose its pod: convert the values of the runner scale set"
    return ""


def _has_members(value: Any, keys: set[str]) -> bool:
    members = [*value.values()] if isinstance(value, dict) else []
    return bool(members) and all(isinstance(each, dict) and keys & each.keys() for each in members)
