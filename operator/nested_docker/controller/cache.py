"""What has been seen of the cluster: fed by watches and by our own writes, whichever is newer."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Mapping, ValuesView
from typing import Any

from nested_docker.controller.trim import trim
from nested_docker.controller.workqueue import Key
from nested_docker.domain.effective import OperatorDefaults
from nested_docker.domain.names import LABEL_NAME, LABEL_NAMESPACE
from nested_docker.domain.objects import Identity, Manifest

CHILD_KINDS = ("Pod", "Service", "Secret", "PersistentVolumeClaim", "NetworkPolicy")
GOVERNING_KINDS = ("NestedDockerClass", "NestedDockerPolicy", "Node", "RuntimeClass")
"""Kinds that concern many NestedDockers at once."""

_TOMBSTONES = 4096


class Cache:
    """Objects by kind, namespace and name, trimmed.

    The answer to a write is remembered at once, so that the next plan does not depend on how soon
    the watch brings it; an event that is older than what is known is ignored.

    Args:
        cleanup_namespace: where pods clean nodes up; they belong to a NestedDocker and are none of its children.

    Attributes:
        governing_version: grows whenever something changes that concerns many NestedDockers.
    """

    def __init__(self, cleanup_namespace: str = OperatorDefaults.cleanup_namespace) -> None:
        self._cleanup_namespace = cleanup_namespace
        self._objects: defaultdict[str, dict[Key, Manifest]] = defaultdict(dict)
        self._children: dict[Key, set[Identity]] = {}
        self._dead: OrderedDict[str, int] = OrderedDict()
        self.governing_version = 0

    def put(self, obj: Mapping[str, Any], kind: str) -> bool:
        """Remember an object as it is now; whether that brings anything new."""
        metadata = obj["metadata"]
        location = (metadata.get("namespace", ""), metadata["name"])
        known = self._objects[kind].get(location)
        if _version(metadata) <= self._dead.get(metadata.get("uid", ""), -1):
            return False
        if known is not None and not _newer(metadata, known["metadata"]):
            return False
        trimmed = trim(obj, kind)
        if known is not None:
            self._disown(known, kind)
        self._objects[kind][location] = trimmed
        owner = self.owner(trimmed, kind)
        if owner is not None:
            self._children.setdefault(owner, set()).add(Identity(kind, *location))
        new = known is None or _essence(known) != _essence(trimmed)
        self.governing_version += new and kind in GOVERNING_KINDS
        return new

    def remove(self, obj: Mapping[str, Any], kind: str) -> None:
        """Forget an object that is gone, or has left what is watched; a new one of the same name stays.

        What is older than its end is ignored from then on. What is newer is not: an object that has
        lost its label has only left our sight, and comes back with it.
        """
        metadata = obj["metadata"]
        self._dead[metadata.get("uid", "")] = _version(metadata)
        while len(self._dead) > _TOMBSTONES:
            self._dead.popitem(last=False)
        location = (metadata.get("namespace", ""), metadata["name"])
        known = self._objects[kind].get(location)
        if known is None or known["metadata"].get("uid") != metadata.get("uid"):
            return
        del self._objects[kind][location]
        self._disown(known, kind)
        self.governing_version += kind in GOVERNING_KINDS

    def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """One object, trimmed."""
        return self._objects[kind].get((namespace, name))

    def all(self, kind: str) -> ValuesView[Manifest]:
        """Every object of a kind, trimmed."""
        return self._objects[kind].values()

    def children(self, key: Key) -> dict[Identity, Manifest]:
        """The children that carry a NestedDocker's name, in whatever namespace."""
        return {each: obj for each, obj in self._marked(key) if each.namespace != self._cleanup_namespace}

    def cleanups(self, key: Key) -> dict[Identity, Manifest]:
        """The pods that clean nodes up after a NestedDocker's."""
        return {
            each: obj
            for each, obj in self._marked(key)
            if each.namespace == self._cleanup_namespace and each.kind == "Pod"
        }

    def _marked(self, key: Key) -> Iterator[tuple[Identity, Manifest]]:
        """Everything that carries a NestedDocker's name."""
        for each in self._children.get(key, ()):
            yield each, self._objects[each.kind][each.namespace, each.name]

    def owners(self) -> Iterable[Key]:
        """NestedDockers that children and cleanup pods carry the name of, whether they exist or not."""
        return self._children.keys()

    @staticmethod
    def owner(obj: Mapping[str, Any], kind: str) -> Key | None:
        """The NestedDocker that an object belongs to; None: it is no child.

        By its controller, and by its labels only where it has none: a label is easily changed, and then
        it is the old owner that must put it right. In another namespace than its NestedDocker's it has none.
        """
        if kind not in CHILD_KINDS:
            return None
        metadata = obj["metadata"]
        labels, own = metadata.get("labels", {}), metadata.get("namespace", "")
        for reference in metadata.get("ownerReferences", []):
            if reference.get("controller") and reference.get("kind") == "NestedDocker":
                return own, reference["name"]
        return (labels.get(LABEL_NAMESPACE, own), labels[LABEL_NAME]) if labels.get(LABEL_NAME) else None

    def _disown(self, known: Manifest, kind: str) -> None:
        owner = self.owner(known, kind)
        siblings = self._children.get(owner) if owner is not None else None
        if owner is not None and siblings is not None:
            metadata = known["metadata"]
            siblings.discard(Identity(kind, metadata.get("namespace", ""), metadata["name"]))
            if not siblings:
                del self._children[owner]


def _newer(metadata: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Whether what is offered is newer than what is known: versions are comparable as numbers (KEP-5504)."""
    if metadata.get("uid") != known.get("uid"):
        return True
    return _version(metadata) > _version(known)


def _version(metadata: Mapping[str, Any]) -> int:
    return int(metadata.get("resourceVersion", 0))


def _essence(trimmed: Manifest) -> Manifest:
    metadata = {key: value for key, value in trimmed["metadata"].items() if key != "resourceVersion"}
    return trimmed | {"metadata": metadata}
