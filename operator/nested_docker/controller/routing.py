"""Routing: from a watch event to the keys of the NestedDockers that it concerns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nested_docker.controller.cache import CHILD_KINDS, Cache
from nested_docker.controller.workqueue import Key, Priority, WorkQueue


class Router:
    """Updates the cache and queues the keys that an event concerns."""

    def __init__(self, cache: Cache, queue: WorkQueue) -> None:
        self._cache, self._queue = cache, queue

    def seen(self, kind: str, obj: Mapping[str, Any]) -> None:
        """An object was added or modified; a child that changes its owner concerns both owners."""
        metadata = obj["metadata"]
        before = self._cache.get(kind, metadata.get("namespace", ""), metadata["name"])
        if self._cache.put(obj, kind):
            self._enqueue(kind, obj)
            if before is not None and kind in CHILD_KINDS:
                self._enqueue(kind, before)

    def gone(self, kind: str, obj: Mapping[str, Any]) -> None:
        """An object was deleted."""
        self._cache.remove(obj, kind)
        self._enqueue(kind, obj)

    def everything(self) -> None:
        """Queue every NestedDocker in the background: this replica has just become the leader.

        Deleted ones with children are included, because they may have gone while no replica led.
        """
        for key in dict.fromkeys((*self._all(), *self._cache.owners())):
            self._queue.add(key, Priority.BACKGROUND)

    def _enqueue(self, kind: str, obj: Mapping[str, Any]) -> None:
        for key, priority in self._concerned(kind, obj):
            self._queue.add(key, priority)

    def _concerned(self, kind: str, obj: Mapping[str, Any]) -> Iterable[tuple[Key, Priority]]:
        metadata = obj["metadata"]
        if kind == "NestedDocker":
            return [((metadata["namespace"], metadata["name"]), Priority.NORMAL)]
        if kind in CHILD_KINDS:
            owner = self._cache.owner(obj, kind)
            return [(owner, Priority.NEARLY_READY)] if owner else []
        if kind == "Namespace":
            concerned = self._all() if self._has_pods(metadata["name"]) else self._in(metadata["name"])
            return [(key, Priority.BACKGROUND) for key in concerned]
        if kind == "Node":
            return [(key, Priority.BACKGROUND) for key in self._on_node(metadata["name"])]
        return [(key, Priority.BACKGROUND) for key in self._all()]

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
