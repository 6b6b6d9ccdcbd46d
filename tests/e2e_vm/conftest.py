"""One cluster for the whole ring, with a second node, and the operator installed by its chart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.environment import API, Environment
from tests.e2e.installation import env, govern, install, namespace_of, operator_stays_healthy, started
from tests.e2e_vm.node import CLUSTER, NAME, RUNTIME_CLASS, TOLERATION
from tests.support.cluster import TOOL, run
from tests.support.manifests import GENEROUS

__all__ = ["env", "operator_stays_healthy"]

HERE = Path(__file__).parent
PROFILES = "profiles"
"""Namespace of the DaemonSet that puts the chart's seccomp profile onto this node."""

PROFILE = "cri-containerd.apparmor.d"
"""The profile that containerd gives to containers that are not privileged. It loads it for the first one, which here is
that of the chart's DaemonSet."""

ABSENT = "absent.apparmor.d"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes seconds on an idle machine takes minutes on a busy one."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.timeout(1500))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Environment]:
    """The embedded cluster with both nodes, and the operator on the first."""
    environment = started(CLUSTER, "--vm")
    privileged = {"pod-security.kubernetes.io/enforce": "privileged"}
    environment.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PROFILES, "labels": privileged}})
    seccomp = {
        "install": True,
        "namespace": PROFILES,
        "nodeSelector": {"kubernetes.io/hostname": NAME},
        "tolerations": [TOLERATION],
    }
    install(environment, "--set=nodeProbe.enabled=true", f"--set-json=seccompProfiles={json.dumps(seccomp)}")
    govern(environment, *governing())
    yield environment
    run(str(TOOL), "down", "--name", CLUSTER)


@pytest.fixture(scope="module")
def shared(cluster: Environment) -> Iterator[Environment]:
    """A namespace for all tests of a module, since each daemon takes long to start."""
    with namespace_of(cluster) as shared:
        yield shared


def governing() -> list[dict[str, Any]]:
    """Classes and the policy of the ring."""
    missing, confined = (
        {"mode": "Dind", "appArmorProfile": {"type": "Localhost", "localhostProfile": profile}}
        for profile in (ABSENT, PROFILE)
    )
    classes = {
        "anywhere": {"modes": ["Dind"]},
        "v2": {"modes": ["Dind"], "runtimeClassName": RUNTIME_CLASS},
        "absent": {"modes": ["Dind"], "runtimeClassName": RUNTIME_CLASS, "securityModules": [missing]},
        "confined": {"modes": ["Dind"], "runtimeClassName": RUNTIME_CLASS, "securityModules": [confined]},
    }
    terms = {
        "namespaceSelector": {"matchLabels": {"ci": "true"}},
        "allowedClasses": list(classes),
        "allowedModes": ["Dind"],
        **GENEROUS,
    }
    return [
        *(
            API | {"kind": "NestedDockerClass", "metadata": {"name": name}, "spec": spec}
            for name, spec in classes.items()
        ),
        API | {"kind": "NestedDockerPolicy", "metadata": {"name": "e2e"}, "spec": terms},
    ]
