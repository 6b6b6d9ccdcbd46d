"""A CI pod whose daemon is its first native sidecar: it works on the job's own files, and ends with the job."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.environment import Environment, until
from tests.e2e.images import BUILD_AND_RUN
from tests.e2e.injecting import granting, let_use_classes, refused
from tests.e2e.installation import govern
from tests.support.cluster import HOME, CommandFailed
from tests.support.manifests import nested_docker_class

LABEL = "nesteddocker.dev/inject"
FORM = {"nesteddocker.dev/inject-form": "Sidecar"}
SOCKET = "/run/nested-docker/docker.sock"
IMAGE = BUILD_AND_RUN.replace("docker run --rm app", "true")
"""Builds the image `app` with busybox, and changes into another directory."""


@pytest.fixture(scope="module", autouse=True)
def _classes(cluster: Environment) -> Iterator[None]:
    """A class with both forms, one with the sidecar only, and one without it."""
    govern(
        cluster,
        nested_docker_class("both", modes=["Dind"], injection={"forms": ["Remote", "Sidecar"]}),
        nested_docker_class("beside", modes=["Dind"], injection={"forms": ["Sidecar"]}),
        granting("beside", "both", "beside"),
    )
    yield
    cluster.kubectl("delete", "nesteddockerpolicy/beside", "nesteddockerclass/both", "nesteddockerclass/beside")


def job(name: str, script: str, class_name: str = "beside", **spec: Any) -> dict[str, Any]:
    """A pod of a CI system: an init container that checks out, and a job, with a workspace for both."""
    common = {
        "image": "docker:29-cli",
        "imagePullPolicy": "IfNotPresent",
        "workingDir": "/builds",
        "volumeMounts": [{"name": "workspace", "mountPath": "/builds"}],
    }
    checkout = {"name": "checkout", "command": ["sh", "-ec", "docker version >/dev/null; echo checked out > file"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {LABEL: class_name}},
        "spec": {
            "restartPolicy": "Never",
            "volumes": [{"name": "workspace", "emptyDir": {}}],
            "initContainers": [common | checkout],
            "containers": [common | {"name": "build", "command": ["sh", "-ec", script]}],
        }
        | spec,
    }


def test_variables_of_env_from_do_not_ask_for_tls(enabled: Environment) -> None:
    """They are what remains of a hand-written daemon, and the webhook does not see them."""
    data = {
        "DOCKER_HOST": "tcp://localhost:2376",
        "DOCKER_TLS": "1",
        "DOCKER_TLS_VERIFY": "1",
        "DOCKER_CERT_PATH": "/no",
    }
    enabled.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "old"}, "data": data})
    asking = job("job", "docker version -f '{{.Server.Os}}'; echo verify=$DOCKER_TLS_VERIFY.")
    for each in (*asking["spec"]["initContainers"], *asking["spec"]["containers"]):
        each["envFrom"] = [{"configMapRef": {"name": "old"}}]
    enabled.apply(asking)
    assert enabled.output("job", 180).splitlines() == ["linux", "verify=."]


def ended(env: Environment, name: str) -> float:
    """Seconds from the end of the job's container until the pod was seen to have ended."""

    def status() -> dict[str, Any]:
        found: dict[str, Any] = env.get("pod", name)["status"]
        return found

    def has_terminated() -> bool:
        (build,) = status().get("containerStatuses") or [{}]
        return "terminated" in build.get("state", {})

    until(has_terminated, 180, lambda: json.dumps(status()))
    began = time.monotonic()
    until(lambda: status()["phase"] in {"Succeeded", "Failed"}, 60, lambda: json.dumps(status()))
    return time.monotonic() - began


def test_a_job_builds_mounts_its_workspace_and_finds_its_ports_at_localhost(enabled: Environment) -> None:
    script = f"""
    {IMAGE}
    cd /builds
    docker run --rm -v $PWD:/src app busybox cat /src/file
    docker run --rm -v $PWD:/src app busybox sh -c 'echo from inside > /src/result'
    cat result
    docker run -d --name web -v $PWD:/www -p 8080:80 app busybox httpd -f -p 80 -h /www
    for attempt in 1 2 3 4 5 6 7 8 9 10; do busybox wget -q -O- http://localhost:8080/file && break; sleep 1; done
    docker run --rm -v {SOCKET}:/var/run/docker.sock app busybox test -S /var/run/docker.sock && echo socket
    """
    enabled.apply(job("job", script))
    output = enabled.output("job", 180).splitlines()
    assert [line for line in output if line in {"checked out", "from inside", "socket"}] == [
        "checked out",
        "from inside",
        "checked out",
        "socket",
    ]
    assert enabled.list("nesteddockers") == []
    assert enabled.list("secrets") == []
    (pod,) = enabled.list("pods")
    assert [each["name"] for each in pod["spec"]["initContainers"]] == ["nested-docker", "checkout"]
    assert pod["metadata"]["annotations"].items() >= FORM.items()


def test_a_job_that_is_not_root_uses_the_socket_too(enabled: Environment) -> None:
    context = {"runAsUser": 1000, "runAsNonRoot": True, "fsGroup": 1000}
    enabled.apply(job("job", "id -u; docker info -f '{{.Driver}}'", securityContext=context))
    assert enabled.output("job", 180).splitlines()[0] == "1000"


