"""The order in which the pods of a namespace get their daemons, as `domain/injection/fairness.py` decides it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from nested_docker.controller.cache import Cache
from nested_docker.controller.workqueue import Key
from nested_docker.domain import names
from nested_docker.domain.injection.fairness import PATIENCE, Pair, is_first, is_gated, is_gated_by_others, room
from nested_docker.domain.injection.manifest import owner_pod
from nested_docker.domain.injection.pod_life import has_ended, has_started
from nested_docker.domain.objects import CLIENT_POD, Manifest
from nested_docker.domain.ports import Clock
from nested_docker.domain.status.conditions import parse_timestamp
from nested_docker.domain.status.reasons import Type


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
        return key in self._next(key[0])

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

    def late_at(self, key: Key) -> datetime | None:
        """When a pair that waits holds up no others any more; None: it has none, or that has passed."""
        since = self._first_since.get(key)
        late_at = since + PATIENCE if since else None
        return late_at if late_at and late_at > self.clock.now() else None

    def pass_on(self, key: Key) -> None:
        """Queue the pods of a namespace whose turn it is, and those whose `late_at` is new, after a pass for one."""
        turns = self._next(key[0])
        for each in dict.fromkeys((*turns, *self._newly_first)):
            if each != key:
                self.queue(each)
        self._newly_first.clear()

    def _next(self, namespace: str) -> list[Key]:
        """The pods whose turn it is, the oldest first, by their NestedDockers."""
        pods = [pod for pod in self.cache.all(CLIENT_POD) if pod["metadata"]["namespace"] == namespace]
        held = sorted(filter(self._is_held, pods), key=_age)
        now = self.clock.now()
        pairs = self._pairs(pods, now)
        pairs += [Pair(now, has_node=False) for each in self._beginning if each[0] == namespace]
        return [_key(pod) for pod in held][: max(0, room(pairs, now))]

    def _pairs(self, pods: list[Manifest], now: datetime) -> list[Pair]:
        found = {_key(pod): pair for pod in pods if (pair := self._pair(pod)) is not None}
        for key, pair in found.items():
            if pair.has_node or not is_first(pair, found.values()):
                self._first_since.pop(key, None)
            elif key not in self._first_since:
                self._first_since[key] = now
                self._newly_first.append(key)
        return [replace(pair, first_since=self._first_since.get(key)) for key, pair in found.items()]

    def _is_held(self, pod: Manifest) -> bool:
        """Whether a pod holds nothing, and has no daemon yet."""
        key = _key(pod)
        return (
            bool(names.injection_id(key[1]))
            and is_gated(pod)
            and not is_gated_by_others(pod)
            and "deletionTimestamp" not in pod["metadata"]
            and key not in self._refused | self._beginning
            and self.cache.get("NestedDocker", *key) is None
        )

    def _pair(self, pod: Manifest) -> Pair | None:
        """A pod with its daemon; None: it has none, or has ended, or its daemon was denied and so needs no node."""
        known = self.cache.get("NestedDocker", *_key(pod))
        if known is None or owner_pod(known["metadata"])[1] != pod["metadata"]["uid"]:
            return None
        if "deletionTimestamp" in known["metadata"] or has_ended(pod, self.clock.now()):
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


def _message_of(nested_docker: Manifest, type_: Type) -> str:
    conditions: list[dict[str, Any]] = nested_docker.get("status", {}).get("conditions", [])
    found = next((each for each in conditions if each["type"] == type_ and each["status"] == "False"), None)
    return f"{found['reason']}: {found.get('message', '')}" if found else ""


def _key(pod: Manifest) -> Key:
    metadata = pod["metadata"]
    return metadata["namespace"], names.injected_name(str(metadata.get("labels", {}).get(names.LABEL_INJECTION_ID, "")))


def _age(pod: Manifest) -> tuple[str, str]:
    return pod["metadata"].get("creationTimestamp", ""), pod["metadata"]["uid"]
