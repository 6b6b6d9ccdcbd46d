"""The order in which the pods of a namespace get their daemons, as `domain/injection/fairness.py` decides it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any

from nested_docker.controller.cache import Cache
from nested_docker.controller.injection_index import nested_docker_of
from nested_docker.controller.workqueue import Key
from nested_docker.domain.injection.fairness import PATIENCE, Pair, is_first, oldest_running, room
from nested_docker.domain.injection.manifest import owner_pod
from nested_docker.domain.injection.pod_life import has_ended, has_started
from nested_docker.domain.objects import CLIENT_POD, Manifest
from nested_docker.domain.ports import Clock
from nested_docker.domain.status.conditions import parse_timestamp
from nested_docker.domain.status.reasons import Reason, Type

_KnownPair = tuple[Manifest, Manifest, Pair]
"""A pod, its NestedDocker, and what the turns depend on."""


@dataclass
class InjectionTurns:
    """Says which pods may get their daemons now.

    Attributes:
        cache: has the pods and their NestedDockers.
        clock: for how long they have waited.
        queue: gets the keys whose turn it is.
    """

    cache: Cache
    clock: Clock
    queue: Callable[[Key], None]
    _beginning: set[Key] = field(default_factory=set)
    _refused: set[Key] = field(default_factory=set)
    _first_since: dict[Key, datetime] = field(default_factory=dict)
    _newly_first: list[Key] = field(default_factory=list)

    def has_come(self, key: Key) -> bool:
        """Whether the pod of a NestedDocker that does not exist yet may get it now."""
        self._refused.discard(key)
        return key in self._next(key[0], self._known_pairs(key[0]))

    @contextmanager
    def taken(self, key: Key) -> Iterator[None]:
        """A NestedDocker is being created. If that fails, its pod lets others pass until it is tried again."""
        self._beginning.add(key)
        try:
            yield
        except BaseException:
            self._refused.add(key)
            raise
        finally:
            self._beginning.discard(key)

    def refuse(self, key: Key) -> None:
        """The pod gets no daemon as it is, so it lets others pass until something changes."""
        self._refused.add(key)

    def forget(self, key: Key) -> None:
        """The pod is gone."""
        self._refused.discard(key)
        self._first_since.pop(key, None)

    def blocker(self, namespace: str) -> tuple[Manifest, Manifest] | None:
        """The oldest pod that has waited for a node for long, and its NestedDocker; None: there is none.

        There is no bound after which it holds up nobody although an older one runs: it may wait for just that one's
        room, and then too many daemons would have nodes when it ends, and no pod.
        """
        return self._blocker(self._known_pairs(namespace))

    def _blocker(self, known_pairs: Iterable[_KnownPair]) -> tuple[Manifest, Manifest] | None:
        now = self.clock.now()
        late = [
            (pair.began, pod, known)
            for pod, known, pair in known_pairs
            if not pair.has_node and pair.began + PATIENCE <= now
        ]
        return min(late, key=lambda each: each[0])[1:] if late else None

    def late_at(self, key: Key) -> datetime | None:
        """When a pair that waits holds up no others any more; None: it has none, or that has passed."""
        since = self._first_since.get(key)
        late_at = since + PATIENCE if since else None
        return late_at if late_at and late_at > self.clock.now() else None

    def pass_on(self, key: Key) -> None:
        """Queue the pods of a namespace whose turn it is, and those whose `late_at` is new, after a pass for one."""
        known_pairs = [*self._known_pairs(key[0])]
        turns, blocker = self._next(key[0], known_pairs), self._blocker(known_pairs)
        first_held = islice(self._held(key[0]), 1) if blocker and nested_docker_of(blocker[0]) == key else ()
        for each in dict.fromkeys((*turns, *self._newly_first, *first_held)):
            if each != key:
                self.queue(each)
        self._newly_first.clear()

    def _next(self, namespace: str, known_pairs: Iterable[_KnownPair]) -> list[Key]:
        """The pods whose turn it is, the oldest first, by their NestedDockers."""
        now = self.clock.now()
        pairs = self._pairs(known_pairs, now)
        pairs += [Pair(now, has_node=False) for each in self._beginning if each[0] == namespace]
        return [*islice(self._held(namespace), max(0, room(pairs, now)))]

    def _held(self, namespace: str) -> Iterator[Key]:
        """The pods that hold nothing and have no daemon yet, the oldest first, by their NestedDockers."""
        for place in self.cache.injection.waiting(namespace):
            pod = self.cache.get(CLIENT_POD, *place)
            key = nested_docker_of(pod) if pod else None
            if key and key not in self._refused and key not in self._beginning and not self._is_made(key):
                yield key

    def _is_made(self, key: Key) -> bool:
        return self.cache.get("NestedDocker", *key) is not None

    def _known_pairs(self, namespace: str) -> Iterator[_KnownPair]:
        for key in self.cache.injection.made(namespace):
            known = self.cache.get("NestedDocker", *key)
            pod = self.cache.get(CLIENT_POD, namespace, owner_pod(known["metadata"])[0]) if known else None
            pair = self._pair(pod, known) if pod and known and nested_docker_of(pod) == key else None
            if pod and known and pair:
                yield pod, known, pair

    def _pairs(self, known_pairs: Iterable[_KnownPair], now: datetime) -> list[Pair]:
        """The pairs with what is remembered of them, which is brought up to date."""
        found = {nested_docker_of(pod): pair for pod, _, pair in known_pairs}
        oldest = oldest_running(found.values())
        for key, pair in found.items():
            if pair.has_node or not is_first(pair, oldest):
                self._first_since.pop(key, None)
            elif key not in self._first_since:
                self._first_since[key] = now
                self._newly_first.append(key)
        return [replace(pair, first_since=self._first_since.get(key)) for key, pair in found.items()]

    def _pair(self, pod: Manifest, known: Manifest) -> Pair | None:
        """A pod with its daemon; None: it has ended, the daemon is another's, or it needs no node (any more)."""
        if owner_pod(known["metadata"])[1] != pod["metadata"]["uid"]:
            return None
        if "deletionTimestamp" in known["metadata"] or has_ended(pod, self.clock.now()) or ended_too_soon(pod, known):
            return None
        has_node = bool(pod["spec"].get("nodeName")) or has_started(pod)
        if denial_of(known) and not has_node:
            return None
        return Pair(parse_timestamp(known["metadata"]["creationTimestamp"]), has_node)


def denial_of(nested_docker: Manifest) -> str:
    """Why a NestedDocker is denied; empty: it is not."""
    return _message_of(nested_docker, Type.ACCEPTED)


def shortcoming_of(nested_docker: Manifest) -> str:
    """Why a NestedDocker is not ready; empty: it is."""
    return _message_of(nested_docker, Type.READY)


def quota_of(nested_docker: Manifest) -> str:
    """Why a quota keeps a NestedDocker from being ready; empty: none does."""
    problem = shortcoming_of(nested_docker)
    return problem if problem.startswith(f"{Reason.QUOTA_EXCEEDED}:") else ""


def _message_of(nested_docker: Manifest, type_: Type) -> str:
    conditions: list[dict[str, Any]] = nested_docker.get("status", {}).get("conditions", [])
    found = next((each for each in conditions if each["type"] == type_ and each["status"] == "False"), None)
    return f"{found['reason']}: {found.get('message', '')}" if found else ""


def ended_too_soon(pod: Mapping[str, Any], nested_docker: Manifest) -> bool:
    """Whether a daemon has ended for good, by its idle time or its deadline, before its pod has started."""
    return bool(nested_docker.get("status", {}).get("completionTime")) and not has_started(pod)
