"""Routing: from a watch event to the keys of the NestedDockers that it concerns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nested_docker.api.nesting import nesting_exceeds
from nested_docker.controller.cache import CHILD_KINDS, Cache
from nested_docker.controller.trim import SPEC_NESTING
from nested_docker.controller.unreadable import UnreadableObjects
from nested_docker.controller.workqueue import Key, Priority, WorkQueue
from nested_docker.domain.injection.sidecar_verdict import has_sidecar
from nested_docker.domain.names import LABEL_INJECTION_ID, injected_name, injection_id
from nested_docker.domain.objects import CLIENT_POD
from nested_docker.domain.partial import PartialObject
from nested_docker.domain.status.reasons import Reason, Type

UNEXPECTED_FORM = (AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What an object with an unexpected form raises."""


NODE_REASONS = frozenset(
    reason.value for reason in (Reason.NO_CAPABLE_NODE, Reason.RUNTIME_MISSING, Reason.POD_SECURITY_DENIED)
)
"""Reasons of `Accepted` that pass with another node, or another state of one.

`RuntimeMissing` and `PodSecurityDenied` can be those of one of the class's modes, while another one lacks a node.
"""


GOVERNING_SIDECARS = ("NestedDockerClass", "NestedDockerPolicy", "RuntimeClass")
"""Kinds by which a running sidecar is judged; its node has it already."""


