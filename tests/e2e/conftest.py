"""One cluster for the whole ring, the operator installed by its chart, a namespace for each test."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator

import pytest
from tests.e2e.environment import API, NAME, RELEASE, RULES, SYSTEM, Environment, until
from tests.support.cluster import KUBECTL, OWNER, ROOT, TOOL, CommandFailed, run
from tests.support.manifests import GENEROUS

IMAGE = "nested-docker-operator:dev"


@pytest.fixture(scope="session")
def cluster() -> Iterator[Environment]:
    """The embedded cluster, with a Docker daemon on its node, and the operator."""
    archive = run(str(ROOT / "hack/image.sh"), IMAGE, timeout=1800).split()[-1]
    start = ("up", "--name", NAME, "--docker", "--audit", "--owner", OWNER)
    environment = Environment(run(str(TOOL), *start, timeout=1800).strip())
    run(str(TOOL), "load", "--name", NAME, archive)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    environment.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM, "labels": labels}})
    environment.helm(
        "upgrade",
        "--install",
        RELEASE,
        str(ROOT / "charts/nested-docker"),
        "--set=image.repository=nested-docker-operator,image.tag=dev,image.pullPolicy=IfNotPresent",
        "--set=guardrails.hostSocketPaths={/var/run/docker.sock,/var/run/nope.sock}",
        "--wait",
        "--timeout=120s",
    )
    gid = int(environment.node("stat", "-c", "%g", "/run/docker.sock"))
    environment.apply(*governing(gid))
    until(lambda: judged(environment), 30, lambda: "the webhook is not reached")
    yield environment
    run(str(TOOL), "down", "--name", NAME)


def judged(environment: Environment) -> bool:
    """Whether NestedDockers are judged: a Service reaches its pods some time after they are ready."""
    probe = API | {"kind": "NestedDocker", "metadata": {"name": "probe"}, "spec": {"className": "none"}}
    try:
        environment.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(probe))
    except CommandFailed as failure:
        return "ClassNotFound" in str(failure)
    return False


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
                "allowedModes": ["Dind", "HostSocket", "Sysbox", "UserNamespace"],
                "hostSocket": {
                    "allowRaw": True,
                    "guard": RULES,
                    "paths": ["/var/run/docker.sock", "/var/run/nope.sock"],
                },
                **GENEROUS,
            },
        },
    ]


@pytest.fixture
def env(cluster: Environment) -> Iterator[Environment]:
    """A namespace of one's own that the policy selects."""
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("label", "namespace", name, "ci=true")
    yield Environment(cluster.kubeconfig, name)
    cluster.kubectl("delete", "namespace", name, "--wait=false")


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
