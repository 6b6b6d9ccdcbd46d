"""What may go wrong for a user: one line that says what, and one that says what to do."""

from __future__ import annotations

import re

from nested_docker.api.meta import GROUP
from nested_docker.domain.ports import KubeError
from nested_docker.domain.shown import one_line


class NestedDockerError(Exception):
    """Base of all errors of this package.

    What servers say is in it, so that terminals get printable characters only.

    Attributes:
        message: what is wrong, on one line.
        remedy: what to do about it, on one line; empty: the message says it.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        self.message, self.remedy = one_line(message), one_line(remedy)
        super().__init__(f"{self.message}: {self.remedy}" if remedy else self.message)


class InvalidRequestError(NestedDockerError):
    """The request is invalid: the API server or this program rejects a value."""


class NotFoundError(NestedDockerError):
    """The NestedDocker does not exist."""


class DeniedError(NestedDockerError):
    """A policy or an admission plugin denies the request."""


class NotReadyError(NestedDockerError):
    """The daemon does not become ready.

    Attributes:
        reason: reason of the condition `Ready`, as in docs/conditions.md; empty: the operator has written none.
    """

    def __init__(self, reason: str, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.reason = reason


class UnreachableError(NestedDockerError):
    """The daemon is ready, but this process cannot reach it."""


class ClusterError(NestedDockerError):
    """The cluster cannot be used: no answer, no permission, or NestedDocker is not installed."""


INSTALL_REMEDY = "install the operator's Helm chart, or choose another cluster by --context"


def user_error(error: KubeError, doing: str) -> NestedDockerError:
    """What an error of the API server means for a user.

    Args:
        error: the API server's.
        doing: what was tried, such as `create NestedDocker build`.
    """
    message = " ".join(error.message.split()) or error.reason
    if denied := _denied(message, doing):
        return denied
    if error.status == 403:
        return _forbidden(message, doing)
    if error.status == 404 and _is_unknown_resource(message):
        return ClusterError(f"cannot {doing}: the cluster does not know {GROUP}", INSTALL_REMEDY)
    kind, what, remedy = _BY_STATUS.get(error.status, (ClusterError, f"{error.status} {_MESSAGE}", "try again"))
    return kind(f"cannot {doing}: {what.replace(_MESSAGE, message)}", remedy)


_MESSAGE = "{message}"

_BY_STATUS: dict[int, tuple[type[NestedDockerError], str, str]] = {
    0: (
        ClusterError,
        "the API server does not answer ({message})",
        "check the server of the kubeconfig's context, and your network",
    ),
    400: (InvalidRequestError, "{message}", "correct the field that the message names"),
    401: (
        ClusterError,
        "the API server does not accept your credentials",
        "log in again, or choose another context by --context",
    ),
    404: (NotFoundError, "{message}", "check the namespace, or list what exists: nested-docker ls"),
    409: (InvalidRequestError, "{message}", "choose another name"),
    422: (InvalidRequestError, "{message}", "correct the field that the message names"),
}


_DENIAL = re.compile(r"""(admission webhook "|ValidatingAdmissionPolicy ').*denied (the )?request""")
_OWN_DENIAL = re.compile(rf'admission webhook "[^"]*{re.escape(GROUP)}" denied the request: ')
"""Begins the operator's denials, which name their remedy."""


def _denied(message: str, doing: str) -> NestedDockerError | None:
    """A denial by admission, which has the status that its rule chooses; None: it is something else."""
    if _OWN_DENIAL.search(message):
        return DeniedError(f"cannot {doing}: {_OWN_DENIAL.sub('', message)}")
    if _DENIAL.search(message):
        return DeniedError(f"cannot {doing}: {message}", "change the request, or ask whoever manages that rule")
    if "exceeded quota" in message:
        return DeniedError(
            f"cannot {doing}: {message}", "delete what you do not need, or ask for a larger ResourceQuota"
        )
    return None


def _forbidden(message: str, doing: str) -> NestedDockerError:
    if 'User "system:anonymous"' in message:
        _, what, remedy = _BY_STATUS[401]
        return ClusterError(f"cannot {doing}: {what}", remedy)
    return ClusterError(f"cannot {doing}: {message}", "ask a cluster admin for this permission")


def _is_unknown_resource(message: str) -> bool:
    return "could not find the requested resource" in message or "page not found" in message