class Router:
    """Updates the cache and queues the keys that an event concerns.

    What cannot be read of an object is skipped and reported; it never stops the reading of others.

    Args:
        cache: is updated.
        queue: gets the keys.
        unreadable: remembers what could not be read.
        sidecars: gets the pods whose daemon is a sidecar.
    """

    def __init__(
        self,
        cache: Cache,
        queue: WorkQueue,
        unreadable: UnreadableObjects | None = None,
        sidecars: WorkQueue | None = None,
    ) -> None:
        self._cache, self._queue, self._sidecars = cache, queue, sidecars
        self._unreadable = unreadable or UnreadableObjects()

    def seen(self, kind: str, obj: Mapping[str, Any]) -> None:
        """An object was added or modified; a child that changes its owner concerns both owners."""
        try:
            self._note(kind, obj)
            self._seen(kind, obj)
        except UNEXPECTED_FORM as error:
            self._skip(kind, obj, error)

    def gone(self, kind: str, obj: Mapping[str, Any]) -> None:
        """An object was deleted."""
        self._unreadable.remove(kind, obj)
        try:
            metadata = obj["metadata"]
            before = self._cache.get(kind, metadata.get("namespace", ""), metadata["name"])
            self._cache.remove(obj, kind)
            self._enqueue(kind, obj)
            if before is not None and kind == CLIENT_POD:  # the label with its id may have gone with the other
                self._enqueue(kind, before)
        except UNEXPECTED_FORM as error:
            self._skip(kind, obj, error)

    def _note(self, kind: str, obj: Mapping[str, Any]) -> None:
        """Remember whether an object was read whole; the cache keeps `SPEC_NESTING` levels of a spec."""
        if isinstance(obj, PartialObject):
            self._unreadable.add_partial(kind, obj.missing, obj)
        elif nesting_exceeds(obj.get("spec"), SPEC_NESTING):
            self._unreadable.add_partial(kind, "spec", obj)
        else:
            self._unreadable.remove(kind, obj)

    def _skip(self, kind: str, obj: Mapping[str, Any], error: Exception) -> None:
        self._unreadable.add(
            kind, obj, f"the object cannot be read ({type(error).__name__}): the operator ignores it; replace it"
        )

    def _seen(self, kind: str, obj: Mapping[str, Any]) -> None:
        metadata = obj["metadata"]
        before = self._cache.get(kind, metadata.get("namespace", ""), metadata["name"])
        if self._cache.put(obj, kind):
            self._enqueue(kind, obj)
            if before is not None and kind in (*CHILD_KINDS, CLIENT_POD):
                self._enqueue(kind, before)

    def everything(self) -> None:
        """Queue every NestedDocker in the background: this replica has just become the leader.

        Deleted ones with children are included, because they may have gone while no replica led, and those that pods
        ask for.
        """
        for key in dict.fromkeys((*self._all(), *self._cache.owners(), *self._injected())):
            self._queue.add(key, Priority.BACKGROUND)
        self._judge(self._cache.injection.with_sidecar())

    def _enqueue(self, kind: str, obj: Mapping[str, Any]) -> None:
        for key, priority in self._concerned(kind, obj):
            self._queue.add(key, priority)
        if kind in GOVERNING_SIDECARS:
            self._judge(self._cache.injection.with_sidecar())
        elif kind == "Namespace":
            self._judge(self._cache.injection.with_sidecar(obj["metadata"]["name"]))
        elif kind == CLIENT_POD and has_sidecar(obj):
            self._judge([(obj["metadata"]["namespace"], obj["metadata"]["name"])])

    def _judge(self, pods: Iterable[Key]) -> None:
        if self._sidecars is not None:
            for pod in pods:
                self._sidecars.add(pod, Priority.BACKGROUND)

    def _concerned(self, kind: str, obj: Mapping[str, Any]) -> Iterable[tuple[Key, Priority]]:
        metadata = obj["metadata"]
        if kind == "NestedDocker":
            return [((metadata["namespace"], metadata["name"]), Priority.NORMAL)]
        if kind in CHILD_KINDS:
            owner = self._cache.owner(obj, kind)
            return [(owner, Priority.NEARLY_READY)] if owner else []
        if kind == CLIENT_POD:
            return [(key, Priority.NORMAL) for key in _injected_key(obj)]
        if kind == "Namespace":
            concerned = self._all() if self._has_pods(metadata["name"]) else self._in(metadata["name"])
            waiting = (key for key in self._injected() if key[0] == metadata["name"])
            return [(key, Priority.BACKGROUND) for key in dict.fromkeys((*concerned, *waiting))]
        if kind in {"Node", "NestedDockerNode"}:
            concerned = [*self._on_node(metadata["name"]), *self._without_node()]
            return [(key, Priority.BACKGROUND) for key in dict.fromkeys(concerned)]
        return [(key, Priority.BACKGROUND) for key in self._all()]

    def _injected(self) -> list[Key]:
        """The NestedDockers that pods ask for."""
        return [key for pod in self._cache.all(CLIENT_POD) for key in _injected_key(pod)]

    def _all(self) -> list[Key]:
        return [(obj["metadata"]["namespace"], obj["metadata"]["name"]) for obj in self._cache.all("NestedDocker")]

    def _in(self, namespace: str) -> list[Key]:
        return [key for key in self._all() if key[0] == namespace]

    def _has_pods(self, namespace: str) -> bool:
        """Whether NestedDockers of other namespaces may have their pods in it."""
        classes, requests = self._cache.all("NestedDockerClass"), self._cache.all("NestedDocker")
        return any(obj["spec"].get("podNamespace") == namespace for obj in classes) or any(
            obj.get("status", {}).get("podNamespace") == namespace for obj in requests
        )

    def _on_node(self, node: str) -> list[Key]:
        pods = (pod for pod in self._cache.all("Pod") if pod["spec"].get("nodeName") == node)
        return [owner for pod in pods if (owner := self._cache.owner(pod, "Pod")) is not None]

    def _without_node(self) -> Iterator[Key]:
        """NestedDockers that no node could run; the changed one may."""
        for obj in self._cache.all("NestedDocker"):
            conditions = obj.get("status", {}).get("conditions", [])
            if any(each["type"] == Type.ACCEPTED and each.get("reason") in NODE_REASONS for each in conditions):
                yield obj["metadata"]["namespace"], obj["metadata"]["name"]


def _injected_key(pod: Mapping[str, Any]) -> list[Key]:
    """The NestedDocker that a pod asks for, if the pod has an id."""
    metadata = pod["metadata"]
    name = injected_name(str(metadata.get("labels", {}).get(LABEL_INJECTION_ID, "")))
    return [(metadata["namespace"], name)] if injection_id(name) else []
