"""The cache: objects from watches and from the answers to our writes, whichever is newer."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Mapping, ValuesView
from typing import Any

from nested_docker.controller.injection_index import InjectionIndex
from nested_docker.controller.trim import trim
from nested_docker.controller.workqueue import Key
from nested_docker.domain.effective import OperatorDefaults
from nested_docker.domain.names import LABEL_NAME, LABEL_NAMESPACE
from nested_docker.domain.objects import Identity, Manifest

CHILD_KINDS = ("Pod", "Service", "Secret", "PersistentVolumeClaim", "NetworkPolicy", "PodDisruptionBudget")
GOVERNING_KINDS = ("NestedDockerClass", "NestedDockerPolicy", "Node", "NestedDockerNode", "RuntimeClass")
"""Kinds that concern many NestedDockers at once."""

_TOMBSTONES = 4096


class Cache:
    """Objects by kind, namespace and name, trimmed.

    The answer to a write is stored at once, so that the next plan does not depend on the watch. An event that is
    older than the stored object is ignored.

    Args:
        cleanup_namespace: namespace of the cleanup pods, which belong to a NestedDocker but are not its children.

    Attributes:
        injection: where the pods that ask for daemons are.
        governing_version: grows with each change of an object that concerns many NestedDockers.
    """

    def __init__(self, cleanup_namespace: str = OperatorDefaults.cleanup_namespace) -> None:
        self._cleanup_namespace = cleanup_namespace
        self._objects: defaultdict[str, dict[Key, Manifest]] = defaultdict(dict)
        self._children: dict[Key, set[Identity]] = {}
        self._dead: OrderedDict[str, int] = OrderedDict()
        self._departed: dict[Key, Manifest] = {}
        self.injection = InjectionIndex()
        self.governing_version = 0

    def put(self, obj: Mapping[str, Any], kind: str) -> bool:
        """Store an object; whether that changes anything."""
        metadata = obj["metadata"]
        location = (metadata.get("namespace", ""), metadata["name"])
        known = self._objects[kind].get(location)
        if version_of(metadata) <= self._dead.get(metadata.get("uid", ""), -1):
            return False
        if known is not None and not _newer(metadata, known["metadata"]):
            return False
        trimmed = trim(obj, kind)
        if known is not None:
            self._disown(known, kind)
            self.injection.discard(known, kind)
        self._objects[kind][location] = trimmed
        self.injection.add(trimmed, kind)
        if kind == "NestedDocker" and location in self._departed:
            self._forget_departed(location)
        owner = self.owner(trimmed, kind)
        if owner is not None:
            self._children.setdefault(owner, set()).add(Identity(kind, *location))
        new = known is None or _essence(known) != _essence(trimmed)
        self.governing_version += new and kind in GOVERNING_KINDS
        return new

    def remove(self, obj: Mapping[str, Any], kind: str) -> None:
        """Remove an object that was deleted or has left the watch; a new one of the same name stays.

        Older events are ignored from then on. Newer ones are not: an object that has lost its label has only left the
        watch, and comes back with the label.
        """
        metadata = obj["metadata"]
        self._dead[metadata.get("uid", "")] = version_of(metadata)
        while len(self._dead) > _TOMBSTONES:
            self._dead.popitem(last=False)
        location = (metadata.get("namespace", ""), metadata["name"])
        known = self._objects[kind].get(location)
        if known is None or known["metadata"].get("uid") != metadata.get("uid"):
            return
        del self._objects[kind][location]
        self._disown(known, kind)
        self.injection.discard(known, kind)
        self._note_departure(obj, known, kind)
        self.governing_version += kind in GOVERNING_KINDS

    def versions(self, kind: str) -> Mapping[str, int]:
        """Resource version of each stored object of a kind and of each removed object of any kind, by uid."""
        stored = (obj["metadata"] for obj in self._objects[kind].values())
        return {**self._dead, **{metadata["uid"]: version_of(metadata) for metadata in stored}}

    def forget_version(self, obj: Mapping[str, Any], kind: str) -> None:
        """Take the next version of an object for newer, whatever its number: etcd was restored from a backup."""
        metadata = obj["metadata"]
        self._dead.pop(metadata["uid"], None)
        location = (metadata.get("namespace", ""), metadata["name"])
        known = self._objects[kind].get(location)
        if known is not None:
            self._objects[kind][location] = known | {"metadata": known["metadata"] | {"resourceVersion": "0"}}

    def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """One object, trimmed."""
        return self._objects[kind].get((namespace, name))

    def departed(self, key: Key) -> Manifest | None:
        """The latest pod of a NestedDocker that has gone, as it was then; None: none, or another has replaced it."""
        return self._departed.get(key)

    def all(self, kind: str) -> ValuesView[Manifest]:
        """Every object of a kind, trimmed."""
        return self._objects[kind].values()

    def children(self, key: Key) -> dict[Identity, Manifest]:
        """The children by their labels or owner, in every namespace."""
        return {each: obj for each, obj in self._labelled(key) if each.namespace != self._cleanup_namespace}

    def cleanups(self, key: Key) -> dict[Identity, Manifest]:
        """The cleanup pods of a NestedDocker."""
        return {
            each: obj
            for each, obj in self._labelled(key)
            if each.namespace == self._cleanup_namespace and each.kind == "Pod"
        }

    def _labelled(self, key: Key) -> Iterator[tuple[Identity, Manifest]]:
        """Children and cleanup pods of a NestedDocker."""
        for each in self._children.get(key, ()):
            yield each, self._objects[each.kind][each.namespace, each.name]

    def owners(self) -> Iterable[Key]:
        """NestedDockers that children and cleanup pods belong to, whether they exist or not."""
        return self._children.keys()

    def _forget_departed(self, key: Key) -> None:
        if self._has_replaced(key, self._departed[key]["metadata"]["name"]):
            del self._departed[key]

    def _has_replaced(self, key: Key, pod_name: str) -> bool:
        """Whether the status names another pod that is here: a status may be older than the pods."""
        named = self._objects["NestedDocker"][key].get("status", {}).get("podName")
        stored = {each.name for each in self._children.get(key, ()) if each.kind == "Pod"}
        return named != pod_name and named in stored

    @staticmethod
    def owner(obj: Mapping[str, Any], kind: str) -> Key | None:
        """The NestedDocker that an object belongs to; None: it is not a child.

        The controller reference decides, and labels only where there is none, as in a pod namespace: a label is easily
        changed, and then the previous owner must correct it.
        """
        if kind not in CHILD_KINDS:
            return None
        metadata = obj["metadata"]
        labels, own = metadata.get("labels", {}), metadata.get("namespace", "")
        for reference in metadata.get("ownerReferences", []):
            if reference.get("controller") and reference.get("kind") == "NestedDocker":
                return own, reference["name"]
        return (labels.get(LABEL_NAMESPACE, own), labels[LABEL_NAME]) if labels.get(LABEL_NAME) else None

    def _note_departure(self, obj: Mapping[str, Any], known: Manifest, kind: str) -> None:
        """Keep the last words of a pod until another one replaces it in the status, or the NestedDocker goes."""
        metadata = known["metadata"]
        if kind == "NestedDocker":
            self._departed.pop((metadata["namespace"], metadata["name"]), None)
        owner = self.owner(known, kind) if kind == "Pod" else None
        if owner is None or metadata["namespace"] == self._cleanup_namespace or not self.get("NestedDocker", *owner):
            return
        if not self._has_replaced(owner, metadata["name"]):
            self._departed[owner] = trim(obj, kind)

    def _disown(self, known: Manifest, kind: str) -> None:
        owner = self.owner(known, kind)
        others = self._children.get(owner) if owner is not None else None
        if owner is not None and others is not None:
            metadata = known["metadata"]
            others.discard(Identity(kind, metadata.get("namespace", ""), metadata["name"]))
            if not others:
                del self._children[owner]


def _newer(metadata: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Whether an object is newer than the stored one: resource versions compare as numbers (KEP-5504)."""
    if metadata.get("uid") != known.get("uid"):
        return True
    return version_of(metadata) > version_of(known)


def version_of(metadata: Mapping[str, Any]) -> int:
    """An object's resource version."""
    return int(metadata.get("resourceVersion", 0))


def _essence(trimmed: Manifest) -> Manifest:
    metadata = {key: value for key, value in trimmed["metadata"].items() if key != "resourceVersion"}
    return trimmed | {"metadata": metadata}
