"""Manifests with hand-written daemons, as manifests with NestedDockers or with the label of injection."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nested_docker.convert import argo_workflows, embedded_templates, tekton_tasks, workloads
from nested_docker.convert.connection import GivenConnection, of_class
from nested_docker.convert.conversion import Conversion, ConversionOptions, ConvertedForm
from nested_docker.convert.daemon_container import Surroundings
from nested_docker.convert.difference import UnconvertibleError
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.fields import mapping_at, objects_at, text_at
from nested_docker.convert.object_names import require_name, require_namespace
from nested_docker.domain.shown import shorten

SUFFIX = "-daemon"
"""Keeps the NestedDocker's Service apart from one that has the workload's name."""

GOES_ON = frozenset({"Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"})
"""Kinds whose pods do not end."""

SHARED_BY_RUNS = "all its pods and runs share one daemon, which had one each: use --as label if they may not"
OUTLIVES = "the daemon stays when the workload has ended: use --as label, or set spec.idleTimeoutSeconds"
ALLOWED_IMAGE = "a policy must allow it (allowedImages); remove the field for the class's image"

ConvertObject = Callable[[dict[str, Any], str, GivenConnection, Surroundings, SpecDraft], int]
"""Converts an object in place, given the start of its paths; the number of daemons that were replaced."""


def convert_manifests(objects: Sequence[Mapping[str, Any]], options: ConversionOptions) -> Conversion:
    """Replace every daemon in objects; objects without one stay as they are.

    Raises:
        UnconvertibleError: an object cannot be converted as it is.
    """
    flat = [*_flattened(objects)]
    around = Surroundings({}, claims=_claims(flat), config_maps=_of_kind(flat, "ConfigMap"))
    conversion = _ManifestsConversion(options, around)
    for manifest in flat:
        conversion.take(manifest)
    return conversion.result


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


def _converter(manifest: Mapping[str, Any]) -> ConvertObject | None:
    """What converts an object; None: it says nothing of its kind."""
    version, kind = str(manifest.get("apiVersion")), manifest.get("kind")
    if not isinstance(kind, str):
        return None
    if version.startswith(tekton_tasks.TEKTON_GROUP):
        return tekton_tasks.convert_tasks
    if version.startswith(argo_workflows.ARGO_GROUP) and kind in argo_workflows.SPEC_OF_KIND:
        return argo_workflows.convert_workflow
    return workloads.convert_workload if kind in workloads.TEMPLATE_OF_KIND else embedded_templates.convert_templates


@dataclass
class _ManifestsConversion:
    """Converts object after object.

    Attributes:
        options: what the user chose.
        around: claims and ConfigMaps of all objects.
        result: what grows.
        names: of the NestedDockers so far.
    """

    options: ConversionOptions
    around: Surroundings
    result: Conversion = field(default_factory=Conversion)
    names: set[str] = field(default_factory=set)

    def take(self, manifest: Mapping[str, Any]) -> None:
        """Convert an object, if a converter finds a daemon in it."""
        convert = _converter(manifest)
        if convert is None:
            self.result.documents.append(dict(manifest))
            return
        kind = manifest["kind"]
        metadata = mapping_at(manifest.get("metadata"), f"{kind}: metadata")
        own_name = text_at(metadata.get("name") or metadata.get("generateName"), f"{kind}: metadata.name")
        head = f"{kind}/{shorten(own_name)}: "
        by_secrets = self.options.form is ConvertedForm.NESTED_DOCKER
        name = self.options.name or own_name.rstrip("-") + SUFFIX if by_secrets else ""
        converted, draft = copy.deepcopy(dict(manifest)), SpecDraft()
        count = convert(converted, head, self.options.connection(name), self.around, draft)
        if count and by_secrets:
            self._require_name(name, head)
            self._add_nested_docker(name, metadata, draft)
            _name_lifetime(kind, head, draft)
        elif count:
            draft.differences += of_class(draft, self.options.class_name)
        self.result.add(Conversion([converted] if converted else [], draft.differences, count))

    def _require_name(self, name: str, head: str) -> None:
        require_name(name, f"{head}metadata.name")
        if name in self.names:
            raise UnconvertibleError(
                f"{head}metadata.name would have the NestedDocker {name!r}, which another object of the input has",
                "convert them one by one, each with its own --name",
            )
        self.names.add(name)

    def _add_nested_docker(self, name: str, metadata: Mapping[str, Any], draft: SpecDraft) -> None:
        namespace = {"namespace": metadata["namespace"]} if metadata.get("namespace") else {}
        require_namespace(namespace.get("namespace"), f"NestedDocker/{name}: metadata.namespace")
        self.result.documents.append(self.options.nested_docker({"name": name, **namespace}, draft.spec))
        image = draft.spec.get("engine", {}).get("image")
        if image:
            draft.differs(f"NestedDocker/{name}: spec.engine.image", image, ALLOWED_IMAGE)


def _name_lifetime(kind: str, head: str, draft: SpecDraft) -> None:
    """Name what the daemon of several pods, or of one that ends, is no longer."""
    if kind not in GOES_ON:
        draft.differs(head.rstrip(" :"), kind, OUTLIVES)
    if kind not in workloads.TEMPLATE_OF_KIND:
        draft.differs(head.rstrip(" :"), kind, SHARED_BY_RUNS)
