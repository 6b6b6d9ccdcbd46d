"""When a pod may be replaced: never faster than the interval, each time later, and not a third time for one cause.

The state is in the NestedDocker's status, and is written before the replacement is made. So a restart of the operator
does not shorten a wait.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from nested_docker.api.v1alpha1.nested_docker import Replacement
from nested_docker.domain.status.conditions import parse_timestamp, timestamp

LONGEST_WAIT = timedelta(minutes=10)
"""Most time between two replacements, unless the NestedDocker is stalled."""

STALLED_WAIT = timedelta(hours=1)
"""How long a stalled NestedDocker waits for a change before the operator tries again."""

ROW_ENDS = timedelta(minutes=10)
"""How long clients must have been able to connect, so that the next replacement begins a new row."""

MOST_FOR_ONE_CAUSE = 2
"""Replacements in a row that are made for the same cause."""

_TRUNCATED = timedelta(seconds=1)
"""What a timestamp of whole seconds may lack."""


class Cause(StrEnum):
    """Why a pod is replaced."""

    KEY_SET_LOST = "KeySetLost"
    POD_DELETED = "PodDeleted"
    POD_ENDED = "PodEnded"
    SPEC_CHANGED = "SpecChanged"
    POLICY_CHANGED = "PolicyChanged"
    RESTART_REQUESTED = "RestartRequested"
    AUTHORITY_ROTATED = "AuthorityRotated"
    CERTIFICATE_EXPIRING = "CertificateExpiring"
    IMAGE_CHANGED = "ImageChanged"
    IMAGE_NOT_ALLOWED = "ImageNotAllowed"
    WRITE_REJECTED = "WriteRejected"


DESCRIPTIONS = {
    Cause.KEY_SET_LOST: "somebody deleted or changed the Secret with the key set",
    Cause.POD_DELETED: "somebody deleted the pod",
    Cause.POD_ENDED: "the pod ended",
    Cause.SPEC_CHANGED: "the spec differs from what the pod was created for",
    Cause.POLICY_CHANGED: "the policy differs from what the pod was created for",
    Cause.RESTART_REQUESTED: "the restart annotation differs from the pod's",
    Cause.AUTHORITY_ROTATED: "the annotation for another certificate authority differs from the key set's",
    Cause.CERTIFICATE_EXPIRING: "the pod's certificates expire soon",
    Cause.IMAGE_CHANGED: "somebody changed an image of the pod",
    Cause.IMAGE_NOT_ALLOWED: "an admission plugin gave the pod an image that the policy does not allow",
    Cause.WRITE_REJECTED: "the API server rejected another object of the NestedDocker",
}


def cause_of(replacement: Replacement) -> Cause:
    """The cause in a status, which another version of the operator may have written."""
    known = next((each for each in Cause if each == replacement.cause), None)
    return known or Cause.KEY_SET_LOST


SERVES_ON = frozenset({Cause.SPEC_CHANGED, Cause.RESTART_REQUESTED, Cause.CERTIFICATE_EXPIRING})
"""Causes for which the old pod serves until the new one may be created; otherwise it is removed first."""


def next_replacement(
    before: Replacement | None,
    cause: Cause,
    pod_name: str,
    inputs: str,
    *,
    now: datetime,
    earliest: datetime,
    interval: timedelta,
    was_steady: bool,
) -> Replacement:
    """The replacement that is due, or that `before` already plans.

    Args:
        before: the latest replacement in status; None: there was none.
        cause: why the pod must be replaced now.
        pod_name: the pod.
        inputs: digest of what ends a row when it changes.
        now: the current time.
        earliest: when it may be made, whatever came before.
        interval: least time between two replacements.
        was_steady: whether clients could connect for so long that a new row begins.
    """
    same_inputs = before is not None and before.inputs == inputs
    planned = before is not None and before.pod_name == pod_name != ""
    if before is not None and planned and same_inputs:
        return before
    previous = None if before is None else before.previous_time if planned else before.time
    in_row = same_inputs and not was_steady
    count = before.count + 1 if before is not None and in_row else 1
    same_cause = before.same_cause + 1 if before is not None and in_row and before.cause == cause else 1
    times = [now, earliest]
    if previous is not None:
        times.append(parse_timestamp(previous) + _wait(count, interval) + _TRUNCATED)
    if is_stalled(cause, same_cause):
        times.append(now + STALLED_WAIT)
    return Replacement(
        cause=cause,
        pod_name=pod_name,
        time=timestamp(max(times)),
        previous_time=previous,
        count=count,
        same_cause=same_cause,
        inputs=inputs,
    )


def is_stalled(cause: str, same_cause: int) -> bool:
    """Whether a replacement waits for somebody's change: its cause has not gone away, or cannot."""
    return cause == Cause.IMAGE_NOT_ALLOWED or (same_cause > MOST_FOR_ONE_CAUSE and cause != Cause.WRITE_REJECTED)


def made(replacement: Replacement | None, pod_name: str) -> Replacement | None:
    """A planned replacement becomes a made one, when another pod serves."""
    if replacement is None or replacement.pod_name in {"", pod_name}:
        return replacement
    return replacement.model_copy(update={"pod_name": ""})


def _wait(count: int, interval: timedelta) -> timedelta:
    doublings: int = min(max(count - 2, 0), 16)
    return min(interval * (1 << doublings), max(LONGEST_WAIT, interval))
