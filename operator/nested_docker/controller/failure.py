"""Requests that failed: which one it was, what the API server said, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from nested_docker.domain.names import is_tls_secret
from nested_docker.domain.objects import Identity
from nested_docker.domain.ports import KubeError

MOMENTARY = frozenset({409, 429})
"""Statuses that are part of a busy cluster's normal course, so that only the second one in a row is reported."""

REFUSED = frozenset({400, 403, 422})
"""Statuses of a request that the API server refuses for what it is."""

UNREACHABLE_WEBHOOK = re.compile(r'failed calling webhook "([^"]{1,253})"')
DENYING_WEBHOOK = re.compile(r'admission webhook "([^"]{1,253})" denied the request')


NOT_READY_YET = "not yet ready to handle request"
"""What an admission plugin of an API server answers that has just started."""


def server_is_starting(error: KubeError) -> bool:
    """Whether the API server rejects a request only because it has just started; a webhook's words prove nothing."""
    return error.status == 403 and NOT_READY_YET in error.message and not DENYING_WEBHOOK.search(error.message)


class RequestFailed(KubeError):
    """A request that a pass cannot do without has failed; another try may help.

    Attributes:
        verb: what it does with the object: `create`, `update`, `delete`, `read`, or a longer phrase.
        identity: the object.
    """

    def __init__(self, verb: str, identity: Identity, error: KubeError) -> None:
        super().__init__(error.status, error.reason, error.message, error.retry_after)
        self.verb, self.identity = verb, identity

    @property
    def momentary(self) -> bool:
        """Whether one failure alone means nothing."""
        return self.status in MOMENTARY

    @property
    def description(self) -> str:
        """The message of the condition."""
        what, namespace = self._object, self.identity.namespace
        where = f"{what} in namespace {namespace}" if namespace else what
        said = f"the API server said: {self.message.rstrip('.')}" if self.status else f"no answer: {self.message}"
        return f"the operator cannot {self.verb} {where} ({said}). It retries. {self._remedy}"

    @property
    def _object(self) -> str:
        """The object. A key set that is not stored has another name in each attempt, which would change the status."""
        kind, name = self.identity.kind, self.identity.name
        if not name:
            return f"the objects of kind {kind}"
        is_new_key_set = self.verb == "create" and kind == "Secret" and is_tls_secret(name)
        return "the Secret with the daemon's keys" if is_new_key_set else f"{kind} {name}"

    @property
    def _remedy(self) -> str:
        kind, namespace = self.identity.kind, self.identity.namespace
        if webhook := UNREACHABLE_WEBHOOK.search(self.message):
            return (
                f"A cluster admin starts the server of admission webhook {webhook[1]} again, or excludes namespace "
                f"{namespace} from that webhook"
            )
        if webhook := DENYING_WEBHOOK.search(self.message):
            return f"A cluster admin exempts this {kind} from admission webhook {webhook[1]}"
        known = {
            0: "If it lasts, a cluster admin looks at the API server and at the network between",
            403: f"A cluster admin gives the operator the permission to {self.verb} this {kind}",
            409: "If it lasts, find who changes the object all the time: kubectl get with --show-managed-fields",
            429: "If it lasts, a cluster admin looks at the load of the API server",
        }
        other = "If it lasts, a cluster admin looks at what the answer names and at the API server's log"
        return other if server_is_starting(self) else known.get(self.status, other)


class GoverningUnread(RequestFailed):
    """What governs a NestedDocker cannot be read, so that a denial by the cache is not confirmed."""


@contextmanager
def requesting(verb: str, identity: Identity) -> Iterator[None]:
    """Name the request that fails inside.

    Raises:
        RequestFailed: instead of any other `KubeError`.
    """
    try:
        yield
    except RequestFailed:
        raise
    except KubeError as error:
        raise RequestFailed(verb, identity, error) from error
