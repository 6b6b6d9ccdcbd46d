"""Objects that could not be read whole: each is reported once, and counted for as long as it stays so."""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

from nested_docker.domain.shown import shorten

logger = logging.getLogger(__name__)

CAPACITY = 4096
"""Objects that are remembered; of more, the oldest are forgotten, and reported again when they are seen again."""

EVENT_REASON = "Unreadable"
"""Reason of the Event."""

Location = tuple[str, str, str]
"""Kind, namespace and name."""

Record = Callable[[Mapping[str, Any], str, str, str], None]
"""Writes an Event about an object: reference, type, reason, message."""


class UnreadableObjects:
    """Reports and remembers.

    Args:
        record: writes an Event; None: none is written.
    """

    def __init__(self, record: Record | None = None) -> None:
        self._record = record
        self._known: OrderedDict[Location, str] = OrderedDict()

    def counts(self) -> Mapping[str, int]:
        """How many are remembered, by kind."""
        return Counter(kind for kind, _, _ in list(self._known))

    def add(self, kind: str, obj: Mapping[str, Any], problem: str) -> None:
        """Report an object, unless the same problem of it is reported already."""
        location = _location(kind, obj)
        if self._known.get(location) == problem:
            return
        self._known[location] = problem
        self._known.move_to_end(location)
        while len(self._known) > CAPACITY:
            self._known.popitem(last=False)
        namespace, name = location[1:]
        logger.warning("%s %s: %s", kind, name, problem, extra={"namespace": namespace, "kind": kind, "object": name})
        metadata = obj.get("metadata", {})
        if self._record is not None and namespace and "apiVersion" in obj:
            kind = str(obj.get("kind", kind))
            reference = {"apiVersion": obj["apiVersion"], "kind": kind, "namespace": namespace, "name": name}
            self._record(reference | {"uid": metadata.get("uid", "")}, "Warning", EVENT_REASON, problem)

    def add_partial(self, kind: str, missing: str, obj: Mapping[str, Any]) -> None:
        """Report an object that was read without the values of one field."""
        self.add(kind, obj, f"{shorten(missing)} is nested too deeply to be read: the operator ignores it; replace it")

    def remove(self, kind: str, obj: Mapping[str, Any]) -> None:
        """Forget an object that is gone or can be read again."""
        if self._known:
            self._known.pop(_location(kind, obj), None)


def _location(kind: str, obj: Mapping[str, Any]) -> Location:
    metadata = obj.get("metadata")
    if not isinstance(metadata, Mapping):
        return kind, "", ""
    return kind, str(metadata.get("namespace", "")), str(metadata.get("name", ""))
