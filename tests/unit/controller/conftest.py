"""A NestedDocker of a class with a pod namespace, and its reconciler. Other tests have fixtures of the same names."""

from __future__ import annotations

import pytest
from tests.unit.fakes import WatchedKube, reconciler_of

from nested_docker.controller.reconciler import Reconciler


@pytest.fixture
def kube() -> WatchedKube:
    kube = WatchedKube()
    policy = {"namespaceSelector": {}, "allowedClasses": ["isolated"], "allowedModes": ["Dind"]}
    kube.put("NestedDockerClass", "", "isolated", spec={"modes": ["Dind"], "podNamespace": "daemons"})
    kube.put("NestedDockerPolicy", "", "all", spec=policy)
    kube.put("Namespace", "", "team-a")
    kube.put("Namespace", "", "daemons")
    kube.put("NestedDocker", "team-a", "build", spec={"className": "isolated"})
    kube.writes.clear()
    return kube


@pytest.fixture
def reconciler(kube: WatchedKube) -> Reconciler:
    return reconciler_of(kube)
