"""Manifests with hand-written daemons, as manifests with NestedDockers or with the label of injection."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nested_docker.convert.connection import of_class
from nested_docker.convert.conversion import Conversion, ConversionOptions, ConvertedForm
from nested_docker.convert.daemon_container import Surroundings
from nested_docker.convert.difference import UnconvertibleError
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.fields import mapping_at, objects_at, text_at
from nested_docker.convert.object_names import require_name, require_namespace
from nested_docker.convert.objects import convert_object
from nested_docker.convert.workloads import TEMPLATE_OF_KIND
from nested_docker.domain.shown import shorten

SUFFIX = "-daemon"
"""Keeps the NestedDocker's Service apart from one that has the workload's name."""

GOES_ON = frozenset({"Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"})
"""Kinds whose pods do not end."""

SHARED_BY_RUNS = "all its pods and runs share one daemon, which had one each: use --as label if they may not"
OUTLIVES = "the daemon stays when the workload has ended: use --as label, or set spec.idleTimeoutSeconds"
ALLOWED_IMAGE = "a policy must allow it (allowedImages); remove the field for the class's image"


def convert_manifests(objects: Sequence[Mapping[str, Any]], options: ConversionOptions) -> Conversion:
    """Replace every daemon in objects; objects without one stay as they are.

    Raises:
        UnconvertibleError: an object cannot be converted as it is.
    """
    flat = [*_flattened(objects)]
    claims = _claims(flat)
    places = {name: f"PersistentVolumeClaim/{name}: spec" for name in claims}
    around = Surroundings({}, claims=claims, claim_paths=places, config_maps=_of_kind(flat, "ConfigMap"))
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
        if not isinstance(manifest.get("kind"), str):
            self.result.documents.append(dict(manifest))
            return
        kind = manifest["kind"]
        metadata = mapping_at(manifest.get("metadata"), f"{kind}: metadata")
        field_of_name = "name" if metadata.get("name") else "generateName"
        own_name = text_at(metadata.get(field_of_name), f"{kind}: metadata.{field_of_name}")
        head = f"{kind}/{shorten(own_name)}: "
        by_secrets = self.options.form is ConvertedForm.NESTED_DOCKER
        name = self.options.name or own_name.rstrip("-") + SUFFIX if by_secrets else ""
        converted, draft = copy.deepcopy(dict(manifest)), SpecDraft()
        count = convert_object(converted, head, self.options.connection(name), self.around, draft)
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
    if kind not in TEMPLATE_OF_KIND:
        draft.differs(head.rstrip(" :"), kind, SHARED_BY_RUNS)