def test_compose_finds_the_files_of_the_job(enabled: Environment) -> None:
    compose = """
    services:
      web:
        image: app
        command: busybox httpd -f -p 80 -h /www
        volumes: [./:/www]
        ports: ["8080:80"]
    """
    enabled.apply(job("job", f"{IMAGE}\ntouch /builds/ready; sleep 3600"))
    enabled.kubectl("wait", "--for=condition=Ready", "pod/job", "--timeout=120s")
    until(lambda: bool(enabled.exec("job", "ls", "/builds", container="build").count("ready")), 60, str)
    enabled.exec("job", "mkdir", "-p", "/root/.docker/cli-plugins", container="build")
    enabled.kubectl(
        "cp", "-c", "build", str(HOME / "bin/docker-compose"), "job:/root/.docker/cli-plugins/docker-compose"
    )
    enabled.exec("job", "sh", "-c", "cat > compose.yaml", container="build", stdin=compose)
    script = "docker compose up -d --wait && busybox wget -q -O- http://localhost:8080/file"
    assert "checked out" in enabled.exec("job", "sh", "-ec", script, container="build")


@pytest.mark.parametrize(
    ("script", "seconds"),
    [("docker info", 10), (f"{IMAGE}\ndocker run -d app busybox sleep 3600", 25)],
    ids=["no container", "a container that ignores SIGTERM"],
)
def test_the_pod_of_a_job_completes_soon(enabled: Environment, script: str, seconds: int) -> None:
    pod = job("", script)
    template = {"metadata": {"labels": {LABEL: "both"}, "annotations": FORM}, "spec": pod["spec"]}
    let_use_classes(enabled)
    enabled.apply(
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "tests"},
            "spec": {"backoffLimit": 0, "template": template},
        }
    )
    until(lambda: bool(enabled.list("pods")), 60, lambda: enabled.kubectl("get", "events"))
    (running,) = enabled.list("pods")
    assert ended(enabled, running["metadata"]["name"]) < seconds
    enabled.kubectl("wait", "--for=condition=complete", "job/tests", "--timeout=60s")


def test_without_the_form_a_class_with_both_gives_the_pod_a_daemon_elsewhere(enabled: Environment) -> None:
    enabled.apply(job("job", "docker info >/dev/null; echo done", "both"))
    until(lambda: len(enabled.list("nesteddockers")) == 1, 30, str)
    enabled.kubectl("delete", "pod", "job", "--wait=false", "--grace-period=0", "--force")


def test_a_class_must_offer_it(enabled: Environment) -> None:
    pod = job("job", "true", "standard")
    pod["metadata"]["annotations"] = FORM
    message = refused(enabled, pod)
    assert "NestedDockerClass standard offers Remote" in message
    assert "injection.forms" in message


def test_the_pod_security_level_is_judged_before(enabled: Environment) -> None:
    enabled.kubectl(
        "label", "namespace", enabled.namespace, "pod-security.kubernetes.io/enforce=baseline", "--overwrite"
    )
    message = refused(enabled, job("job", "true"))
    assert "Pod Security level baseline" in message
    assert "securityContext.privileged: true on container daemon" in message
    assert "form Remote" in message


def test_the_form_cannot_be_changed_later(enabled: Environment) -> None:
    enabled.apply(job("job", "sleep 3600"))
    with pytest.raises(CommandFailed) as failure:
        enabled.kubectl("annotate", "pod", "job", "--overwrite", "nesteddocker.dev/inject-form=Remote")
    assert "reserved" in str(failure.value)


def test_a_dry_run_stores_nothing_and_is_judged(enabled: Environment) -> None:
    made = json.loads(
        enabled.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", stdin=json.dumps(job("job", "true")))
    )
    assert made["spec"]["initContainers"][0]["name"] == "nested-docker"
    assert enabled.list("pods") == []


def test_a_revoked_policy_ends_the_pod_of_the_job_and_its_privileged_container(
    cluster: Environment, enabled: Environment
) -> None:
    own = enabled.namespace
    govern(
        cluster,
        nested_docker_class(own, modes=["Dind"], injection={"forms": ["Sidecar"]}),
        granting(own, selector={"matchLabels": {"kubernetes.io/metadata.name": own}}),
    )
    # Its process ignores SIGTERM, and its owner asks for a year.
    enabled.apply(job("job", "trap '' TERM; while :; do sleep 1; done", own, terminationGracePeriodSeconds=31_536_000))
    enabled.kubectl("wait", "--for=condition=Ready", "pod/job", "--timeout=120s")
    uid = enabled.get("pod", "job")["metadata"]["uid"]
    running = ["sh", "-c", f"grep -ls {uid.replace('-', '[-_]')} /proc/[0-9]*/cgroup || true"]
    assert enabled.node(*running)
    cluster.kubectl("delete", "nesteddockerpolicy", own)
    until(lambda: "SidecarDenied" in enabled.kubectl("get", "events"), 30, lambda: enabled.kubectl("get", "events"))
    assert "deletionTimestamp" not in enabled.get("pod", "job")["metadata"], "there is a grace time"
    until(lambda: enabled.list("pods") == [], 120, lambda: enabled.kubectl("get", "events"))
    assert enabled.node(*running) == ""
    assert "SidecarStopped" in enabled.kubectl("get", "events")
    assert "NotGranted" in refused(enabled, job("another", "true", own))
    cluster.kubectl("delete", "nesteddockerclass", own)
