"""From the API server's answers to what the engine does about them."""

from __future__ import annotations

from nested_docker.domain.objects import Identity
from nested_docker.domain.observed import ApiRejection
from nested_docker.domain.ports import KubeError
from nested_docker.domain.status.reasons import Reason


class WriteRejected(Exception):
    """A write that would be refused again as it is."""

    def __init__(self, identity: Identity, api_rejection: ApiRejection) -> None:
        super().__init__(api_rejection.message)
        self.identity, self.api_rejection = identity, api_rejection


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
        return WriteRejected(identity, ApiRejection(Reason.API_REJECTED, message))
    return error
