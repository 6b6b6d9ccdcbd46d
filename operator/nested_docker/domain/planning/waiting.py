"""Why a replacement waits, as a condition says it."""

from __future__ import annotations

from nested_docker.api.v1alpha1.nested_docker import Replacement
from nested_docker.domain import names
from nested_docker.domain.modes.dockerd import CONTAINER
from nested_docker.domain.planning.replacement import DESCRIPTIONS, LOSSES, Cause, cause_of, is_stalled
from nested_docker.domain.planning.situation import Situation
from nested_docker.domain.status.reasons import Reason, Type

REJECTIONS = frozenset(
    {
        Reason.API_REJECTED,
        Reason.QUOTA_EXCEEDED,
        Reason.SERVICE_ACCOUNT_MISSING,
        Reason.PRIORITY_CLASS_MISSING,
        Reason.NAME_CONFLICT,
        Reason.CONTESTED,
    }
)
"""Reasons why a write is rejected, or useless."""


def why_it_waits(at: Situation, replacement: Replacement) -> tuple[Reason, str]:
    """Reason and message while the next pod may not be created yet."""
    if replacement.cause == Cause.WRITE_REJECTED:
        before = at.observed.status.condition(Type.PROVISIONED)
        if before is not None and before.reason in REJECTIONS:
            return Reason(before.reason), before.message
    if replacement.cause == Cause.IMAGE_NOT_ALLOWED:
        return Reason.IMAGE_NOT_ALLOWED, _image_not_allowed(at)
    what, when = _what_happened(at, replacement), f"the operator creates a new pod at {replacement.time}"
    if is_stalled(replacement.cause, replacement.same_cause):
        return Reason.REPLACED_REPEATEDLY, (
            f"{what}, for the third time in a row, so the operator stops creating pods. Find who or what does that; "
            f"then restart the daemon: {restart_command(at)}. Without a change {when}"
        )
    return Reason.POD_LOST if replacement.cause in LOSSES else Reason.REPLACEMENT_DELAYED, f"{what}; {when}"


def restart_command(at: Situation) -> str:
    """The command by which a user has the pod replaced."""
    return f"kubectl annotate nesteddocker {at.observed.owner.name} {names.ANNOTATION_RESTART}=$(date +%s) --overwrite"


def why_replaced(at: Situation) -> str:
    """Why the pod is replaced now."""
    return _what_happened(at, at.replacement) if at.replacement is not None else ""


def _what_happened(at: Situation, replacement: Replacement) -> str:
    if replacement.cause in LOSSES and at.lost_pod is not None:
        return at.lost_pod.message
    return DESCRIPTIONS[cause_of(replacement)]


def _image_not_allowed(at: Situation) -> str:
    found = at.image_not_allowed
    if found is None:  # the pod is gone; the first message had everything
        before = at.observed.status.condition(Type.PROVISIONED)
        return before.message if before else DESCRIPTIONS[Cause.IMAGE_NOT_ALLOWED]
    name, stored, asked = found
    field, entry = (
        ("engine.image", "allowedImages.patterns")
        if name == CONTAINER
        else ("the workload's image", "workload.images.patterns")
    )
    return (
        f"an admission plugin of the cluster changed the image of container {name} from {asked} to {stored}, which "
        f"NestedDockerPolicy {at.accepted.policy} does not allow: set {field} to {stored}, or ask a cluster admin to "
        f"add it to {entry} of the policy or to exempt the pod from that plugin"
    )
