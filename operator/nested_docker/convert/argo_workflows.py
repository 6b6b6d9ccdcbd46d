"""Templates of Argo Workflows whose sidecar is a daemon: the main container gets the connection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from nested_docker.convert.connection import GivenConnection
from nested_docker.convert.daemon_container import Surroundings
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.fields import joined, mapping_at, mapping_below, named_at, objects_at, set_or_remove, text_at
from nested_docker.convert.pod_parts import Part, PodParts, converted_parts, parts_have_daemon

ARGO_GROUP = "argoproj.io/"
SPEC_OF_KIND = {
    "Workflow": ("spec",),
    "WorkflowTemplate": ("spec",),
    "ClusterWorkflowTemplate": ("spec",),
    "CronWorkflow": ("spec", "workflowSpec"),
}
MAIN = ("container", "script")
"""Fields with the container that the system names `main`."""
LISTS_OF_TEMPLATE = ("initContainers", "sidecars")
OF_POD = ("volumes", "nodeSelector", "tolerations", "affinity", "securityContext", "priorityClassName", "schedulerName")


def convert_workflow(
    manifest: dict[str, Any], head: str, connection: GivenConnection, around: Surroundings, draft: SpecDraft
) -> int:
    """Replace the daemon of each template in an object of Argo Workflows, in place; how many were replaced.

    Raises:
        UnconvertibleError: it cannot be converted as it is.
    """
    spec, path = mapping_below(manifest, SPEC_OF_KIND[manifest["kind"]], head)
    common = named_at(spec.get("volumes"), joined(path, "volumes"))
    volumes = {**around.volumes, **{name: each for name, (each, _) in common.items()}}
    places = {**around.volume_paths, **{name: at for name, (_, at) in common.items()}}
    whole = replace(around, volumes=volumes, volume_paths=places)
    defaults = joined(path, "templateDefaults")
    where = joined(path, "templates")
    templates = {joined(where, number): each for number, each in enumerate(objects_at(spec.get("templates"), where))}
    templates = {defaults: mapping_at(spec.get("templateDefaults"), defaults), **templates}
    return sum(_convert(template, at, connection, whole, draft) for at, template in templates.items())


def _convert(
    template: dict[str, Any], path: str, connection: GivenConnection, around: Surroundings, draft: SpecDraft
) -> int:
    parts = [*_parts(template, path)]
    fields = {name: template[name] for name in OF_POD if name in template}
    pod = PodParts(parts, fields, template.get("metadata"), path, joined(path, "metadata"))
    if not parts_have_daemon(pod):
        return 0
    done = converted_parts(pod, connection, around)
    draft.add(done.draft)
    for field in MAIN:
        if field in template:
            template[field] = done.containers["main"]
    for field in LISTS_OF_TEMPLATE:
        kept = [
            done.containers[each.pod_name]
            for each in parts
            if each.pod_name in done.containers and each.path.startswith(joined(path, field) + "[")
        ]
        set_or_remove(template, field, kept)
    set_or_remove(template, "volumes", done.fields.get("volumes"))
    if done.metadata is not None:
        template["metadata"] = done.metadata
    return 1


def _parts(template: Mapping[str, Any], path: str) -> Iterator[Part]:
    for field in MAIN:
        if template.get(field):
            yield Part("main", mapping_at(template[field], joined(path, field)), joined(path, field))
    for field in LISTS_OF_TEMPLATE:
        for number, container in enumerate(objects_at(template.get(field), joined(path, field))):
            where = joined(path, field, number)
            yield Part(text_at(container.get("name"), joined(where, "name")), container, where)
