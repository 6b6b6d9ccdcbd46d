"""Writes that cannot be made now: a daemon that runs goes on without them, and the status says which they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nested_docker.domain.objects import Identity
from nested_docker.domain.observed import ApiRejection
from nested_docker.domain.planning.child_diff import (
    Action,
    AddFinalizer,
    Apply,
    Create,
    Stage,
    action_identity,
    nonempty,
)
from nested_docker.domain.status.reasons import Reason


@dataclass(frozen=True)
class Blocked:
    """A write that is left out.

    Attributes:
        identity: the object.
        difference: path of the difference that stays; empty: the object is missing, or not ours.
        why: why it cannot be written.
    """

    identity: Identity
    difference: str
    why: ApiRejection

    @property
    def matters(self) -> bool:
        """Whether more than metadata is wrong: an object is somebody else's, or a pod's labels say who may connect."""
        taken = self.why.reason == Reason.NAME_CONFLICT
        return taken or self.identity.kind == "Pod" or not self.difference.startswith("metadata")

    @property
    def reason(self) -> Reason:
        """Reason of the condition."""
        return self.why.reason

    @property
    def message(self) -> str:
        """Message of the condition."""
        return self.why.message


def leave_out(
    stages: tuple[Stage, ...], blocked: Mapping[Identity, ApiRejection], owner: Identity
) -> tuple[tuple[Stage, ...], list[Blocked]]:
    """The stages without the writes of blocked objects, and those.

    Args:
        stages: the writes.
        blocked: the objects, and why.
        owner: the NestedDocker, whose only write is the finalizer.
    """
    if not blocked:
        return stages, []
    differences = {
        _identity(action, owner): action.difference if isinstance(action, Apply) else ""
        for stage in stages
        for action in stage
    }
    kept = nonempty(*(tuple(each for each in stage if _identity(each, owner) not in blocked) for stage in stages))
    return kept, [Blocked(each, differences.get(each, ""), why) for each, why in blocked.items()]


def _identity(action: Action, owner: Identity) -> Identity | None:
    """The object that a write creates or corrects; None: it does neither."""
    if isinstance(action, Create | Apply):
        return action_identity(action)
    return owner if isinstance(action, AddFinalizer) else None
