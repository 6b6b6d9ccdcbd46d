"""Recipes with a daemon per job: the pod that each system makes of its recipe, with the connection, is a valid pod."""

from __future__ import annotations

import json

import pytest
import yaml
from tests.contract.conftest import Offer
from tests.support.api import Api
from tests.support.ci_pods import (
    FOLDER,
    SYSTEMS,
    Manifest,
    container,
    documents,
    gitea,
    gitlab,
    job,
    pod,
    recipe,
)
from tests.support.factory import DEFAULTS, HOME, observed
from tests.unit.domain.injection.pods import patched

from nested_docker.domain import names
from nested_docker.domain.admission.acceptance import Accepted, accept
from nested_docker.domain.injection.name_servers import foreign_name_servers
from nested_docker.domain.injection.patch import InjectedConnection, Marks, injection_patch
from nested_docker.domain.injection.request import chosen_containers, injection_request
from nested_docker.domain.injection.sidecar import class_sidecar, sidecar
from nested_docker.domain.injection.sidecar_patch import sidecar_patch
from nested_docker.domain.manifests.pod import pod_to_judge
from nested_docker.domain.modes import MODES
from nested_docker.domain.modes.base import PodContext
from nested_docker.domain.modes.dockerd import PROBE_SOCKET

ID = "0123456789abcdef0123"


def test_every_system_is_here() -> None:
    assert {path.name for path in FOLDER.iterdir()} == SYSTEMS.keys()


@pytest.mark.parametrize("system", SYSTEMS)
async def test_the_pod_of_a_recipe_is_valid_with_its_connection(offer: Offer, system: str) -> None:
    make, expected = SYSTEMS[system]
    asking = placed(make())
    containers = chosen_containers(asking, injection_request(asking))
    assert [each.container["name"] for each in containers] == expected
    connection = InjectedConnection(names.injected_name(ID))
    marks = Marks(ID, "v1.1.0.0")
    injected = patched(asking, injection_patch(asking, connection, containers, marks))
    assert injected["spec"]["schedulingGates"] == [{"name": names.SCHEDULING_GATE}]
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
    injected = with_sidecar(placed(asking), "docker")
    assert volume in daemon_of(injected)["volumeMounts"]
    assert await offer(injected) == "", json.dumps(injected)


async def test_a_job_of_gitlab_mounts_its_project(offer: Offer) -> None:
    injected = with_sidecar(placed(gitlab("gitlab/workspace.yaml")), "build")
    assert {"name": "repo", "mountPath": "/builds"} in daemon_of(injected)["volumeMounts"]
    assert await offer(injected) == "", json.dumps(injected)


def with_sidecar(asking: Manifest, client: str) -> Manifest:
    """The pod with its daemon; only `client` has the connection."""
    clients = chosen_containers(asking, injection_request(asking))
    assert [each.container["name"] for each in clients] == [client]
    accepted = accept(observed({"mode": "Dind"}), DEFAULTS)
    assert isinstance(accepted, Accepted), accepted
    given = class_sidecar(asking["metadata"]["namespace"], accepted, DEFAULTS)
    return patched(asking, sidecar_patch(asking, sidecar(asking, accepted, clients, given), clients))


async def test_a_runner_of_gitea_shares_its_workspace_with_the_daemon(offer: Offer) -> None:
    (workspace,) = gitea_settings("gitea/workspace.yaml")["valid_volumes"]
    injected = with_sidecar(placed(gitea("gitea/workspace.yaml")), "runner")
    assert {"name": "workspace", "mountPath": workspace.removesuffix("/**")} in daemon_of(injected)["volumeMounts"]
    assert await offer(injected) == "", json.dumps(injected)


def test_jobs_of_gitea_have_the_socket_of_the_daemon() -> None:
    """The runner gives it to them by itself only if its DOCKER_HOST is a socket, so in form Sidecar."""
    settings = gitea_settings("gitea/daemon-per-runner.yaml")
    assert settings["options"] == f"--volume {PROBE_SOCKET}:/var/run/docker.sock"
    assert settings["valid_volumes"] == [PROBE_SOCKET]
    runner = with_sidecar(placed(gitea("gitea/workspace.yaml")), "runner")["spec"]["containers"][0]
    (host,) = [each["value"] for each in runner["env"] if each["name"] == "DOCKER_HOST"]
    assert host.startswith("unix://")


def gitea_settings(path: str) -> Manifest:
    """Those for jobs' containers, in the file that the runner is told to read.

    Args:
        path: of the recipe.
    """
    config, deployment = documents(path)
    spec = deployment["spec"]["template"]["spec"]
    (runner,) = spec["containers"]
    (place,) = [each["value"] for each in runner["env"] if each["name"] == "CONFIG_FILE"]
    folder, _, file = place.rpartition("/")
    (volume,) = [each for each in spec["volumes"] if each.get("configMap") == {"name": config["metadata"]["name"]}]
    assert {"name": volume["name"], "mountPath": folder, "readOnly": True} in runner["volumeMounts"]
    settings: Manifest = yaml.safe_load(config["data"][file])["container"]
    return settings


@pytest.mark.parametrize("path", ["gitea/daemon-per-runner.yaml", "gitea/workspace.yaml"])
async def test_the_objects_of_gitea_are_valid(api: Api, path: str) -> None:
    query = {"dryRun": "All", "fieldValidation": "Strict"}
    for group, each in zip(("/api/v1", "/apis/apps/v1"), documents(path), strict=True):
        kind = f"{each['kind'].lower()}s"
        made = await api.request("POST", f"{group}/namespaces/default/{kind}", query=query, body=each)
        assert made["metadata"]["name"] == "gitea-runner"


async def test_a_job_with_a_dev_container_mounts_its_workspace(offer: Offer) -> None:
    injected = with_sidecar(placed(job("devcontainers/workspace.yaml")), "build")
    assert {"name": "src", "mountPath": "/src"} in daemon_of(injected)["volumeMounts"]
    assert await offer(injected) == "", json.dumps(injected)


def placed(asking: Manifest) -> Manifest:
    """The pod in a namespace that has none of the recipe's ServiceAccounts."""
    asking["metadata"] |= {"name": "recipe", "namespace": "default"}
    asking["spec"].pop("serviceAccountName", None)
    return asking


def daemon_of(injected: Manifest) -> Manifest:
    """The daemon of a pod with a sidecar."""
    found: Manifest = injected["spec"]["initContainers"][0]
    return found


@pytest.mark.parametrize(
    "file",
    [
        "testcontainers/daemon-per-job.yaml",
        "devcontainers/daemon-per-job.yaml",
        "devcontainers/workspace.yaml",
        "buildx/daemon-per-job.yaml",
    ],
)
async def test_the_job_of_a_client_is_valid(api: Api, file: str) -> None:
    path, query = "/apis/batch/v1/namespaces/default/jobs", {"dryRun": "All", "fieldValidation": "Strict"}
    made = await api.request("POST", path, query=query, body=recipe(file))
    assert made["kind"] == "Job"
