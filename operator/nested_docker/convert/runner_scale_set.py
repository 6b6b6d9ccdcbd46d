"""Values of the chart gha-runner-scale-set with a daemon in each runner's pod, as values with the label."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from nested_docker.convert.clients import name_new_place
from nested_docker.convert.connection import GivenConnection, with_label
from nested_docker.convert.containers import PlacedContainer, containers_of
from nested_docker.convert.conversion import Conversion, ConversionOptions, labelled
from nested_docker.convert.daemon_container import NOT_CARRIED, Surroundings, read_daemon_container
from nested_docker.convert.difference import UnconvertibleError
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.embedded_templates import USE_OF_CONTROLLER
from nested_docker.convert.fields import joined, mapping_at
from nested_docker.convert.pod_template import converted_template, has_daemon
from nested_docker.convert.recognition import Replaced
from nested_docker.convert.runner_pods import CONTAINER_JOBS, RUNNER, VolumesOfDaemon, detach

SCALE_SET_VALUES = "values.yaml: "
DIND = "dind"
WORK_NEEDS_ANOTHER = (
    "without a daemon the chart makes this volume, which containers mount, only if there is another one here: add one"
)
WITH_DIND = VolumesOfDaemon(socket="dind-sock", others=frozenset({"dind-externals"}))
WITH_DIND_OF_EXPERIMENTAL = replace(WITH_DIND, work="")
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
    if mode.get("type") == DIND:
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


def has_runner_mode(part: Mapping[str, Any]) -> bool:
    """Whether a part of a document is `runner` of the values of gha-runner-scale-set-experimental, with a daemon."""
    return part.get("mode") == DIND and bool({DIND, "container", "pod", "kubernetesMode"} & part.keys())


def convert_runner_mode(runner: Mapping[str, Any], options: ConversionOptions, head: str = RUNNER) -> Conversion:
    """Replace the daemon of `runner.mode`.

    Raises:
        UnconvertibleError: the options do not fit, or it cannot be converted as it is.
    """
    options.require_label(f"{head.rstrip(' :')}: a chart's values have no NestedDocker beside them")
    result, draft, connection = copy.deepcopy(dict(runner)), SpecDraft(), options.connection()
    draft.differs(joined(head, "mode"), result.pop("mode"), BY_THE_CHART)
    settings = mapping_at(result.pop(DIND, None), joined(head, DIND))
    for field, value in settings.items():
        where = joined(head, DIND, field)
        if field == "container":
            read_daemon_container(mapping_at(value, where), Replaced.DIND, where, Surroundings({}), draft)
        else:
            draft.differs(where, value, NOT_CARRIED)
    path = joined(head, "pod")
    pod = mapping_at(result.get("pod"), path)
    own = mapping_at(result.get("container"), joined(head, "container"))
    placed = PlacedContainer(joined(head, "container"), own, "containers")
    detach(pod, path, [placed], WITH_DIND_OF_EXPERIMENTAL, connection=connection, draft=draft)
    spec = mapping_at(pod.get("spec"), joined(path, "spec"))
    if not spec.get("volumes") and any(WITH_DIND.work in each.mounted for each in (*containers_of(spec, path), placed)):
        draft.differs(joined(path, "spec", "volumes"), WITH_DIND.work, WORK_NEEDS_ANOTHER)
    result["pod"] = {**pod, "metadata": with_label(pod.get("metadata"), connection, [RUNNER], joined(path, "metadata"))}
    name_new_place(path, RUNNER, draft, is_beside=connection.is_beside)
    draft.differs(path, options.class_name, USE_OF_CONTROLLER)
    draft.differs(path, RUNNER, CONTAINER_JOBS)
    return labelled(result, draft, options, 1)


def _by_container_mode(values: dict[str, Any], head: str, connection: GivenConnection, draft: SpecDraft) -> None:
    path = joined(head, "template")
    template = mapping_at(values.get("template"), path)
    draft.differs(joined(head, "containerMode"), values.pop("containerMode"), BY_THE_CHART)
    detach(template, path, [], WITH_DIND, connection=connection, draft=draft)
    metadata = with_label(template.get("metadata"), connection, [RUNNER], joined(path, "metadata"))
    values["template"] = {**template, "metadata": metadata}
    name_new_place(path, RUNNER, draft, is_beside=connection.is_beside)
