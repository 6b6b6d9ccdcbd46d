"""From objects to what governs a cluster, and to the NestedDockers that are asked for; every other kind is left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from nested_docker.api.crd import KINDS
from nested_docker.api.meta import GROUP, Enforcement, KubeModel
from nested_docker.api.v1alpha1 import (
    API_VERSION,
    NestedDocker,
    NestedDockerClass,
    NestedDockerClassSpec,
    NestedDockerPolicy,
    NestedDockerPolicySpec,
    NestedDockerStatus,
)
from nested_docker.api.v1alpha1.nested_docker_class import DEFAULT_CLASS_ANNOTATION
from nested_docker.cli.documents import Document
from nested_docker.cli.findings import Findings, Place, did_you_mean, shown
from nested_docker.cli.strict import parse
from nested_docker.domain import names
from nested_docker.domain.objects import NodeFacts

OURS = {kind.name: kind for kind in KINDS}
FACTS = frozenset({("", "Namespace"), ("", "Node"), ("node.k8s.io", "RuntimeClass")})
"""Kinds of Kubernetes' own that a judgement depends on; of these only name and labels matter."""

GENERATED = "xxxxx"
"""What stands where the API server would make up the end of a name."""


class Metadata(KubeModel):
    """Metadata as people write it, and as it comes out of a cluster."""

    name: str | None = None
    generate_name: str | None = None
    namespace: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    finalizers: Any = None
    owner_references: Any = None
    # The API server's own.
    creation_timestamp: Any = None
    deletion_grace_period_seconds: Any = None
    deletion_timestamp: Any = None
    generation: Any = None
    managed_fields: Any = None
    resource_version: Any = None
    self_link: Any = None
    uid: Any = None


@dataclass(frozen=True)
class Wanted:
    """A NestedDocker that is asked for, or that is there already."""

    place: Place
    namespace: str
    name: str
    spec: Mapping[str, Any]
    status: NestedDockerStatus = field(default_factory=NestedDockerStatus)
    generation: int = 0


@dataclass
class Manifests:
    """What the objects come to.

    Attributes:
        namespaces: the labels of each.
    """

    nested_dockers: list[Wanted] = field(default_factory=list)
    classes: dict[str, NestedDockerClassSpec] = field(default_factory=dict)
    default_classes: list[str] = field(default_factory=list)
    policies: dict[str, NestedDockerPolicySpec] = field(default_factory=dict)
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)
    nodes: dict[str, NodeFacts] = field(default_factory=dict)
    runtime_classes: set[str] = field(default_factory=set)


def sort_out(documents: Iterable[Document], findings: Findings, *, namespace: str) -> Manifests:
    """Read every object that matters, strictly.

    Args:
        documents: the objects.
        findings: gets what is wrong with them.
        namespace: of NestedDockers that name none.
    """
    sorter = _Sorter(findings, namespace)
    for document in documents:
        sorter.take(document)
    return sorter.manifests


def check_enforcement(labels: Mapping[str, str], place: Place, findings: Findings, *, path: str) -> None:
    """A label with a level that there is not would be passed over in silence."""
    level = labels.get(names.NAMESPACE_ENFORCEMENT)
    if level is not None and level not in set(Enforcement):
        what = f"there is no such level (value: {shown(level)}); {did_you_mean(level, Enforcement)}"
        findings.problem(place, what, path=f"{path}.{names.NAMESPACE_ENFORCEMENT}".lstrip("."))


