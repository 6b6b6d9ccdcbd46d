"""One cluster for the whole ring, the operator installed by its chart, a namespace for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.e2e.environment import API, NAME, RULES, Environment
from tests.e2e.injecting import enabled
from tests.e2e.installation import env, govern, install, operator_stays_healthy, started
from tests.support.cluster import TOOL, run
from tests.support.manifests import GENEROUS

__all__ = ["enabled", "env", "operator_stays_healthy"]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Environment]:
    """The embedded cluster, with a Docker daemon on its node, and the operator."""
    environment = started(NAME, "--docker", "--audit")
    install(
        environment,
        "--set=injection.enabled=true",
        "--set=guardrails.hostSocketPaths={/var/run/docker.sock,/var/run/nope.sock}",
    )
    gid = int(environment.node("stat", "-c", "%g", "/run/docker.sock"))
    govern(environment, *governing(gid))
    yield environment
    run(str(TOOL), "down", "--name", NAME)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is judged by all that the operator has done comes last."""
    items.sort(key=lambda item: item.path.name == "test_rights.py")


def governing(gid: int) -> list[dict[str, object]]:
    """Classes and policies of the ring."""
    default = {"nesteddocker.dev/is-default-class": "true"}
    return [
        API
        | {
            "kind": "NestedDockerClass",
            "metadata": {"name": "standard", "annotations": default},
            "spec": {"modes": ["Dind", "Sysbox"]},
        },
        API
        | {
            "kind": "NestedDockerClass",
            "metadata": {"name": "host"},
            "spec": {"modes": ["HostSocket"], "hostSocket": {"path": "/var/run/docker.sock", "gid": gid}},
        },
        API
        | {
            "kind": "NestedDockerClass",
            "metadata": {"name": "raw"},
            "spec": {
                "modes": ["HostSocket"],
                "hostSocket": {"access": "Raw", "path": "/var/run/docker.sock", "gid": gid},
            },
        },
        API
        | {
            "kind": "NestedDockerClass",
            "metadata": {"name": "no-socket"},
            "spec": {"modes": ["HostSocket"], "hostSocket": {"path": "/var/run/nope.sock"}},
        },
        API
        | {
            "kind": "NestedDockerPolicy",
            "metadata": {"name": "e2e"},
            "spec": {
                "namespaceSelector": {"matchLabels": {"ci": "true"}},
                "allowedClasses": ["standard", "host", "raw", "no-socket", "entrypoint"],
                "allowedModes": ["Dind", "HostSocket", "Sysbox", "UserNamespace", "Rootless"],
                "hostSocket": {
                    "allowRaw": True,
                    "guard": RULES,
                    "paths": ["/var/run/docker.sock", "/var/run/nope.sock"],
                },
                **GENEROUS,
            },
        },
    ]
