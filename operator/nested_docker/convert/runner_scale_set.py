"""Values of the chart gha-runner-scale-set with a daemon in each runner's pod, as values with the label."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from nested_docker.convert.clients import name_new_place
from nested_docker.convert.connection import GivenConnection, with_label
from nested_docker.convert.conversion import Conversion, ConversionOptions, labelled
from nested_docker.convert.daemon_container import Surroundings
from nested_docker.convert.difference import UnconvertibleError
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.embedded_templates import CONTAINER_JOBS, USE_OF_CONTROLLER
from nested_docker.convert.fields import joined, mapping_at
from nested_docker.convert.pod_template import converted_template, has_daemon

SCALE_SET_VALUES = "values.yaml: "
RUNNER = "runner"
BY_THE_CHART = (
    "removed: the chart no longer adds the containers init-dind-externals and dind, which was privileged, and their "
    "volumes; the runner's container gets the connection from the label"
)


def is_scale_set(document: Mapping[str, Any]) -> bool:
    """Whether a document is such a file."""
    template = document.get("template")
    has_pod = isinstance(template, dict) and isinstance(template.get("spec"), dict)
    return "apiVersion" not in document and ("githubConfigUrl" in document or has_container_mode(document) or has_pod)


def has_container_mode(document: Mapping[str, Any]) -> bool:
    """Whether a document has what no other one has."""
    return isinstance(document.get("containerMode"), dict)


def convert_scale_set(
    document: Mapping[str, Any], options: ConversionOptions, head: str = SCALE_SET_VALUES
) -> Conversion:
    """Replace the daemon of `containerMode`, or of a template that is written by hand.

    Raises:
        UnconvertibleError: the options do not fit, or it cannot be converted as it is.
    """
    options.require_label(f"{head.rstrip(' :')}: a chart's values have no NestedDocker beside them")
    template_path = joined(head, "template")
    values, draft, connection = copy.deepcopy(dict(document)), SpecDraft(), options.connection()
    mode = mapping_at(values.get("containerMode"), joined(head, "containerMode"))
    count = 0
    if mode.get("type") == "dind":
        _by_container_mode(values, head, connection, draft)
        count = 1
    template = mapping_at(values.get("template"), template_path)
    if has_daemon(template, template_path):
        done = converted_template(template, template_path, connection, Surroundings({}))
        if done.template is None:
            raise UnconvertibleError(f"{template_path} has no container but the daemon", "add the container `runner`")
        values["template"] = done.template
        draft.add(done.draft)
        count = 1
    if count:
        draft.differs(template_path, options.class_name, USE_OF_CONTROLLER)
        draft.differs(template_path, RUNNER, CONTAINER_JOBS)
    return labelled(values, draft, options, count)


def _by_container_mode(values: dict[str, Any], head: str, connection: GivenConnection, draft: SpecDraft) -> None:
    path = joined(head, "template")
    template = mapping_at(values.get("template"), path)
    draft.differs(joined(head, "containerMode"), values.pop("containerMode"), BY_THE_CHART)
    metadata = with_label(template.get("metadata"), connection, [RUNNER], joined(path, "metadata"))
    values["template"] = {**template, "metadata": metadata}
    name_new_place(path, RUNNER, draft, is_beside=connection.is_beside)
