"""An upgrade of the operator while jobs begin: replicas that differ answer, and no pod is denied.

A connection that a replica closes when it ends may still cost a request, see `handlers/webhook_server.py`.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from tests.chart.conftest import CI, Helm
from tests.chart.waiting import until
from tests.support.cluster import Cluster, CommandFailed
from tests.support.manifests import GENEROUS, nested_docker_class, policy

OLD, NEW = "docker:28-dind", "docker:29-dind"
WORKERS = 3
"""That create pods at the same time."""

JOB: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"generateName": "job-", "namespace": CI, "labels": {"nesteddocker.dev/inject": "workspace"}},
    "spec": {"containers": [{"name": "build", "image": "docker:29-cli"}]},
}


@pytest.fixture(scope="module", autouse=True)
def release(cluster: Cluster, helm: Helm, system: str) -> Iterator[None]:
    """The release, with a class for sidecars in a namespace that is enabled."""
    labels = {"nesteddocker.dev/injection": "enabled"}
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": CI, "labels": labels}})
    install(helm, OLD)
    offered = {"modes": ["Dind"], "injection": {"forms": ["Sidecar"]}}
    cluster.apply(nested_docker_class("workspace", **offered))
    cluster.apply(
        policy("workspace", namespaceSelector={}, allowedClasses=["workspace"], allowedModes=["Dind"], **GENEROUS)
    )
    yield
    cluster.kubectl("delete", "nesteddockerclasses,nesteddockerpolicies", "--all", "--timeout=60s")
    cluster.kubectl("delete", "namespace", CI, "--timeout=90s")


def install(helm: Helm, image: str) -> None:
    helm.install("injection.enabled=true", f"engine.image={image}")


def created(cluster: Cluster) -> str:
    """The image of the daemon of a new pod, or why there is none."""
    try:
        text = cluster.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(JOB))
    except CommandFailed as error:
        return str(error)
    return str(json.loads(text)["spec"]["initContainers"][0]["image"])


def test_an_upgrade_and_a_rollback_deny_no_pod(cluster: Cluster, helm: Helm) -> None:
    found: Counter[str] = Counter()
    ended = threading.Event()

    def create() -> None:
        while not ended.is_set():
            found[created(cluster)] += 1

    workers = [threading.Thread(target=create) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    try:
        for image in (NEW, OLD):
            install(helm, image)
            # Old replicas answer for some seconds after the new ones are ready.
            until(lambda: created(cluster), wanted=image)
    finally:
        ended.set()
        for worker in workers:
            worker.join()
    assert found.keys() >= {OLD, NEW}
    assert not [each for each in found.keys() - {OLD, NEW} if "failed calling webhook" not in each]
