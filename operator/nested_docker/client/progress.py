"""How far a NestedDocker is, from its object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nested_docker.domain.objects import Manifest


class DaemonStage(StrEnum):
    """What a client can expect."""

    READY = "Ready"
    WAITING = "Waiting"
    STALLED = "Stalled"
    """Somebody has to act; it may go on then."""
    ENDED = "Ended"
    """It never becomes ready, or only after a change of its spec."""


@dataclass(frozen=True)
class Progress:
    """One step on the way to a daemon.

    Attributes:
        stage: what a client can expect.
        reason: of the condition `Ready`; empty: the operator has written none yet.
        message: of that condition, or what is known without it.
    """

    stage: DaemonStage
    reason: str
    message: str


def progress_of(nested_docker: Manifest) -> Progress:
    """How far a NestedDocker is."""
    metadata, status = nested_docker["metadata"], nested_docker.get("status") or {}
    ready = condition(nested_docker, "Ready")
    if metadata.get("deletionTimestamp"):
        return Progress(DaemonStage.ENDED, "Deleted", "it is being deleted")
    if not ready or status.get("observedGeneration", 0) < metadata.get("generation", 0):
        return Progress(DaemonStage.WAITING, "", "the operator has not looked at it yet")
    return Progress(_stage(nested_docker, status), str(ready.get("reason", "")), str(ready.get("message", "")))


def _stage(nested_docker: Manifest, status: Mapping[str, Any]) -> DaemonStage:
    def has(type_: str, value: str = "True") -> bool:
        return condition(nested_docker, type_).get("status") == value

    if status.get("completionTime") or has("Accepted", "False"):
        return DaemonStage.ENDED
    if has("Ready"):
        return DaemonStage.READY
    if has("Stalled"):
        return DaemonStage.STALLED
    return DaemonStage.WAITING if has("Reconciling") else DaemonStage.ENDED


def condition(nested_docker: Manifest, type_: str) -> dict[str, Any]:
    """The condition of that type; empty if it was never set."""
    conditions = (nested_docker.get("status") or {}).get("conditions") or []
    found: dict[str, Any] = next((each for each in conditions if each.get("type") == type_), {})
    return found
