"""What comes of a write, and of a whole pass: one of a few cases that the caller matches on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from nested_docker.controller.failure import DENYING_WEBHOOK, REFUSED, server_is_starting
from nested_docker.domain.objects import Identity
from nested_docker.domain.observed import ApiRejection
from nested_docker.domain.ports import KubeError
from nested_docker.domain.status.reasons import Reason, Trait

PASSING = {
    Reason.QUOTA_EXCEEDED: re.compile(r"\bexceeded quota: |\bstatus unknown for quota: "),
    Reason.SERVICE_ACCOUNT_MISSING: re.compile(r"\berror looking up service account "),
    Reason.PRIORITY_CLASS_MISSING: re.compile(r"\bno PriorityClass with name \S+ was found"),
}
"""Rejections that end without a change of the NestedDocker, by the words of the API server's own admission plugins."""


@dataclass(frozen=True)
class Written:
    """Every write has been made."""


@dataclass(frozen=True)
class Stale:
    """The plan was made from an outdated cache. The cache is up to date now, so the caller plans again."""

    detail: str


@dataclass(frozen=True)
class Rejected:
    """The API server rejects a write, and would reject the same write again.

    Attributes:
        requeue_at: when to reconcile again at the latest, whatever the wait after a rejection is; None: it decides.
    """

    identity: Identity
    api_rejection: ApiRejection
    requeue_at: datetime | None = None

    @property
    def may_pass(self) -> bool:
        """Whether it may end although nobody changes the NestedDocker or what governs it."""
        return not self.api_rejection.reason.has(Trait.STALLED)


@dataclass(frozen=True)
class Gone:
    """The NestedDocker or its namespace is being deleted: nothing is left to do."""

    detail: str


WriteOutcome = Written | Stale | Rejected | Gone


@dataclass(frozen=True)
class Settled:
    """The pass is complete.

    Attributes:
        requeue_at: when to reconcile again at the latest; None: when something happens.
    """

    requeue_at: datetime | None = None


@dataclass(frozen=True)
class NotConverged:
    """Each plan of the pass met a cluster that differed from the cache. The key is tried again later."""

    plans: int


Outcome = Settled | Rejected | NotConverged


def outcome_of(error: KubeError, identity: Identity) -> Rejected | Gone:
    """What an error of the API server means for the write of an object.

    Raises:
        KubeError: the error itself, where another try may help.
    """
    if "being terminated" in error.message or (error.status == 404 and "namespaces" in error.message):
        return Gone(error.message)
    if error.status not in REFUSED or server_is_starting(error):
        raise error
    message = (
        f"the API server rejected {identity.kind} {identity.name}: {error.message.rstrip('.')}. The operator retries "
        "from time to time, and at once when the NestedDocker changes"
    )
    return Rejected(identity, ApiRejection(_reason(error), message))


def _reason(error: KubeError) -> Reason:
    """Why a write is rejected; a webhook's words prove nothing."""
    if error.status != 403 or DENYING_WEBHOOK.search(error.message):
        return Reason.API_REJECTED
    return next((reason for reason, words in PASSING.items() if words.search(error.message)), Reason.API_REJECTED)
