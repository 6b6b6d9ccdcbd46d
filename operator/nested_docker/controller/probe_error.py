"""What an exception of a probe means."""

from __future__ import annotations

import errno
import ssl
from collections.abc import Iterator

from nested_docker.docker_api.errors import NoAnswerError
from nested_docker.domain.observed import ProbeError

NO_ROUTE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN})

KINDS_BY_TYPE: dict[ProbeError, set[type[BaseException]]] = {
    ProbeError.CERTIFICATE: {ssl.SSLCertVerificationError},
    ProbeError.SILENCE: {TimeoutError},
    ProbeError.NO_ANSWER: {NoAnswerError},
    ProbeError.REFUSED: {ConnectionRefusedError},
    ProbeError.CLOSED: {ConnectionError, ConnectionResetError, ConnectionAbortedError, BrokenPipeError},
}
"""Kinds of exceptions, by their very types: an error of the Docker client is a `ConnectionError` too."""


def kind_of(error: BaseException) -> ProbeError:
    """The kind of a failure, by the first exception that says more than that there was one."""
    found = (_kind(each) for each in _from_the_root(error))
    return next((kind for kind in found if kind is not None), ProbeError.OTHER)


def _kind(error: BaseException) -> ProbeError | None:
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLCertVerificationError):
        return ProbeError.REJECTED if "ALERT" in str(error.reason).upper() else ProbeError.NO_TLS
    if isinstance(error, OSError) and error.errno in NO_ROUTE:
        return ProbeError.NO_ROUTE
    return next((kind for kind, types in KINDS_BY_TYPE.items() if type(error) in types), None)


def _from_the_root(error: BaseException) -> Iterator[BaseException]:
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__
    return reversed(chain)
