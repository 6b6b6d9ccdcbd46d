"""The manifests of docs/injection.md, as a reader applies them. The webhooks judge a dry run like any other request."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from tests.e2e.environment import Environment
from tests.e2e.injecting import granting
from tests.e2e.installation import govern
from tests.support.cluster import ROOT

PAGE = (ROOT / "docs/injection.md").read_text()
REMOTE, CHOICE, CLASS, SIDECAR, BESIDE_OTHERS, PORT_WITHOUT_PROXY = (
    yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
)
"""All blocks of the page."""


@pytest.fixture(scope="module", autouse=True)
def _class(cluster: Environment) -> Iterator[None]:
    """The page's class, and a policy for it."""
    name = CLASS["metadata"]["name"]
    govern(cluster, CLASS, granting(name))
    yield
    cluster.kubectl("delete", f"nesteddockerpolicy/{name}", f"nesteddockerclass/{name}")


@pytest.fixture
def enabled(env: Environment) -> Environment:
    """A namespace that an admin has enabled by the page's command, which names another one."""
    (command,) = re.findall(r"`kubectl (label namespace \S+ nesteddocker\.dev/injection=enabled)`", PAGE)
    env.kubectl(*command.replace("team-a", env.namespace).split())
    return env


def created(env: Environment, manifest: dict[str, Any]) -> dict[str, Any]:
    """The pod as the API server would store it in the test's namespace."""
    text = json.dumps(manifest | {"metadata": manifest["metadata"] | {"namespace": env.namespace}})
    return dict(json.loads(env.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=text)))


def connected(pod: dict[str, Any]) -> list[str]:
    """Containers with the connection."""
    containers = pod["spec"]["containers"]
    return [each["name"] for each in containers if any(v["name"] == "DOCKER_HOST" for v in each.get("env", []))]


def test_the_pod_of_the_first_example_gets_what_the_table_says(enabled: Environment) -> None:
    pod = created(enabled, REMOTE)
    (volume,) = [each for each in pod["spec"]["volumes"] if each["name"] == "nested-docker"]
    id_ = pod["metadata"]["labels"]["nesteddocker.dev/injection-id"]
    assert volume["secret"]["secretName"] == f"injected-{id_}-docker"
    assert connected(pod) == ["tests"]
    assert {"name": "nesteddocker.dev/daemon"} in pod["spec"]["schedulingGates"]


def test_the_annotation_chooses_the_containers(enabled: Environment) -> None:
    (template,) = REMOTE["spec"]["containers"]
    containers = [template | {"name": name} for name in ("build", "helper", "other")]
    metadata = REMOTE["metadata"] | CHOICE["metadata"]
    pod = created(enabled, REMOTE | {"metadata": metadata, "spec": REMOTE["spec"] | {"containers": containers}})
    assert connected(pod) == ["build", "helper"]


def test_the_annotations_for_pods_beside_other_webhooks_choose_and_stay(enabled: Environment) -> None:
    annotations = BESIDE_OTHERS["metadata"]["annotations"] | PORT_WITHOUT_PROXY["metadata"]["annotations"]
    agent = REMOTE["spec"]["containers"][0] | {"name": "agent"}
    spec = REMOTE["spec"] | {"containers": [*REMOTE["spec"]["containers"], agent]}
    metadata = REMOTE["metadata"] | {"annotations": annotations}
    pod = created(enabled, REMOTE | {"metadata": metadata, "spec": spec})
    assert connected(pod) == ["tests"]
    assert pod["metadata"]["annotations"].items() >= annotations.items()


def test_the_pod_of_the_second_example_has_its_daemon(enabled: Environment) -> None:
    pod = created(enabled, SIDECAR)
    (daemon,) = pod["spec"]["initContainers"]
    assert (daemon["name"], daemon["restartPolicy"]) == ("nested-docker", "Always")
    assert {"name": "src", "mountPath": "/src"} in daemon["volumeMounts"]
    assert connected(pod) == ["tests"]
    assert 2375 in pod["spec"]["securityContext"]["supplementalGroups"]
