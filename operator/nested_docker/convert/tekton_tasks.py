"""Tasks of Tekton whose sidecar is a daemon: the steps get the connection, and the pods' label is the task's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nested_docker.convert.client_environment import remove_variable
from nested_docker.convert.connection import GivenConnection
from nested_docker.convert.daemon_container import Surroundings
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.fields import joined, mapping_at, objects_at, set_or_remove, text_at
from nested_docker.convert.pod_parts import Part, PodParts, converted_parts, parts_have_daemon
from nested_docker.convert.recognition import CLIENT_VARIABLES

TEKTON_GROUP = "tekton.dev/"
TASKS = frozenset({"Task", "ClusterTask"})


@dataclass(frozen=True)
class _Task:
    """A task, and the object whose metadata its pods get."""

    spec: dict[str, Any]
    owner: dict[str, Any]
    path: str
    owner_path: str


def convert_tasks(
    manifest: dict[str, Any], head: str, connection: GivenConnection, around: Surroundings, draft: SpecDraft
) -> int:
    """Replace the daemon of each task in an object of Tekton, in place; how many were replaced.

    Raises:
        UnconvertibleError: it cannot be converted as it is.
    """
    return sum(_convert(task, connection, around, draft) for task in _tasks(manifest, head))


def _tasks(manifest: dict[str, Any], head: str) -> Iterator[_Task]:
    kind, spec = manifest["kind"], mapping_at(manifest.get("spec"), joined(head, "spec"))
    path = joined(head, "spec")
    if kind in TASKS:
        yield _Task(spec, manifest, path, head)
    elif kind == "TaskRun" and spec.get("taskSpec"):
        path = joined(path, "taskSpec")
        yield _Task(mapping_at(spec["taskSpec"], path), manifest, path, head)
    elif kind == "Pipeline":
        yield from _embedded(spec, path)
    elif kind == "PipelineRun" and spec.get("pipelineSpec"):
        path = joined(path, "pipelineSpec")
        yield from _embedded(mapping_at(spec["pipelineSpec"], path), path)


def _embedded(pipeline: Mapping[str, Any], path: str) -> Iterator[_Task]:
    for field in ("tasks", "finally"):
        for number, each in enumerate(objects_at(pipeline.get(field), joined(path, field))):
            if each.get("taskSpec"):
                where = joined(path, field, number, "taskSpec")
                spec = mapping_at(each["taskSpec"], where)
                yield _Task(spec, spec, where, where)


def _convert(task: _Task, connection: GivenConnection, around: Surroundings, draft: SpecDraft) -> int:
    steps, sidecars = ([*_parts(task, field, prefix)] for field, prefix in (("steps", "step"), ("sidecars", "sidecar")))
    volumes = {"volumes": task.spec["volumes"]} if "volumes" in task.spec else {}
    where = joined(task.owner_path, "metadata")
    pod = PodParts([*steps, *sidecars], volumes, task.owner.get("metadata"), task.path, where)
    if not parts_have_daemon(pod):
        return 0
    _disconnect_all_steps(task, draft)
    done = converted_parts(pod, connection, around)
    draft.add(done.draft)
    for field, parts in (("steps", steps), ("sidecars", sidecars)):
        kept = [done.containers[each.pod_name] for each in parts if each.pod_name in done.containers]
        set_or_remove(task.spec, field, kept)
    set_or_remove(task.spec, "volumes", done.fields.get("volumes"))
    if done.metadata is not None:
        task.owner["metadata"] = done.metadata
    return 1


def _parts(task: _Task, field: str, prefix: str) -> Iterator[Part]:
    path = joined(task.path, field)
    for number, container in enumerate(objects_at(task.spec.get(field), path)):
        where = joined(path, number)
        name = text_at(container.get("name"), joined(where, "name")) or f"unnamed-{number}"
        yield Part(f"{prefix}-{name}", container, where)


def _disconnect_all_steps(task: _Task, draft: SpecDraft) -> None:
    """What all steps have leads to the old daemon too."""
    path = joined(task.path, "stepTemplate")
    common = mapping_at(task.spec.get("stepTemplate"), path)
    kept = []
    for number, variable in enumerate(objects_at(common.get("env"), joined(path, "env"))):
        name = text_at(variable.get("name"), joined(path, "env", number, "name"))
        if name in CLIENT_VARIABLES:
            remove_variable(name, variable.get("value", ""), joined(path, "env", number), variable, draft)
        else:
            kept.append(variable)
    if common:
        set_or_remove(common, "env", kept)