class _Sorter:
    def __init__(self, findings: Findings, namespace: str) -> None:
        self.manifests = Manifests()
        self._findings, self._namespace = findings, namespace
        self._places: dict[tuple[str, str, str], Place] = {}

    def take(self, document: Document) -> None:
        place, content = document.place, document.content
        api_version, kind = content["apiVersion"], content["kind"]
        group = api_version.rpartition("/")[0]
        if group != GROUP and kind not in OURS and (group, kind) not in FACTS:
            return
        if (group == GROUP or kind in OURS) and not self._is_known(place, api_version, kind):
            return
        metadata = parse(Metadata, content.get("metadata", {}), place, self._findings, path="metadata")
        parsed = self._parsed(place, content) if kind in OURS else None
        if metadata is None or not self._is_named(place, kind, metadata):
            return
        if parsed is not None:
            self._ours(place, content, metadata, parsed)
        elif kind not in OURS:
            self._fact(place, content, metadata)

    def _fact(self, place: Place, content: Mapping[str, Any], metadata: Metadata) -> None:
        kind, name, labels = content["kind"], _name(metadata), metadata.labels or {}
        if kind == "Namespace":
            check_enforcement(labels, place, self._findings, path="metadata.labels")
            self.manifests.namespaces[name] = labels
        elif kind == "Node":
            self.manifests.nodes[name] = NodeFacts(ready=_is_ready(content), labels=labels)
        else:
            self.manifests.runtime_classes.add(name)

    def _ours(self, place: Place, content: Mapping[str, Any], metadata: Metadata, parsed: KubeModel) -> None:
        name = _name(metadata)
        if isinstance(parsed, NestedDockerClass):
            self.manifests.classes[name] = parsed.spec
            if (metadata.annotations or {}).get(DEFAULT_CLASS_ANNOTATION) == "true":
                self.manifests.default_classes.append(name)
        elif isinstance(parsed, NestedDockerPolicy):
            self.manifests.policies[name] = parsed.spec
        else:
            self._nested_docker(place, name, content, metadata)

    def _is_known(self, place: Place, api_version: str, kind: str) -> bool:
        if kind not in OURS:
            what = f"{GROUP} has no kind {kind}; {did_you_mean(kind, OURS)}"
            self._findings.problem(place, what, path="kind")
        elif api_version != API_VERSION:
            what = f"{kind} is of another version (value: {shown(api_version)}): write {API_VERSION}"
            self._findings.problem(place, what, path="apiVersion")
        return kind in OURS and api_version == API_VERSION

    def _is_named(self, place: Place, kind: str, metadata: Metadata) -> bool:
        """Whether it has a name, and one of its own."""
        if not metadata.name:
            if not metadata.generate_name:
                self._findings.problem(place, "it must be there, and is not", path="metadata.name")
            return bool(metadata.generate_name)
        namespace = self._namespace_of(metadata) if kind == NestedDocker.__name__ else ""
        first = self._places.setdefault((kind, namespace, metadata.name), place)
        if first is not place:
            what = f"{kind} {metadata.name} is there twice, first in {first}: leave one out"
            self._findings.problem(place, what, path="metadata.name")
        return first is place

    def _namespace_of(self, metadata: Metadata) -> str:
        return metadata.namespace or self._namespace

    def _parsed(self, place: Place, content: Mapping[str, Any]) -> KubeModel | None:
        model = OURS[content["kind"]].model
        fields = ["apiVersion", "kind", "metadata", *model.model_fields]
        for key in content:
            if key not in fields:
                what = f"unknown field (value: {shown(content[key])}); {did_you_mean(key, fields)}"
                self._findings.problem(place, what, path=key)
        if "spec" not in content:
            self._findings.problem(place, "it must be there, and is not", path="spec")
            return None
        return parse(model, {"spec": content["spec"]}, place, self._findings)

    def _nested_docker(self, place: Place, name: str, content: Mapping[str, Any], metadata: Metadata) -> None:
        """One that is asked for; the operator takes nothing away from one that has ended."""
        status = _status(content.get("status"))
        ended = "is being deleted" if metadata.deletion_timestamp else "has finished" if status.completion_time else ""
        if ended:
            self._findings.note(f"passed over: NestedDocker {name} {ended}", place)
            return
        generation = metadata.generation if isinstance(metadata.generation, int) else 0
        namespace = self._namespace_of(metadata)
        self.manifests.nested_dockers.append(Wanted(place, namespace, name, content["spec"], status, generation))


def _name(metadata: Metadata) -> str:
    return metadata.name or f"{metadata.generate_name}{GENERATED}"


def _status(status: Any) -> NestedDockerStatus:
    """As the operator reads it: one that cannot be read counts as none."""
    try:
        return NestedDockerStatus.model_validate(status or {})
    except ValidationError:
        return NestedDockerStatus()


def _is_ready(content: Mapping[str, Any]) -> bool:
    """A node of whose readiness nothing is said is ready."""
    status = content.get("status")
    conditions = status.get("conditions") if isinstance(status, dict) else None
    told = {each.get("type"): each.get("status") for each in conditions or [] if isinstance(each, dict)}
    return told.get("Ready", "True") == "True"
