"""A cluster with the operator, installed by its chart, and what every test there needs."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.e2e.environment import API, RELEASE, SYSTEM, Environment, until
from tests.support.cluster import KUBECTL, OWNER, ROOT, TOOL, CommandFailed, run

IMAGE = "nested-docker-operator:dev"


def started(name: str, *options: str) -> Environment:
    """An embedded cluster with the operator's image.

    Args:
        name: of the cluster.
        options: of `cluster up`.
    """
    archive = run(str(ROOT / "hack/image.sh"), IMAGE, timeout=1800).split()[-1]
    kubeconfig = run(str(TOOL), "up", "--name", name, "--owner", OWNER, *options, timeout=1800).strip()
    run(str(TOOL), "load", "--name", name, *({"--vm"} & set(options)), archive, timeout=900)
    return Environment(kubeconfig, cluster=name)


def install(environment: Environment, *values: str) -> None:
    """Install the operator, and return when its webhook is ready."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    environment.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM, "labels": labels}})
    environment.helm(
        "upgrade",
        "--install",
        RELEASE,
        str(ROOT / "charts/nested-docker"),
        "--set=image.repository=nested-docker-operator,image.tag=dev,image.pullPolicy=IfNotPresent",
        *values,
        "--wait",
        "--timeout=120s",
    )


def settled(environment: Environment) -> None:
    """Return when replicas that others replace are gone.

    A connection that one of them closes at its end, while the API server uses it, costs that request.
    """
    system = dataclasses.replace(environment, namespace=SYSTEM)

    def leaving() -> list[str]:
        pods = system.list("pods", "app.kubernetes.io/name=nested-docker")
        return [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" in pod["metadata"]]

    until(lambda: leaving() == [], 60, lambda: f"these end: {leaving()}")


def judged(environment: Environment) -> bool:
    """Whether NestedDockers are judged: a Service reaches its pods some time after they are ready."""
    probe = API | {"kind": "NestedDocker", "metadata": {"name": "probe"}, "spec": {"className": "none"}}
    try:
        environment.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(probe))
    except CommandFailed as failure:
        return "ClassNotFound" in str(failure)
    return False


def govern(environment: Environment, *manifests: dict[str, object]) -> None:
    """Apply classes and policies, and return when NestedDockers are judged by them."""
    environment.apply(*manifests)
    until(lambda: judged(environment), 30, lambda: "the webhook is not reached")


@contextmanager
def namespace_of(cluster: Environment) -> Iterator[Environment]:
    """A new namespace that the policy selects, for the block."""
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("label", "namespace", name, "ci=true")
    yield dataclasses.replace(cluster, namespace=name)
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def env(cluster: Environment) -> Iterator[Environment]:
    """A namespace for one test."""
    with namespace_of(cluster) as env:
        yield env


@pytest.fixture(autouse=True)
def operator_stays_healthy(cluster: Environment, request: pytest.FixtureRequest) -> Iterator[None]:
    """No test may leave a defect in the operator's log."""
    yield
    logs = subprocess.run(
        [str(KUBECTL), "-n", SYSTEM, "logs", "-l", "app.kubernetes.io/name=nested-docker", "--tail=200"],
        env={"KUBECONFIG": cluster.kubeconfig, "HOME": "/root", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    assert "a defect in the operator" not in logs, f"after {request.node.name}:\n{logs}"
