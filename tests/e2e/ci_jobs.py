"""CI jobs as their systems make them: an image with tools, a pod with one label, and many of them at once."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.e2e.environment import Environment, until
from tests.e2e.images import BUILD_AND_RUN
from tests.e2e.injecting import granting
from tests.support.cluster import HOME, TOOL, CommandFailed, run
from tests.support.manifests import nested_docker_class

CLASS = "ci"
TOOLS = "ci-tools:29"
_TOOLS_DOCKERFILE = """
FROM docker:29-cli
COPY docker-compose /usr/local/lib/docker/cli-plugins/
COPY testcontainers-probe /usr/local/bin/
"""

REQUESTS = {"resources": {"requests": {"cpu": "400m", "memory": "64Mi"}}}
"""Of a daemon: a node with two processors holds four, which start in time although other work runs there."""

KINDS = ("nesteddockers", "secrets", "services", "networkpolicies", "persistentvolumeclaims")
"""What a daemon may have of its own, besides its pod."""


def governing(*, requests: bool = True) -> tuple[dict[str, Any], ...]:
    """A class with both forms, and a policy that grants it to the namespaces of the ring.

    Args:
        requests: whether the class limits by `REQUESTS` how many daemons a node holds.
    """
    resources = REQUESTS if requests else {}
    return (
        nested_docker_class(CLASS, modes=["Dind"], injection={"forms": ["Remote", "Sidecar"]}, **resources),
        granting(CLASS),
    )


def load_tools(cluster: str) -> None:
    """Build the image of a team's jobs, which has compose and a test that uses testcontainers, and load it."""
    with tempfile.TemporaryDirectory(dir=HOME) as folder:
        for name in ("docker-compose", "testcontainers-probe"):
            Path(folder, name).hardlink_to(HOME / "bin" / name)
        Path(folder, "Dockerfile").write_text(_TOOLS_DOCKERFILE)
        run(str(TOOL), "image", "build", "--name", cluster, "--tag", TOOLS, folder, timeout=600)


def template(form: str, script: str, image: str = "docker:29-cli") -> dict[str, Any]:
    """The pod template of a job with a workspace. Nothing in it is ours but the metadata."""
    container = {
        "name": "build",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "workingDir": "/builds",
        "command": ["sh", "-ec", script],
        "volumeMounts": [{"name": "workspace", "mountPath": "/builds"}],
    }
    return {
        "metadata": {
            "labels": {"nesteddocker.dev/inject": CLASS},
            "annotations": {"nesteddocker.dev/inject-form": form},
        },
        "spec": {
            "restartPolicy": "Never",
            "volumes": [{"name": "workspace", "emptyDir": {}}],
            "containers": [container],
        },
    }


@dataclass(frozen=True)
class Ended:
    """The pod of a job that has succeeded, in seconds.

    Attributes:
        waited: from its creation to the start of its container.
        took: from its creation to its end.
    """

    waited: float
    took: float


def run_at_once(env: Environment, form: str, count: int, timeout: float) -> list[Ended]:
    """Run a Job with so many pods at once, each of which builds an image and runs it, until nothing of theirs is left.

    The first docker command of a pod must succeed, since nothing is tried again: no command, no container, no pod.

    Raises:
        AssertionError: a pod has failed or was started again, it took longer, or something is left.
    """
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "many"},
        "spec": {
            "completions": count,
            "parallelism": count,
            "backoffLimit": 0,
            "template": template(form, BUILD_AND_RUN),
        },
    }
    before = _names(env)
    env.apply(job)
    until(lambda: _has_ended(env.get("job", "many")), timeout, lambda: _describe(env))
    pods = env.list("pods", "batch.kubernetes.io/job-name=many")
    assert [pod["status"]["phase"] for pod in pods] == ["Succeeded"] * count, _describe(env)
    restarted = [status for pod in pods for status in _containers(pod) if status["restartCount"]]
    assert restarted == [], json.dumps(restarted)
    until(lambda: _names(env) == before, 60, lambda: str(_names(env) - before))
    others = "batch.kubernetes.io/job-name!=many"  # daemons, which end after their NestedDocker
    until(lambda: env.list("pods", others) == [], 60, lambda: env.kubectl("get", "pods", "-l", others))
    return [_ended(pod) for pod in pods]


def _has_ended(job: dict[str, Any]) -> bool:
    conditions = job.get("status", {}).get("conditions", [])
    return any(each["type"] in {"Complete", "Failed"} and each["status"] == "True" for each in conditions)


def _names(env: Environment) -> set[str]:
    return {f"{kind}/{each['metadata']['name']}" for kind in KINDS for each in env.list(kind)}


def _containers(pod: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for field in ("initContainerStatuses", "containerStatuses"):
        yield from pod["status"].get(field, [])


def _ended(pod: dict[str, Any]) -> Ended:
    (build,) = pod["status"]["containerStatuses"]
    created, state = datetime.fromisoformat(pod["metadata"]["creationTimestamp"]), build["state"]["terminated"]
    began, ended = (datetime.fromisoformat(state[key]) for key in ("startedAt", "finishedAt"))
    return Ended((began - created).total_seconds(), (ended - created).total_seconds())


def _describe(env: Environment) -> str:
    try:
        logs = env.kubectl("logs", "-l", "batch.kubernetes.io/job-name=many", "--tail=5", "--prefix")
    except CommandFailed as failure:  # a container that has not started has none
        logs = str(failure)
    return f"{env.kubectl('get', 'pods,nesteddockers')}\n{logs}\n{env.kubectl('get', 'events')[-4000:]}"
