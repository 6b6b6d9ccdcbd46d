"""Recipes with a daemon per job: the pod that each system makes of its recipe, with the connection, is a valid pod."""

from __future__ import annotations

import json

import pytest
import yaml
from tests.contract.conftest import Offer
from tests.support.api import Api
from tests.support.ci_pods import FOLDER, SYSTEMS, Manifest, container, gitlab, pod, recipe
from tests.support.factory import DEFAULTS, HOME, observed
from tests.unit.domain.injection.pods import patched

from nested_docker.domain import names
from nested_docker.domain.admission.acceptance import Accepted, accept
from nested_docker.domain.injection.name_servers import foreign_name_servers
from nested_docker.domain.injection.patch import InjectedConnection, Marks, injection_patch
from nested_docker.domain.injection.request import chosen_containers, injection_request
from nested_docker.domain.injection.sidecar import sidecar
from nested_docker.domain.injection.sidecar_patch import sidecar_patch
from nested_docker.domain.manifests.pod import pod_to_judge
from nested_docker.domain.modes import MODES
from nested_docker.domain.modes.base import PodContext

ID = "0123456789abcdef0123"


def test_every_system_is_here() -> None:
    assert {path.name for path in FOLDER.iterdir()} == SYSTEMS.keys()


@pytest.mark.parametrize("system", SYSTEMS)
async def test_the_pod_of_a_recipe_is_valid_with_its_connection(offer: Offer, system: str) -> None:
    make, expected = SYSTEMS[system]
    asking = make()
    asking["metadata"] |= {"name": f"recipe-{system}", "namespace": "default"}
    containers = chosen_containers(asking, injection_request(asking))
    assert [each.container["name"] for each in containers] == expected
    connection = InjectedConnection(names.injected_name(ID))
    marks = Marks(ID, "v1.1.0.0")
    injected = patched(asking, injection_patch(asking, connection, containers, marks))
    assert injected["spec"]["schedulingGates"] == [{"name": names.SCHEDULING_GATE}]
    injected["spec"].pop("serviceAccountName", None)  # of the recipe's namespace
    assert await offer(injected) == "", json.dumps(injected)


def test_a_sandbox_of_a_pool_may_use_its_daemon_and_the_name_server() -> None:
    """A SandboxTemplate with rules of its own leaves its pods the cluster's name servers."""
    template = next(yaml.safe_load_all((FOLDER / "agent-sandbox/warm-pool.yaml").read_text()))["spec"]
    sandbox = pod(template["podTemplate"]["metadata"], **template["podTemplate"]["spec"])
    containers = chosen_containers(sandbox, injection_request(sandbox))
    assert [each.container["name"] for each in containers] == ["agent"]
    assert foreign_name_servers(sandbox) == ()
    dns, daemon = template["networkPolicy"]["egress"]
    assert {(port["protocol"], port["port"]) for port in dns["ports"]} == {("UDP", 53), ("TCP", 53)}
    accepted = accept(observed({"mode": "Dind"}), DEFAULTS)
    assert isinstance(accepted, Accepted), accepted
    made = pod_to_judge(PodContext(HOME, accepted.effective, DEFAULTS), MODES[accepted.effective.mode])
    (peer,) = daemon["to"]
    assert peer["podSelector"]["matchLabels"].items() <= made["metadata"]["labels"].items()
    assert daemon["ports"] == [{"protocol": "TCP", "port": names.DOCKER_PORT}]


async def test_a_job_of_jenkins_mounts_its_workspace(offer: Offer) -> None:
    template = recipe("jenkins/workspace.yaml")
    volume = {"name": "workspace-volume", "mountPath": "/home/jenkins/agent"}
    containers = [each | {"volumeMounts": [volume]} for each in (*template["spec"]["containers"], container("jnlp"))]
    asking = pod(template["metadata"], containers, volumes=[{"name": volume["name"], "emptyDir": {}}])
    asking["metadata"] |= {"name": "recipe-workspace", "namespace": "default"}
    injected = with_sidecar(asking, "docker")
    assert volume in injected["spec"]["initContainers"][0]["volumeMounts"]
    assert await offer(injected) == "", json.dumps(injected)


async def test_a_job_of_gitlab_mounts_its_project(offer: Offer) -> None:
    asking = gitlab("gitlab/workspace.yaml")
    asking["metadata"] |= {"name": "recipe-project", "namespace": "default"}
    injected = with_sidecar(asking, "build")
    assert {"name": "repo", "mountPath": "/builds"} in injected["spec"]["initContainers"][0]["volumeMounts"]
    assert await offer(injected) == "", json.dumps(injected)


def with_sidecar(asking: Manifest, client: str) -> Manifest:
    """The pod with its daemon; only `client` has the connection."""
    clients = chosen_containers(asking, injection_request(asking))
    assert [each.container["name"] for each in clients] == [client]
    accepted = accept(observed({"mode": "Dind"}), DEFAULTS)
    assert isinstance(accepted, Accepted), accepted
    return patched(asking, sidecar_patch(asking, sidecar(asking, accepted, clients, DEFAULTS), clients))


async def test_the_deployment_of_gitea_is_valid(api: Api) -> None:
    path, query = "/apis/apps/v1/namespaces/default/deployments", {"dryRun": "All", "fieldValidation": "Strict"}
    made = await api.request("POST", path, query=query, body=recipe("gitea/daemon-per-runner.yaml"))
    assert made["metadata"]["name"] == "gitea-runner"


@pytest.mark.parametrize("system", ["testcontainers", "devcontainers", "buildx"])
async def test_the_job_of_a_client_is_valid(api: Api, system: str) -> None:
    path, query = "/apis/batch/v1/namespaces/default/jobs", {"dryRun": "All", "fieldValidation": "Strict"}
    made = await api.request("POST", path, query=query, body=recipe(f"{system}/daemon-per-job.yaml"))
    assert made["kind"] == "Job"
