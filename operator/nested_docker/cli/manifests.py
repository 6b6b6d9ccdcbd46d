"""Collects from objects the NestedDockers and all that they are evaluated by; other kinds are ignored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
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
from nested_docker.cli.findings import Findings, Position, did_you_mean, format_value
from nested_docker.cli.strict import parse_model
from nested_docker.domain import names
from nested_docker.domain.node_facts import node_facts, runtime_class_facts
from nested_docker.domain.objects import NodeFacts, RuntimeClassFacts

OWN_KINDS = {kind.name: kind for kind in KINDS}
FACT_KINDS = frozenset({("", "Namespace"), ("", "Node"), ("node.k8s.io", "RuntimeClass")})
"""Built-in kinds, as group and kind, that an evaluation depends on; only names, labels and readiness are read."""

GENERATED_SUFFIX = "xxxxx"
"""In place of the suffix that the API server adds to metadata.generateName."""


class Metadata(KubeModel):
    """Metadata as written by hand, or as read from a cluster."""

    name: str | None = None
    generate_name: str | None = None
    namespace: str | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    finalizers: Any = None
    owner_references: Any = None
    # Set by the API server.
    creation_timestamp: Any = None
    deletion_grace_period_seconds: Any = None
    deletion_timestamp: Any = None
    generation: Any = None
    managed_fields: Any = None
    resource_version: Any = None
    self_link: Any = None
    uid: Any = None


@dataclass(frozen=True)
class NestedDockerManifest:
    """A NestedDocker of the input: a request, or one that exists in a cluster already."""

    position: Position
    namespace: str
    name: str
    spec: Mapping[str, Any]
    status: NestedDockerStatus = field(default_factory=NestedDockerStatus)
    generation: int = 0


@dataclass
class Manifests:
    """The objects of the input by kind, and by name where names are unique.

    Attributes:
        default_classes: names of the classes annotated as the default.
        namespaces: the labels of each.
    """

    nested_dockers: list[NestedDockerManifest] = field(default_factory=list)
    classes: dict[str, NestedDockerClassSpec] = field(default_factory=dict)
    default_classes: list[str] = field(default_factory=list)
    policies: dict[str, NestedDockerPolicySpec] = field(default_factory=dict)
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)
    nodes: dict[str, NodeFacts] = field(default_factory=dict)
    runtime_classes: dict[str, RuntimeClassFacts] = field(default_factory=dict)


def collect_manifests(documents: Iterable[Document], findings: Findings, *, namespace: str) -> Manifests:
    """Validate and collect every object that an evaluation depends on.

    Args:
        documents: the objects.
        findings: receives their problems.
        namespace: namespace of NestedDockers without one.
    """
    collector = _Collector(findings, namespace)
    for document in documents:
        collector.add(document)
    return collector.manifests


def check_enforcement(labels: Mapping[str, str], position: Position, findings: Findings, *, path: str) -> None:
    """Report an unknown level in the label; the operator would ignore it silently."""
    level = labels.get(names.NAMESPACE_ENFORCEMENT)
    if level is not None and level not in set(Enforcement):
        what = f"unknown enforcement level (value: {format_value(level)}); {did_you_mean(level, Enforcement)}"
        findings.problem(position, what, path=f"{path}.{names.NAMESPACE_ENFORCEMENT}".lstrip("."))


class _Collector:
    def __init__(self, findings: Findings, namespace: str) -> None:
        self.manifests = Manifests()
        self._findings, self._namespace = findings, namespace
        self._positions: dict[tuple[str, str, str], Position] = {}

    def add(self, document: Document) -> None:
        position, content = document.position, document.content
        api_version, kind = content["apiVersion"], content["kind"]
        group = api_version.rpartition("/")[0]
        if group != GROUP and kind not in OWN_KINDS and (group, kind) not in FACT_KINDS:
            return
        if (group == GROUP or kind in OWN_KINDS) and not self._is_known(position, api_version, kind):
            return
        metadata = parse_model(Metadata, content.get("metadata", {}), position, self._findings, path="metadata")
        parsed = self._parsed(position, content) if kind in OWN_KINDS else None
        if metadata is None or not self._has_unique_name(position, kind, metadata):
            return
        if parsed is not None:
            self._add_own(position, content, metadata, parsed)
        elif kind not in OWN_KINDS:
            self._add_fact(position, content, metadata)

    def _add_fact(self, position: Position, content: Mapping[str, Any], metadata: Metadata) -> None:
        kind, name, labels = content["kind"], _name(metadata), metadata.labels or {}
        if kind == "Namespace":
            check_enforcement(labels, position, self._findings, path="metadata.labels")
            self.manifests.namespaces[name] = labels
        elif kind == "Node":
            self.manifests.nodes[name] = replace(
                node_facts({**content, "metadata": {"labels": labels}}), ready=_is_ready(content)
            )
        else:
            self.manifests.runtime_classes[name] = runtime_class_facts(content)

    def _add_own(self, position: Position, content: Mapping[str, Any], metadata: Metadata, parsed: KubeModel) -> None:
        name = _name(metadata)
        if isinstance(parsed, NestedDockerClass):
            self.manifests.classes[name] = parsed.spec
            if (metadata.annotations or {}).get(DEFAULT_CLASS_ANNOTATION) == "true":
                self.manifests.default_classes.append(name)
        elif isinstance(parsed, NestedDockerPolicy):
            self.manifests.policies[name] = parsed.spec
        else:
            self._add_nested_docker(position, name, content, metadata)

    def _is_known(self, position: Position, api_version: str, kind: str) -> bool:
        if kind not in OWN_KINDS:
            what = f"{GROUP} has no kind {kind}; {did_you_mean(kind, OWN_KINDS)}"
            self._findings.problem(position, what, path="kind")
        elif api_version != API_VERSION:
            what = f"unsupported version of {kind} (value: {format_value(api_version)}): use {API_VERSION}"
            self._findings.problem(position, what, path="apiVersion")
        return kind in OWN_KINDS and api_version == API_VERSION

    def _has_unique_name(self, position: Position, kind: str, metadata: Metadata) -> bool:
        """Whether it has a name that no other object of its kind and namespace has."""
        if not metadata.name:
            if not metadata.generate_name:
                self._findings.problem(position, "required field is missing", path="metadata.name")
            return bool(metadata.generate_name)
        namespace = self._namespace_of(metadata) if kind == NestedDocker.__name__ else ""
        first = self._positions.setdefault((kind, namespace, metadata.name), position)
        if first is not position:
            what = f"duplicate {kind} {metadata.name}, first defined in {first}: remove one"
            self._findings.problem(position, what, path="metadata.name")
        return first is position

    def _namespace_of(self, metadata: Metadata) -> str:
        return metadata.namespace or self._namespace

    def _parsed(self, position: Position, content: Mapping[str, Any]) -> KubeModel | None:
        model = OWN_KINDS[content["kind"]].model
        fields = ["apiVersion", "kind", "metadata", *model.model_fields]
        for key in content:
            if key not in fields:
                what = f"unknown field (value: {format_value(content[key])}); {did_you_mean(key, fields)}"
                self._findings.problem(position, what, path=key)
        if "spec" not in content:
            self._findings.problem(position, "required field is missing", path="spec")
            return None
        return parse_model(model, {"spec": content["spec"]}, position, self._findings)

    def _add_nested_docker(self, position: Position, name: str, content: Mapping[str, Any], metadata: Metadata) -> None:
        """Skip one that is finished or being deleted: policies no longer affect it."""
        status = _status(content.get("status"))
        ended = "is being deleted" if metadata.deletion_timestamp else "has finished" if status.completion_time else ""
        if ended:
            self._findings.note(f"skipped: NestedDocker {name} {ended}", position)
            return
        generation = metadata.generation if isinstance(metadata.generation, int) else 0
        namespace = self._namespace_of(metadata)
        self.manifests.nested_dockers.append(
            NestedDockerManifest(position, namespace, name, content["spec"], status, generation)
        )


def _name(metadata: Metadata) -> str:
    return metadata.name or f"{metadata.generate_name}{GENERATED_SUFFIX}"


def _status(status: Any) -> NestedDockerStatus:
    """As the operator reads it: an invalid status counts as an empty one."""
    try:
        return NestedDockerStatus.model_validate(status or {})
    except ValidationError:
        return NestedDockerStatus()


def _is_ready(content: Mapping[str, Any]) -> bool:
    """A node without the condition Ready counts as ready."""
    status = content.get("status")
    conditions = status.get("conditions") if isinstance(status, dict) else None
    ready = {each.get("type"): each.get("status") for each in conditions or [] if isinstance(each, dict)}
    return ready.get("Ready", "True") == "True"
