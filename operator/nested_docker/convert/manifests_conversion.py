"""Manifests with hand-written daemons, as manifests with NestedDockers or with the label of injection."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from nested_docker.api.v1alpha1 import API_VERSION
from nested_docker.api.v1alpha1.nested_docker import NAME_PATTERN
from nested_docker.convert import argo_workflows, tekton_tasks
from nested_docker.convert.daemon_container import Surroundings
from nested_docker.convert.difference import Difference, UnconvertibleError, joined, mapping_at, objects_at, text_at
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.pod_template import (
    ConvertedTemplate,
    GivenConnection,
    converted_template,
    has_daemon,
    of_class,
)
from nested_docker.domain.shown import shorten

TEMPLATE_OF_KIND = {
    "Pod": (),
    "Deployment": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
SUFFIX = "-daemon"
"""Keeps the NestedDocker's Service apart from one that has the workload's name."""

SHARED_BY_REPLICAS = "all pods share one daemon, which had one each: use --as label if they may not"
SHARED_BY_TASKS = "all tasks and runs share one daemon, which had one each: use --as label if they may not"
OUTLIVES = "the daemon stays when the workload has ended: use --as label, or set spec.idleTimeoutSeconds"
ALLOWED_IMAGE = "a policy must allow it (allowedImages); remove the field for the class's image"
ONLY_A_DAEMON = (
    "removed, since nothing but the daemon was in it: give its clients the Secrets {name}-docker and "
    "{name}-docker-env, and delete the object and its Service"
)


ConvertTasks = Callable[[dict[str, Any], str, GivenConnection, Surroundings, SpecDraft], int]
"""Converts an object in place, given the start of its paths; the number of daemons that were replaced."""


class ConvertedForm(StrEnum):
    """What replaces a daemon."""

    NESTED_DOCKER = "nesteddocker"
    LABEL = "label"
    SIDECAR = "sidecar"


@dataclass(frozen=True)
class ConversionOptions:
    """What the user chose.

    Attributes:
        form: what replaces a daemon.
        name: of the NestedDocker; empty: that of the workload with a suffix.
        class_name: empty: the cluster's default class, which the label does not have.
        mode: empty: the class decides.
    """

    form: ConvertedForm = ConvertedForm.NESTED_DOCKER
    name: str = ""
    class_name: str = ""
    mode: str = ""


@dataclass
class Conversion:
    """The result.

    Attributes:
        documents: what replaces the input.
        differences: what is not the same.
        converted: how many daemons were replaced.
    """

    documents: list[dict[str, Any]] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    converted: int = 0


def convert_manifests(objects: Sequence[Mapping[str, Any]], options: ConversionOptions) -> Conversion:
    """Replace every daemon in objects; objects without one stay as they are.

    Raises:
        UnconvertibleError: an object cannot be converted as it is.
    """
    flat = [*_flattened(objects)]
    around = Surroundings({}, claims=_claims(flat), config_maps=_of_kind(flat, "ConfigMap"))
    result, names = Conversion(), set[str]()
    for manifest in flat:
        _convert(manifest, options, around, result, names)
    return result


def _flattened(objects: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for manifest in objects:
        if manifest.get("kind") == "List":
            yield from _flattened(objects_at(manifest.get("items"), "List: items"))
        else:
            yield dict(manifest)


def _of_kind(objects: Sequence[Mapping[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    found = {}
    for manifest in objects:
        if manifest.get("kind") == kind:
            metadata = mapping_at(manifest.get("metadata"), f"{kind}: metadata")
            found[text_at(metadata.get("name"), f"{kind}: metadata.name")] = dict(manifest)
    return found


def _claims(objects: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    claims = _of_kind(objects, "PersistentVolumeClaim")
    return {name: mapping_at(each.get("spec"), f"PersistentVolumeClaim/{name}: spec") for name, each in claims.items()}


def _convert(
    manifest: dict[str, Any], options: ConversionOptions, around: Surroundings, result: Conversion, names: set[str]
) -> None:
    kind = manifest.get("kind")
    where = TEMPLATE_OF_KIND.get(kind) if isinstance(kind, str) else None
    if _convert_tasks(manifest, options, around, result, names):
        return
    if where is None:
        result.documents.append(manifest)
        return
    metadata = mapping_at(manifest.get("metadata"), f"{kind}: metadata")
    own_name = text_at(metadata.get("name") or metadata.get("generateName"), f"{kind}: metadata.name")
    head = f"{kind}/{shorten(own_name)}: "
    template = _at(manifest, where, head)
    path = joined(head, *where)
    if not has_daemon(template, path):
        result.documents.append(manifest)
        return
    name = _name_of(options, own_name, head, names) if options.form is ConvertedForm.NESTED_DOCKER else ""
    connection = GivenConnection(name, options.class_name, is_beside=options.form is ConvertedForm.SIDECAR)
    templates = _claim_templates(manifest, head)
    done = converted_template(template, path, connection, _with_templates(around, templates))
    result.converted += 1
    result.differences += done.draft.differences
    if name:
        result.documents.append(_nested_docker(name, metadata, options, done.draft))
        _name_sharing(manifest, head, result)
        _name_image(name, done.draft, result)
    else:
        result.differences += of_class(done.draft, options.class_name)
    if done.template is None:
        _drop_whole(manifest, name, head, result)
    else:
        result.documents.append(_with_template(manifest, where, done, templates))


def _system(manifest: Mapping[str, Any]) -> ConvertTasks | None:
    """What converts an object of a system that makes pods of it; None: it is none of these."""
    version, kind = str(manifest.get("apiVersion")), manifest.get("kind")
    if not isinstance(kind, str):
        return None
    if version.startswith(tekton_tasks.TEKTON_GROUP):
        return tekton_tasks.convert_tasks
    if version.startswith(argo_workflows.ARGO_GROUP) and kind in argo_workflows.SPEC_OF_KIND:
        return argo_workflows.convert_workflow
    return None


def _convert_tasks(
    manifest: dict[str, Any], options: ConversionOptions, around: Surroundings, result: Conversion, names: set[str]
) -> bool:
    """Convert an object of a system that makes pods of it; whether it is one."""
    convert = _system(manifest)
    if convert is None:
        return False
    kind, converted, draft = manifest["kind"], copy.deepcopy(manifest), SpecDraft()
    metadata = mapping_at(manifest.get("metadata"), f"{kind}: metadata")
    own_name = text_at(metadata.get("name") or metadata.get("generateName"), f"{kind}: metadata.name")
    head = f"{kind}/{shorten(own_name)}: "
    by_secrets = options.form is ConvertedForm.NESTED_DOCKER
    name = options.name or own_name.rstrip("-") + SUFFIX if by_secrets else ""
    connection = GivenConnection(name, options.class_name, is_beside=options.form is ConvertedForm.SIDECAR)
    count = convert(converted, head, connection, around, draft)
    result.converted += count
    result.differences += draft.differences
    if count and by_secrets:
        name = _name_of(options, own_name, head, names)
        result.documents.append(_nested_docker(name, metadata, options, draft))
        _name_image(name, draft, result)
        result.differences.append(Difference(head.rstrip(" :"), kind, OUTLIVES))
        result.differences.append(Difference(head.rstrip(" :"), kind, SHARED_BY_TASKS))
    elif count:
        result.differences += of_class(draft, options.class_name)
    result.documents.append(converted if count else manifest)
    return True


def _at(manifest: Mapping[str, Any], where: Sequence[str], head: str) -> dict[str, Any]:
    at, path = dict(manifest), head
    for part in where:
        path = joined(path, part)
        at = mapping_at(at.get(part), path)
    return at


def _name_of(options: ConversionOptions, own_name: str, head: str, names: set[str]) -> str:
    name = options.name or (own_name.rstrip("-") + SUFFIX if own_name else "")
    if not re.fullmatch(NAME_PATTERN.removesuffix("$"), name):
        raise UnconvertibleError(
            f"{head}metadata.name gives no name for a NestedDocker (value: {name!r})",
            "choose one by --name: at most 52 lower-case letters, digits and -, with a letter first and no - last",
        )
    if name in names:
        raise UnconvertibleError(
            f"{head}metadata.name would have the NestedDocker {name!r}, which another object of the input has",
            "convert them one by one, each with its own --name",
        )
    names.add(name)
    return name


def _claim_templates(manifest: Mapping[str, Any], head: str) -> dict[str, dict[str, Any]]:
    """The claim templates of a StatefulSet by name."""
    if manifest.get("kind") != "StatefulSet":
        return {}
    path = joined(head, "spec", "volumeClaimTemplates")
    found = objects_at(mapping_at(manifest.get("spec"), head).get("volumeClaimTemplates"), path)
    return {text_at(mapping_at(each.get("metadata"), path).get("name"), path): each for each in found}


def _with_templates(around: Surroundings, templates: Mapping[str, dict[str, Any]]) -> Surroundings:
    volumes = {name: {"name": name, "persistentVolumeClaim": {"claimName": name}} for name in templates}
    specs = {
        name: mapping_at(each.get("spec"), f"volumeClaimTemplates {name}: spec") for name, each in templates.items()
    }
    return Surroundings(volumes, claims={**around.claims, **specs}, config_maps=around.config_maps)


def _nested_docker(
    name: str, metadata: Mapping[str, Any], options: ConversionOptions, draft: SpecDraft
) -> dict[str, Any]:
    own = {"name": name} | ({"namespace": metadata["namespace"]} if metadata.get("namespace") else {})
    chosen = {"className": options.class_name, "mode": options.mode}
    spec = {key: value for key, value in chosen.items() if value} | draft.spec
    return {"apiVersion": API_VERSION, "kind": "NestedDocker", "metadata": own, "spec": spec}


def _name_image(name: str, draft: SpecDraft, result: Conversion) -> None:
    image = draft.spec.get("engine", {}).get("image")
    if image:
        result.differences.append(Difference(f"NestedDocker/{name}: spec.engine.image", image, ALLOWED_IMAGE))


def _name_sharing(manifest: Mapping[str, Any], head: str, result: Conversion) -> None:
    kind, spec = manifest["kind"], manifest.get("spec") or {}
    if kind in {"Job", "CronJob", "Pod"}:
        result.differences.append(Difference(head.rstrip(" :"), kind, OUTLIVES))
    several = {
        key: spec[key] for key in ("replicas", "parallelism") if isinstance(spec.get(key), int) and spec[key] > 1
    }
    if several or kind in {"DaemonSet", "CronJob"}:
        result.differences.append(Difference(joined(head, "spec"), several or kind, SHARED_BY_REPLICAS))


def _drop_whole(manifest: Mapping[str, Any], name: str, head: str, result: Conversion) -> None:
    if not name:
        raise UnconvertibleError(
            f"{head}spec has no container but the daemon, so nothing can have the label",
            "use --as nesteddocker, or give the label to the pods of its clients",
        )
    result.differences.append(Difference(head.rstrip(" :"), dict(manifest), ONLY_A_DAEMON.format(name=name)))


def _with_template(
    manifest: Mapping[str, Any],
    where: Sequence[str],
    done: ConvertedTemplate,
    templates: Mapping[str, dict[str, Any]],
) -> dict[str, Any]:
    whole = copy.deepcopy(dict(manifest))
    if not where:
        return {**whole, **(done.template or {})}
    at = whole
    for part in where[:-1]:
        at = at[part]
    at[where[-1]] = done.template
    if templates:
        kept = [each for name, each in templates.items() if name not in done.unused]
        whole["spec"]["volumeClaimTemplates"] = kept
        if not kept:
            del whole["spec"]["volumeClaimTemplates"]
    return whole
