"""Observing: from the cache to the snapshot that a plan starts from."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from nested_docker.api.meta import KubeModel
from nested_docker.api.v1alpha1 import NestedDockerClassSpec, NestedDockerPolicySpec, NestedDockerStatus
from nested_docker.api.v1alpha1.nested_docker_class import DEFAULT_CLASS_ANNOTATION
from nested_docker.controller.cache import Cache
from nested_docker.controller.workqueue import Key
from nested_docker.domain.node_facts import with_probe
from nested_docker.domain.objects import ClusterFacts, Identity, Manifest, NodeFacts, Owner
from nested_docker.domain.observed import NamespaceFacts, Observed
from nested_docker.domain.status.conditions import parse_timestamp

logger = logging.getLogger(__name__)

NEVER = "1970-01-01T00:00:00Z"
"""Creation time of an object that the API server has not stored yet."""
Spec = TypeVar("Spec", bound=KubeModel)


@dataclass(frozen=True)
class _Governing:
    """Objects that concern many NestedDockers, parsed once per version."""

    version: int
    classes: Mapping[str, NestedDockerClassSpec]
    default_classes: tuple[str, ...]
    policies: Mapping[str, NestedDockerPolicySpec]
    cluster: ClusterFacts


class Observer:
    """Reads snapshots from the cache."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._specs: dict[str, dict[str, tuple[Manifest, KubeModel | None]]] = {}
        self._governing = self._read_governing()

    def observe(self, key: Key) -> Observed | None:
        """The NestedDocker as the cache has it; None: it does not exist."""
        obj = self._cache.get("NestedDocker", *key)
        return None if obj is None else self._look_at(obj, self._cache.children(key))

    def candidate(self, obj: Mapping[str, Any]) -> Observed:
        """A NestedDocker that is under admission, and so has no children."""
        return self._look_at(obj, {})

    def _look_at(self, obj: Mapping[str, Any], children: Mapping[Identity, Manifest]) -> Observed:
        metadata, status = obj["metadata"], _status(obj)
        namespace = self._cache.get("Namespace", "", metadata["namespace"])
        if self._governing.version != self._cache.governing_version:
            self._governing = self._read_governing()
        return Observed(
            owner=Owner(name=metadata["name"], namespace=metadata["namespace"], uid=metadata.get("uid", "")),
            spec=obj.get("spec", {}),
            created=parse_timestamp(metadata.get("creationTimestamp") or NEVER),
            generation=metadata.get("generation", 0),
            annotations=metadata.get("annotations", {}),
            finalizers=tuple(metadata.get("finalizers", ())),
            deleted="deletionTimestamp" in metadata,
            status=status,
            namespace_labels=namespace["metadata"].get("labels", {}) if namespace else {},
            pod_namespaces=self._pod_namespaces(status),
            classes=self._governing.classes,
            default_classes=self._governing.default_classes,
            policies=self._governing.policies,
            cluster=self._governing.cluster,
            children=children,
            departed=self._cache.departed((metadata["namespace"], metadata["name"])),
        )

    def _pod_namespaces(self, status: NestedDockerStatus) -> dict[str, NamespaceFacts]:
        names = {class_spec.pod_namespace for class_spec in self._governing.classes.values()} | {status.pod_namespace}
        found = ((name, self._cache.get("Namespace", "", name)) for name in sorted(name for name in names if name))
        return {
            name: NamespaceFacts(obj["metadata"].get("labels", {}), "deletionTimestamp" in obj["metadata"])
            for name, obj in found
            if obj is not None
        }

    def _read_governing(self) -> _Governing:
        return _Governing(
            version=self._cache.governing_version,
            classes=self._parsed("NestedDockerClass", NestedDockerClassSpec),
            default_classes=tuple(
                sorted(
                    obj["metadata"]["name"]
                    for obj in self._cache.all("NestedDockerClass")
                    if obj["metadata"].get("annotations", {}).get(DEFAULT_CLASS_ANNOTATION) == "true"
                )
            ),
            policies=self._parsed("NestedDockerPolicy", NestedDockerPolicySpec),
            cluster=ClusterFacts(
                runtime_classes={obj["metadata"]["name"]: obj["facts"] for obj in self._cache.all("RuntimeClass")},
                nodes=self._nodes(),
            ),
        )

    def _nodes(self) -> dict[str, NodeFacts]:
        probed = {obj["metadata"]["name"]: obj["status"] for obj in self._cache.all("NestedDockerNode")}
        nodes = ((obj["metadata"]["name"], obj["facts"]) for obj in self._cache.all("Node"))
        return {name: with_probe(facts, probed.get(name)) for name, facts in nodes}

    def _parsed(self, kind: str, model: type[Spec]) -> dict[str, Spec]:
        """The valid specs by name; only those that have changed are parsed again."""
        before, specs = self._specs.get(kind, {}), {}
        for obj in self._cache.all(kind):
            name = obj["metadata"]["name"]
            known = before.get(name)
            specs[name] = known if known and known[0] is obj else (obj, _valid(obj, model))
        self._specs[kind] = specs
        return {name: spec for name, (_, spec) in specs.items() if isinstance(spec, model)}


def _valid(obj: Manifest, model: type[Spec]) -> Spec | None:
    try:
        return model.model_validate(obj.get("spec", {}))
    except ValidationError as error:
        logger.warning("%s %s is not valid and is ignored: %s", obj["kind"], obj["metadata"]["name"], error)
        return None


def _status(obj: Mapping[str, Any]) -> NestedDockerStatus:
    """The status as it was last written; an unreadable one counts as empty, and the next pass writes it."""
    try:
        return NestedDockerStatus.model_validate(obj.get("status", {}))
    except ValidationError as error:
        logger.warning("the status of %s cannot be read and will be replaced: %s", obj["metadata"]["name"], error)
        return NestedDockerStatus()
