"""The Python API: a Docker daemon in the cluster for as long as a block of code runs.

    async with NestedDocker() as nested_docker:
        client = nested_docker.client()

`nested_docker.client.session.NestedDocker` describes it; all errors are a `NestedDockerError`.
"""

from __future__ import annotations

from nested_docker.client.dialing import Reach
from nested_docker.client.errors import (
    ClusterError,
    DeniedError,
    InvalidRequestError,
    NestedDockerError,
    NotFoundError,
    NotReadyError,
    UnreachableError,
)
from nested_docker.client.progress import DaemonStage, Progress
from nested_docker.client.session import NestedDocker

__all__ = [
    "ClusterError",
    "DaemonStage",
    "DeniedError",
    "InvalidRequestError",
    "NestedDocker",
    "NestedDockerError",
    "NotFoundError",
    "NotReadyError",
    "Progress",
    "Reach",
    "UnreachableError",
]
