"""Where the pods that ask for daemons are, so that nobody looks through all of them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from nested_docker.controller.workqueue import Key
from nested_docker.domain import names
from nested_docker.domain.injection.fairness import is_gated, is_gated_by_others
from nested_docker.domain.injection.sidecar_verdict import has_sidecar
from nested_docker.domain.objects import CLIENT_POD

_Age = tuple[str, str, Key]


class InjectionIndex:
    """Places of pods and of their NestedDockers in the cache."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, list[_Age]] = defaultdict(list)
        self._claimants: defaultdict[Key, set[Key]] = defaultdict(set)
        self._made: defaultdict[str, set[Key]] = defaultdict(set)
        self._with_sidecar: defaultdict[str, set[Key]] = defaultdict(set)

    def add(self, obj: Mapping[str, Any], kind: str) -> None:
        """Note a stored object of any kind."""
        if kind == "NestedDocker":
            place = _place(obj)
            if names.injection_id(place[1]):
                self._made[place[0]].add(place)
        elif kind == CLIENT_POD:
            self._claimants[nested_docker_of(obj)].add(_place(obj))
            if has_sidecar(obj):
                self._with_sidecar[obj["metadata"]["namespace"]].add(_place(obj))
            if _waits(obj):
                insort(self._waiting[obj["metadata"]["namespace"]], _age(obj))

    def discard(self, obj: Mapping[str, Any], kind: str) -> None:
        """Forget an object, as it was stored."""
        place = _place(obj)
        if kind == "NestedDocker":
            _drop(self._made, place[0], place)
        elif kind == CLIENT_POD:
            _drop(self._claimants, nested_docker_of(obj), place)
            _drop(self._with_sidecar, place[0], place)
            if _waits(obj):
                waiting = self._waiting[place[0]]
                del waiting[bisect_left(waiting, _age(obj))]
                if not waiting:
                    del self._waiting[place[0]]

    def waiting(self, namespace: str) -> Iterable[Key]:
        """Pods that wait for nothing but a daemon, the oldest first."""
        return (place for _, _, place in self._waiting.get(namespace, ()))

    def with_sidecar(self, namespace: str = "") -> Iterable[Key]:
        """Pods whose daemon is a sidecar, of one namespace or of all."""
        if namespace:
            return self._with_sidecar.get(namespace, ())
        return (place for places in self._with_sidecar.values() for place in places)

    def claimants(self, key: Key) -> Iterable[Key]:
        """Pods with the id of a NestedDocker."""
        return self._claimants.get(key, ())

    def made(self, namespace: str) -> Iterable[Key]:
        """NestedDockers of pods."""
        return self._made.get(namespace, ())


def nested_docker_of(pod: Mapping[str, Any]) -> Key:
    """The NestedDocker that a pod's label names."""
    metadata = pod["metadata"]
    return metadata["namespace"], names.injected_name(str(metadata.get("labels", {}).get(names.LABEL_INJECTION_ID, "")))


def _waits(pod: Mapping[str, Any]) -> bool:
    return (
        bool(names.injection_id(nested_docker_of(pod)[1]))
        and is_gated(pod)
        and not is_gated_by_others(pod)
        and "deletionTimestamp" not in pod["metadata"]
    )


def _place(obj: Mapping[str, Any]) -> Key:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _age(pod: Mapping[str, Any]) -> _Age:
    return pod["metadata"].get("creationTimestamp", ""), pod["metadata"]["uid"], _place(pod)


def _drop(places: defaultdict[Any, set[Key]], group: Any, place: Key) -> None:
    found = places.get(group)
    if found is not None:
        found.discard(place)
        if not found:
            del places[group]
