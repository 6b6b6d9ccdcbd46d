"""Conditions: set without needless change, and summed up."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from nested_docker.api.meta import Condition, Status
from nested_docker.domain.reasons import DENIALS, Reason, Type


def timestamp(moment: datetime) -> str:
    """A moment in the form of Kubernetes' `metav1.Time`: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_timestamp(text: str) -> datetime:
    """The moment that a `metav1.Time` says."""
    return datetime.fromisoformat(text)


class Conditions:
    """The conditions of one reconcile, laid over those of the one before.

    `lastTransitionTime` moves only when a condition's status flips, so that an unchanged state
    gives equal conditions and no write.
    """

    def __init__(self, previous: Iterable[Condition], *, generation: int, now: datetime) -> None:
        self._previous = {condition.type: condition for condition in previous}
        self._current: dict[str, Condition] = {}
        self._generation = generation
        self._now = timestamp(now)

    def set(self, type_: Type, status: Status, reason: Reason, message: str = "") -> None:
        """State a condition; the last word in a reconcile counts."""
        before = self._previous.get(type_)
        moved = before is None or before.status != status
        self._current[type_] = Condition(
            type=type_,
            status=status,
            reason=reason.value,
            message=message[:4096],
            last_transition_time=self._now if moved or before is None else before.last_transition_time,
            observed_generation=self._generation,
        )

    def get(self, type_: Type) -> Condition | None:
        """What this reconcile has stated of that type."""
        return self._current.get(type_)

    def since(self, type_: Type, status: Status) -> str | None:
        """Since when the condition has had that status, across reconciles."""
        condition = self._current.get(type_) or self._previous.get(type_)
        return condition.last_transition_time if condition and condition.status == status else None

    def summed_up(self) -> list[Condition]:
        """Every condition, with `Ready` and kstatus's `Reconciling` and `Stalled` derived from the others."""
        self._derive_ready()
        return list(self._current.values())

    def _derive_ready(self) -> None:
        if Type.READY not in self._current:
            worst = next(
                (
                    condition
                    for type_ in (Type.ACCEPTED, Type.PROVISIONED, Type.DAEMON_REACHABLE)
                    if (condition := self._current.get(type_)) and condition.status != Status.TRUE
                ),
                None,
            )
            if worst is None:
                self.set(Type.READY, Status.TRUE, Reason.READY, "clients can connect")
            else:
                self.set(Type.READY, worst.status, Reason(worst.reason), worst.message)
        ready = self._current[Type.READY]
        stalled = ready.status != Status.TRUE and ready.reason in STALLING
        if stalled:
            self.set(Type.STALLED, Status.TRUE, Reason(ready.reason), ready.message)
        elif ready.status != Status.TRUE and ready.reason not in RESTING:
            self.set(Type.RECONCILING, Status.TRUE, Reason(ready.reason), ready.message)


STALLING = DENIALS | {
    Reason.NAME_CONFLICT,
    Reason.REFUSED_BY_API,
    Reason.DAEMON_CRASHED,
    Reason.IMAGE_PULL_FAILED,
    Reason.SOCKET_MISSING,
    Reason.WORKLOAD_FAILED,
}
"""Reasons that go away only when somebody does something: kstatus calls that Stalled."""

RESTING = frozenset({Reason.SUSPENDED, Reason.DEADLINE_EXCEEDED, Reason.IDLE_TIMEOUT})
"""Reasons of a NestedDocker that is where it is meant to be, without a daemon."""
