"""What can go wrong between a request to a Docker daemon and a usable answer."""

from __future__ import annotations


class DockerApiError(ConnectionError):
    """The daemon gave no usable answer; the message names the daemon and what happened.

    It is the only exception that a daemon, its answer or the network between can cause, so whoever
    catches it may retry.
    """


class NoAnswerError(TimeoutError):
    """Somebody accepted the connection, but said too little before the deadline: a cause of `DockerApiError`."""


class AnswerTooLargeError(DockerApiError):
    """The answer is larger than the caller's limit; reading stopped there."""
