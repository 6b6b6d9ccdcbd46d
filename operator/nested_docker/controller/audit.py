"""The audit log: a log line and a count for each decision, with who was granted or denied what."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from nested_docker.controller.admission_reviewer import AdmissionResponse, Review
from nested_docker.controller.cache import Cache
from nested_docker.domain.admission.acceptance import Accepted, NotAccepted
from nested_docker.domain.injection.sidecar_verdict import granted_by
from nested_docker.domain.names import LABEL_INJECT
from nested_docker.domain.ports import Recorder
from nested_docker.domain.status.reasons import Trait, traits_of

logger = logging.getLogger("nested_docker.audit")

CountDecision = Callable[[str, str, str, str], None]
"""Counts a decision: stage, outcome, reason, mode."""

CountEvent = Callable[[str, str], None]
"""Counts an Event: type, reason."""


class Audit:
    """Writes the audit log. As a `Recorder` it forwards all Events, and logs those that are decisions.

    Args:
        recorder: receives all Events.
        cache: has the generations of classes and policies.
        count: the metric of decisions.
        count_event: the metric of Events.
    """

    def __init__(self, recorder: Recorder, cache: Cache, count: CountDecision, count_event: CountEvent) -> None:
        self._recorder, self._cache, self._count, self._count_event = recorder, cache, count, count_event

    def record(self, regarding: Mapping[str, Any], type_: str, reason: str, message: str) -> None:
        """Forward and count an Event, and log it if it is a decision of the reconciler."""
        self._count_event(type_, reason)
        self._recorder.record(regarding, type_, reason, message)
        traits = traits_of(reason)
        if not traits & (Trait.GRANT | Trait.DENIAL):
            return
        known = self._cache.get("NestedDocker", regarding["namespace"], regarding["name"]) or {}
        status = known.get("status", {})
        self._log(
            "reconcile",
            outcome="granted" if Trait.GRANT in traits else "denied",
            reason=reason,
            message=message,
            namespace=regarding["namespace"],
            nested_docker=regarding["name"],
            uid=regarding["uid"],
            mode=status.get("mode") or known.get("spec", {}).get("mode", ""),
            class_name=status.get("className", ""),
            policy=status.get("policyName", ""),
            until=status.get("expirationTime", ""),
        )

    def admitted(self, review: Review, response: AdmissionResponse) -> None:
        """Log what admission has decided, and for whom."""
        metadata, spec = review.obj["metadata"], review.obj.get("spec", {})
        accepted = response.accepted
        self._log(
            "admission",
            outcome="granted" if response.allowed else "denied",
            reason=response.reason,
            message=response.message or "; ".join(response.warnings),
            user=review.user.get("username", ""),
            dry_run=review.dry_run,
            namespace=metadata["namespace"],
            nested_docker=metadata.get("name", ""),
            uid=metadata.get("uid", ""),
            mode=accepted.effective.mode if accepted else spec.get("mode", ""),
            class_name=accepted.class_name if accepted else spec.get("className", ""),
            policy=accepted.policy if accepted else "",
            lifetime_seconds=accepted.lifetime_seconds if accepted else None,
        )

    def judged(self, pod: Mapping[str, Any], outcome: Accepted | NotAccepted) -> None:
        """Log what was decided about the running sidecar of a pod."""
        metadata = pod["metadata"]
        self._log(
            "sidecar",
            outcome="granted" if isinstance(outcome, Accepted) else "denied",
            reason=outcome.reason,
            message=outcome.message,
            namespace=metadata["namespace"],
            pod=metadata["name"],
            uid=metadata["uid"],
            mode=outcome.effective.mode if isinstance(outcome, Accepted) else "",
            class_name=metadata["labels"][LABEL_INJECT],
            policy=outcome.policy if isinstance(outcome, Accepted) else granted_by(pod),
        )

    def _log(
        self,
        stage: str,
        *,
        outcome: str,
        reason: str,
        message: str,
        mode: str,
        class_name: str,
        policy: str,
        **more: Any,
    ) -> None:
        self._count(stage, outcome, reason, mode)
        fields = {
            "stage": stage,
            "outcome": outcome,
            "reason": reason,
            "mode": mode,
            "class": class_name,
            "class_generation": self._generation("NestedDockerClass", class_name),
            "policy": policy,
            "policy_generation": self._generation("NestedDockerPolicy", policy),
        }
        logger.info("%s at %s: %s", outcome, stage, message or reason, extra=fields | more)

    def _generation(self, kind: str, name: str) -> int | None:
        known = self._cache.get(kind, "", name)
        return known["metadata"].get("generation") if known else None
