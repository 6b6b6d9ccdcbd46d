"""What comes of a write, and of a whole pass: one of a few cases that the caller matches on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from nested_docker.domain.objects import Identity
from nested_docker.domain.observed import ApiRejection
from nested_docker.domain.ports import KubeError
from nested_docker.domain.status.reasons import Reason


@dataclass(frozen=True)
class Written:
    """Every write has been made."""


@dataclass(frozen=True)
class Stale:
    """The plan was made from an outdated cache. The cache is up to date now, so the caller plans again."""

    detail: str


@dataclass(frozen=True)
class Rejected:
    """The API server rejects a write, and would reject the same write again."""

    identity: Identity
    api_rejection: ApiRejection


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
    if error.status not in {400, 403, 422}:
        raise error
    message = (
        f"the API server rejected {identity.kind} {identity.name}: {error.message.rstrip('.')}. The operator retries "
        "from time to time, and at once when the NestedDocker changes"
    )
    return Rejected(identity, ApiRejection(Reason.API_REJECTED, message))
