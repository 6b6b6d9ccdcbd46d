"""Pods of Buildkite's agent-stack-k8s: the plugin `kubernetes` of a step, and the controller's `pod-spec-patch`."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nested_docker.convert.conversion import Conversion, ConversionOptions, labelled
from nested_docker.convert.daemon_container import Surroundings
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.embedded_templates import USE_OF_CONTROLLER
from nested_docker.convert.fields import joined, mapping_at, objects_at, set_or_remove, text_at
from nested_docker.convert.pod_parts import Part, PodParts, converted_parts, parts_have_daemon

PLUGIN = "kubernetes"
PATCH_OF_CONTROLLER = "pod-spec-patch"
SIDECARS = "sidecars"
COMMON_MOUNTS = "extraVolumeMounts"
COMMANDS = "container-{}"
"""The controller's name for a command's container that has none."""


@dataclass(frozen=True)
class _Pod:
    """Where one who writes a pod has its parts.

    Attributes:
        spec: field with a part of the pod's spec.
        metadata: field with labels and annotations.
    """

    spec: str
    metadata: str


_PODS = (_Pod("podSpec", "metadata"), _Pod("podSpecPatch", "metadata"), _Pod(PATCH_OF_CONTROLLER, "default-metadata"))


def is_plugin(part: Mapping[str, Any]) -> bool:
    """Whether a part of a document has the plugin, by its name and what it has."""
    return any(_is_plugin(name, settings) for name, settings in part.items())


def _is_plugin(name: Any, settings: Any) -> bool:
    is_named = str(name).partition("#")[0].rpartition("/")[2] in {PLUGIN, f"{PLUGIN}-buildkite-plugin"}
    return is_named and isinstance(settings, dict) and bool({"podSpec", "podSpecPatch", SIDECARS} & settings.keys())


def is_controller(part: Mapping[str, Any]) -> bool:
    """Whether a part of a document is the controller's configuration, with a patch of all pods."""
    return isinstance(part.get(PATCH_OF_CONTROLLER), dict)


def convert_plugin(part: Mapping[str, Any], options: ConversionOptions, head: str = "") -> Conversion:
    """Replace the daemon of the plugin's pod.

    Raises:
        UnconvertibleError: the options do not fit, or it cannot be converted as it is.
    """
    whole, result = dict(part), Conversion()
    for name, settings in part.items():
        if _is_plugin(name, settings):
            done = convert_settings(settings, options, joined(head, str(name)))
            (whole[name],) = done.documents
            result.differences += done.differences
            result.converted += done.converted
    result.documents.append(whole)
    return result


def convert_settings(settings: Mapping[str, Any], options: ConversionOptions, head: str = "") -> Conversion:
    """Replace the daemon of the pod that settings say.

    Raises:
        UnconvertibleError: the options do not fit, or it cannot be converted as it is.
    """
    result, draft = copy.deepcopy(dict(settings)), SpecDraft()
    found = [each for each in _PODS if isinstance(result.get(each.spec), dict)] or [_PODS[0]]
    count = sum(_convert(result, each, options, head, draft) for each in found)
    if count:
        options.require_label(f"{head.rstrip(' :')}: a step has no NestedDocker beside it")
        draft.differs(head.rstrip(" :"), options.class_name, USE_OF_CONTROLLER)
    return labelled(result, draft, options, count)


def _convert(settings: dict[str, Any], pod: _Pod, options: ConversionOptions, head: str, draft: SpecDraft) -> int:
    path = joined(head, pod.spec)
    spec = mapping_at(settings.get(pod.spec), path)
    common = objects_at(settings.get(COMMON_MOUNTS), joined(head, COMMON_MOUNTS))
    for number, each in enumerate(common):
        for field in ("name", "mountPath"):
            text_at(each.get(field), joined(head, COMMON_MOUNTS, number, field))
    commands = [*_commands(spec, path, common)]
    sidecars = [*_sidecars(settings, head, common)] if pod is _PODS[0] or "podSpec" not in settings else []
    fields = {key: value for key, value in spec.items() if key != "containers"}
    parts = PodParts([*commands, *sidecars], fields, settings.get(pod.metadata), path, joined(head, pod.metadata))
    if not parts_have_daemon(parts):
        return 0
    done = converted_parts(parts, options.connection(), Surroundings({}))
    draft.add(done.draft)
    draft.name_once()
    staying = {name: _without(each, common) for name, each in done.containers.items()}
    kept = [staying[each.pod_name] for each in commands if each.container and each.pod_name in staying]
    left = {key: value for key, value in done.fields.items() if value}
    set_or_remove(left, "containers", kept)
    set_or_remove(settings, pod.spec, left)
    if sidecars:
        set_or_remove(settings, SIDECARS, [staying[each.pod_name] for each in sidecars if each.pod_name in staying])
    mounted = [mount for each in done.containers.values() for mount in each.get("volumeMounts", [])]
    set_or_remove(settings, COMMON_MOUNTS, [each for each in common if each in mounted])
    settings[pod.metadata] = done.metadata
    return 1


def _commands(spec: Mapping[str, Any], path: str, common: list[dict[str, Any]]) -> Iterator[Part]:
    """The containers of the step's commands; without any the controller makes one."""
    where = joined(path, "containers")
    containers = objects_at(spec.get("containers"), where)
    for number, each in enumerate(containers):
        yield _part(COMMANDS.format(number), each, joined(where, number), common)
    if not any(
        each.get("name", COMMANDS.format(number)) == COMMANDS.format(0) for number, each in enumerate(containers)
    ):
        yield Part(COMMANDS.format(0), {}, path)


def _sidecars(settings: Mapping[str, Any], head: str, common: list[dict[str, Any]]) -> Iterator[Part]:
    where = joined(head, SIDECARS)
    for number, each in enumerate(objects_at(settings.get(SIDECARS), where)):
        yield _part(f"sidecar-{number}", each, joined(where, number), common)


def _part(usual_name: str, container: dict[str, Any], path: str, common: list[dict[str, Any]]) -> Part:
    name = text_at(container.get("name"), joined(path, "name")) or usual_name
    mounts = [*objects_at(container.get("volumeMounts"), joined(path, "volumeMounts")), *common]
    return Part(name, {**container, **({"volumeMounts": mounts} if mounts else {})}, path)


def _without(container: dict[str, Any], common: list[dict[str, Any]]) -> dict[str, Any]:
    """A container without what all have."""
    mounts = [each for each in container.get("volumeMounts", []) if each not in common]
    own = dict(container)
    set_or_remove(own, "volumeMounts", mounts)
    return own
