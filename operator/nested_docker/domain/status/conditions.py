"""Conditions: set without needless change, with `Ready` and kstatus's conditions derived."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from nested_docker.api.meta import Condition, Status
from nested_docker.domain.shown import MESSAGE_LENGTH, shorten
from nested_docker.domain.status.reasons import Reason, Trait, Type, traits_of


def timestamp(moment: datetime) -> str:
    """A moment in the form of Kubernetes' `metav1.Time`: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_timestamp(text: str) -> datetime:
    """The moment of a `metav1.Time`."""
    return datetime.fromisoformat(text)


class Conditions:
    """The conditions of one pass, on top of those of the pass before.

    `lastTransitionTime` moves only when a condition's status flips, so that an unchanged state
    gives equal conditions and no write.
    """

    def __init__(self, previous: Iterable[Condition], *, generation: int, now: datetime) -> None:
        self._previous = {condition.type: condition for condition in previous}
        self._current: dict[str, Condition] = {}
        self._generation = generation
        self._now = timestamp(now)

    def assess(self, type_: Type, reason: Reason, message: str, *, holds: bool) -> None:
        """Set a condition from its reason: True, False, or Unknown where the reason says that nobody knows yet."""
        known = Status.TRUE if holds else Status.FALSE
        self.set(type_, Status.UNKNOWN if reason.has(Trait.UNDETERMINED) else known, reason, message)

    def set(self, type_: Type, status: Status, reason: Reason, message: str = "") -> None:
        """Set a condition; the last call of a pass wins."""
        self._set(type_, status, reason.value, message)

    def _set(self, type_: Type, status: Status, reason: str, message: str) -> None:
        """The same for a reason of a kept condition, which another version of the operator may have written."""
        before = self._previous.get(type_)
        moved = before is None or before.status != status
        self._current[type_] = Condition(
            type=type_,
            status=status,
            reason=reason,
            message=shorten(message, MESSAGE_LENGTH),
            last_transition_time=self._now if moved or before is None else before.last_transition_time,
            observed_generation=self._generation,
        )

    def keep(self, *types: Type) -> None:
        """Keep conditions of the pass before as they are."""
        self._current |= {type_: self._previous[type_] for type_ in types if type_ in self._previous}

    def complete(self) -> list[Condition]:
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
                self._set(Type.READY, Status.FALSE, worst.reason, worst.message)
        ready = self._current[Type.READY]
        traits = traits_of(ready.reason)
        if ready.status == Status.TRUE or Trait.SETTLED in traits:
            return
        summary = Type.STALLED if Trait.STALLED in traits else Type.RECONCILING
        self._set(summary, Status.TRUE, ready.reason, ready.message)
