"""Contested objects: somebody undoes each correction, so the operator corrects them less and less often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from nested_docker.domain import names
from nested_docker.domain.manifests.secrets import SecretManifest
from nested_docker.domain.objects import Identity
from nested_docker.domain.observed import Correction
from nested_docker.domain.planning.child_diff import Apply, Create, Desired, Stage, action_identity
from nested_docker.domain.status.conditions import timestamp
from nested_docker.domain.status.reasons import Reason

AT_ONCE = 3
"""Corrections in a row that are made at once."""

FIRST_CORRECTION_WAIT, LONGEST_CORRECTION_WAIT = timedelta(seconds=10), timedelta(minutes=10)
FORGOTTEN_AFTER = timedelta(minutes=1)
"""A correction after that time, and after twice the wait, begins a new row."""


@dataclass(frozen=True)
class Withheld:
    """A correction that is not made now.

    Attributes:
        identity: the object.
        difference: path of the difference that stays; empty: the object is missing.
        until: when the operator corrects it again.
    """

    identity: Identity
    difference: str
    until: datetime

    @property
    def matters(self) -> bool:
        """Whether clients may be unable to connect, or others able to, until then."""
        return self.identity.kind == "Pod" or not self.difference.startswith("metadata")

    @property
    def reason(self) -> Reason:
        """Reason of the condition."""
        return Reason.CONTESTED

    @property
    def message(self) -> str:
        """What happens, and how to find who does it."""
        kind, name, namespace = self.identity.kind, self.identity.name, self.identity.namespace
        act = f"changes {self.difference} of {kind} {name} back" if self.difference else f"deletes {kind} {name}"
        return (
            f"a controller or an admission plugin of the cluster {act} after each correction; the operator corrects it "
            f"again at {timestamp(self.until)}. Exempt the object from that plugin; to find it: kubectl get "
            f"{kind.lower()} {name} -n {namespace} -o yaml --show-managed-fields"
        )


def desired_digest(desired: Desired) -> str:
    """What tells one desired state from another."""
    if isinstance(desired, SecretManifest):
        return names.digest([desired.manifest, desired.literals, desired.copies, desired.digests_of_foreign])
    return names.digest(desired)


def corrected(before: Correction | None, desired: Desired, now: datetime, *, in_vain: bool) -> Correction:
    """Count a correction.

    Args:
        before: the row so far.
        desired: the state that was written.
        now: the current time.
        in_vain: whether the API server has stored another state, so that repeating it at once is useless.
    """
    written = desired_digest(desired)
    new_row = before is None or before.desired != written or now - before.last > _row_lasts(before.count)
    count = 1 if before is None or new_row else before.count + 1
    return Correction(written, max(count, AT_ONCE) if in_vain else count, now)


def withhold(
    stages: tuple[Stage, ...], corrections: Mapping[Identity, Correction], now: datetime
) -> tuple[tuple[Stage, ...], list[Withheld]]:
    """The stages without the corrections that must wait, and those."""
    waiting = {
        each: Withheld(each, action.difference if isinstance(action, Apply) else "", until)
        for stage in stages
        for action in stage
        if isinstance(action, Create | Apply)
        and (until := _waits_until(action, corrections)) is not None
        and until > now
        and (each := action_identity(action))
    }
    kept = tuple(
        tuple(each for each in stage if not (isinstance(each, Create | Apply) and action_identity(each) in waiting))
        for stage in stages
    )
    return tuple(stage for stage in kept if stage), list(waiting.values())


def _waits_until(action: Create | Apply, corrections: Mapping[Identity, Correction]) -> datetime | None:
    correction = corrections.get(action_identity(action))
    if correction is None or correction.desired != desired_digest(action.desired):
        return None
    return correction.last + _wait(correction.count)


def _wait(count: int) -> timedelta:
    if count < AT_ONCE:
        return timedelta()
    doublings: int = min(count - AT_ONCE, 16)
    return min(FIRST_CORRECTION_WAIT * (1 << doublings), LONGEST_CORRECTION_WAIT)


def _row_lasts(count: int) -> timedelta:
    return 2 * max(_wait(count), FORGOTTEN_AFTER)
