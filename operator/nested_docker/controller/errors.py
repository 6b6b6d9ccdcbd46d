"""From the API server's answers to what the engine does about them."""

from __future__ import annotations

from nested_docker.domain.objects import Identity
from nested_docker.domain.observed import Refusal
from nested_docker.domain.ports import KubeError
from nested_docker.domain.status.reasons import Reason


class Refused(Exception):
    """A write that would be refused again as it is."""

    def __init__(self, identity: Identity, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.identity, self.refusal = identity, refusal


class Outdated(Exception):
    """What the plan was made from is not what there is; what there is has been looked up: plan again."""


class NamespaceEnds(Exception):
    """The namespace is being deleted, and everything in it with it: nothing is left to do."""


def translate(error: KubeError, identity: Identity) -> Exception:
    """The exception that tells the engine what to do; the error itself where trying again may help."""
    if "being terminated" in error.message or (error.status == 404 and "namespaces" in error.message):
        return NamespaceEnds(error.message)
    if error.status in {400, 403, 422}:
        message = (
            f"the API server refused {identity.kind} {identity.name}: {error.message.rstrip('.')}. It is tried again "
            "from time to time, and at once when the NestedDocker changes"
        )
        return Refused(identity, Refusal(Reason.REFUSED_BY_API, message))
    return error
