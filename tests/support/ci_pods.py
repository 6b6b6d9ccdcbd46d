"""The pod that each CI system makes of the recipe with a daemon per job.

The shapes of the pods (names of containers, who adds which) are those of the systems' documentation and sources.
Those of Actions Runner Controller and Buildkite are what their code made of the recipes (docs/ci.md).
tests/e2e/test_gitlab_runner.py looks at the pod of the real GitLab Runner.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from typing import Any

import yaml
from tests.support.cluster import ROOT

Manifest = dict[str, Any]
FOLDER = ROOT / "examples/ci"


def recipe(path: str) -> Manifest:
    """The one document of a recipe."""
    (found,) = documents(path)
    return found


def documents(path: str) -> list[Manifest]:
    """All documents of a recipe."""
    return list(yaml.safe_load_all((FOLDER / path).read_text()))


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
    copied = {"actions-ephemeral-runner": "True", "app.kubernetes.io/component": "runner", "pod-template-hash": "5565"}
    labels = copied | template["metadata"]["labels"]
    annotations = {"actions.github.com/patch-id": "0"} | template["metadata"]["annotations"]
    token = {"name": "ACTIONS_RUNNER_INPUT_JITCONFIG", "valueFrom": {"secretKeyRef": {"name": "r", "key": "jitToken"}}}
    (runner,) = template["spec"]["containers"]
    spec = template["spec"] | {"containers": [runner | {"env": [token]}]}
    return pod({"labels": labels, "annotations": annotations}, **spec)


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
    metadata, spec = plugin["kubernetes"]["metadata"], plugin["kubernetes"]["podSpec"]
    added = {"buildkite.com/job-uuid": "0190b1e4-0000-4000-8000-000000000001", "tag.buildkite.com/queue": "kubernetes"}
    workspace = {"name": "workspace", "mountPath": "/workspace"}
    common = {"workingDir": "/workspace", "volumeMounts": [workspace]}
    limits = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "200m", "memory": "128Mi"}}
    return pod(
        metadata | {"labels": added | metadata["labels"]},
        [container(name, **common) for name in ("container-0", "agent", "checkout")],
        initContainers=[
            container("copy-agent", volumeMounts=[workspace]),
            container("imagecheck-0", volumeMounts=[workspace], resources=limits),
        ],
        serviceAccountName=spec["serviceAccountName"],
        volumes=[{"name": workspace["name"], "emptyDir": {}}],
    )


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


def gitea(path: str = "gitea/daemon-per-runner.yaml") -> Manifest:
    _, deployment = documents(path)
    template = deployment["spec"]["template"]
    return pod(template["metadata"], **template["spec"])


def job(path: str) -> Manifest:
    template = recipe(path)["spec"]["template"]
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
    "testcontainers": (lambda: job("testcontainers/daemon-per-job.yaml"), ["tests"]),
    "devcontainers": (lambda: job("devcontainers/daemon-per-job.yaml"), ["build"]),
    "buildx": (lambda: job("buildx/daemon-per-job.yaml"), ["build"]),
    "agent-sandbox": (agent_sandbox, ["agent"]),
}
"""The pod of each system, and which of its containers get the connection."""
