"""Fixtures with a Docker daemon in the cluster, for other projects' tests.

pytest loads this module wherever NestedDocker is installed, so it imports nothing else before a test uses a fixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import docker

    from nested_docker.client import NestedDocker

PYTEST_SETTINGS = {
    "name": "NestedDocker to use; empty: a temporary one.",
    "namespace": "Namespace; empty: that of the kubeconfig's context.",
    "class_name": "NestedDockerClass of a NestedDocker that is created; empty: the default class.",
    "mode": "Mode of a NestedDocker that is created; empty: the least privileged one.",
    "context": "Context of the kubeconfig; empty: the current one.",
    "timeout": "Seconds until it has to be ready; 300 if empty.",
}
"""Settings in pytest's configuration, each with the prefix `nested_docker_`."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the settings."""
    for name, meaning in PYTEST_SETTINGS.items():
        parser.addini(f"nested_docker_{name}", meaning, default="")


@pytest.fixture(scope="session")
def nested_docker(pytestconfig: pytest.Config) -> Iterator[NestedDocker]:
    """A daemon for the whole run; it is deleted at the end, if it was created for it."""
    from nested_docker.client import NestedDocker

    settings = {name: pytestconfig.getini(f"nested_docker_{name}") for name in PYTEST_SETTINGS}
    timeout = float(settings.pop("timeout") or 300)
    with NestedDocker(**settings, timeout=timeout) as running:
        yield running


@pytest.fixture(scope="session")
def nested_docker_client(nested_docker: NestedDocker) -> docker.DockerClient:
    """A client of Docker's SDK for that daemon."""
    return nested_docker.client()
