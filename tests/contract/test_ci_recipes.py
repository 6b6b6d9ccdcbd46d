"""Recipes with a daemon per job: the pod that each system makes of its recipe, with the connection, is a valid pod.

The shapes of the pods (names of containers, who adds which) are those of the systems' documentation and sources.
tests/e2e/test_gitlab_runner.py looks at the pod of the real GitLab Runner.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from tests.contract.conftest import Offer
from tests.support.api import Api
from tests.support.cluster import ROOT
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

Manifest = dict[str, Any]
FOLDER = ROOT / "examples/ci"
ID = "0123456789abcdef0123"


def recipe(path: str) -> Manifest:
    """The one document of a recipe."""
    found: Manifest = yaml.safe_load((FOLDER / path).read_text())
    return found


def pod(metadata: Manifest, containers: list[Manifest], **spec: Any) -> Manifest:
    kept = {key: metadata[key] for key in ("labels", "annotations") if key in metadata}
    whole = {"containers": containers, "restartPolicy": "Never"} | spec
    return {"apiVersion": "v1", "kind": "Pod", "metadata": kept, "spec": whole}


def container(name: str, **fields: Any) -> Manifest:
    return {"name": name, "image": "docker:29-cli"} | fields


def gitlab(path: str = "gitlab/daemon-per-job.yaml") -> Manifest:
    runner = tomllib.loads(recipe(path)["runners"]["config"])["runners"][0]["kubernetes"]
    metadata = {"labels": runner["pod_labels"], "annotations": runner["pod_annotations"]}
    places = {"scripts": "/scripts-1-1", "logs": "/logs-1-1", "repo": "/builds"}
    common = {
        "securityContext": {"capabilities": {"drop": ["NET_RAW"]}},
        "volumeMounts": [{"name": name, "mountPath": place} for name, place in places.items()],
    }
    return pod(
        metadata,
        [container(name, stdin=True, **common) for name in ("build", "helper")] + [container("svc-0", **common)],
        initContainers=[container("init-permissions", **common)],
        volumes=[{"name": name, "emptyDir": {}} for name in places],
        activeDeadlineSeconds=3601,
    )


def arc() -> Manifest:
    template = recipe("arc/daemon-per-job.yaml")["template"]
    return pod(template["metadata"], **template["spec"])


def jenkins() -> Manifest:
    template = recipe("jenkins/daemon-per-job.yaml")
    return pod(template["metadata"], [*template["spec"]["containers"], container("jnlp")])


def tekton() -> Manifest:
    run = recipe("tekton/daemon-per-job.yaml")
    steps = [container(f"step-{step['name']}") for step in run["spec"]["taskSpec"]["steps"]]
    return pod(run["metadata"], steps, initContainers=[container("prepare"), container("place-scripts")])


def argo() -> Manifest:
    workflow = recipe("argo/daemon-per-job.yaml")["spec"]
    main = workflow["templates"][0]["container"]
    return pod(
        workflow["podMetadata"], [container("wait"), main | {"name": "main"}], initContainers=[container("init")]
    )


def buildkite() -> Manifest:
    (plugin,) = recipe("buildkite/daemon-per-job.yaml")["steps"][0]["plugins"]
    return pod(plugin["kubernetes"]["metadata"], [container("agent"), container("container-0"), container("checkout")])


def woodpecker() -> Manifest:
    options = recipe("woodpecker/daemon-per-job.yaml")["steps"][0]["backend_options"]["kubernetes"]
    step, task = "wp-01m8e8wd39703ap85hyvwsqbbj", "wp-hsvc-01m8e8wd4m6t2yqpsj8cnv6fst"
    labels = {"step": "build", "woodpecker-ci.org/step": "build"}
    workspace = {"name": "wp-01m8e8wd39703ap85hyr20e9qk-0-default", "mountPath": "/woodpecker"}
    return pod(
        {"labels": options["labels"] | labels},
        [container(step, workingDir="/woodpecker", volumeMounts=[workspace])],
        hostname="build",
        subdomain=task,
        dnsConfig={"searches": [f"{task}.default.svc.cluster.local"]},
        volumes=[{"name": workspace["name"], "persistentVolumeClaim": {"claimName": workspace["name"]}}],
    )


def gitea() -> Manifest:
    template = recipe("gitea/daemon-per-runner.yaml")["spec"]["template"]
    return pod(template["metadata"], **template["spec"])


def job(system: str) -> Manifest:
    template = recipe(f"{system}/daemon-per-job.yaml")["spec"]["template"]
    return pod(template["metadata"], **template["spec"])


def agent_sandbox() -> Manifest:
    template = recipe("agent-sandbox/daemon-per-sandbox.yaml")["spec"]["podTemplate"]
    labels = {"agents.x-k8s.io/sandbox-name-hash": "4fe7f1a6"}
    copied = {
        f"agents.x-k8s.io/propagated-{kind}": ",".join(template["metadata"][kind]) for kind in ("labels", "annotations")
    }
    head = {
        "labels": labels | template["metadata"]["labels"],
        "annotations": copied | template["metadata"]["annotations"],
    }
    return pod(head, **{"restartPolicy": "Always"} | template["spec"])


SYSTEMS: dict[str, tuple[Callable[[], Manifest], list[str]]] = {
    "gitlab": (gitlab, ["build"]),
    "arc": (arc, ["runner"]),
    "jenkins": (jenkins, ["docker"]),
    "tekton": (tekton, ["step-build"]),
    "argo": (argo, ["main"]),
    "buildkite": (buildkite, ["container-0"]),
    "woodpecker": (woodpecker, ["wp-01m8e8wd39703ap85hyvwsqbbj"]),
    "gitea": (gitea, ["runner"]),
    "testcontainers": (lambda: job("testcontainers"), ["tests"]),
    "devcontainers": (lambda: job("devcontainers"), ["build"]),
    "buildx": (lambda: job("buildx"), ["build"]),
    "agent-sandbox": (agent_sandbox, ["agent"]),
}
"""The pod of each system, and which of its containers get the connection."""


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
