"""Mode Dind on a node with cgroup version 2, systemd's cgroups and AppArmor."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import pytest
from tests.e2e.environment import Environment, until
from tests.e2e.images import BUILD_AND_RUN, give_busybox
from tests.e2e_vm.node import NAME, OTHER, RUNTIME_CLASS, SLOW, node_of, on_node, say
from tests.support.cluster import HOME

LIMITS = {"limits": {"memory": "768Mi", "cpu": "1"}, "requests": {"cpu": "100m"}}
"""Two such pods fit on the node."""
FILL = 128
CHILDREN = 20
LOAD = (
    f"dd if=/dev/zero of=/dev/shm/fill bs=1M count={FILL} 2>/dev/null; n=0; "
    f"while [ $n -lt {CHILDREN} ]; do sleep 3600 & n=$((n+1)); done; (while :; do :; done) & while :; do :; done"
)
"""Fills memory, has processes, and would keep two processors busy."""

MEASURE = """
pod=$(find /sys/fs/cgroup/kubepods.slice -type d -name "*pod$1.slice")
inner=$(find /sys/fs/cgroup -type d -name "$2")
for _ in $(seq 600); do
    [ "$(cat $inner/pids.current)" -lt "$3" ] || break
    sleep 0.5
done
used() { sed -n 's/^usage_usec //p' $1/cpu.stat; }
echo $inner
cat $pod/memory.current $pod/pids.current
date +%s%6N; used $pod; used $inner
sleep 4
date +%s%6N; used $inner; used $pod
"""
"""Reads the container's use within the time of the pod's, so that a slow node makes the pod's larger."""


@dataclass(frozen=True)
class Usage:
    """What the kernel counts for a pod while a container of its dockerd runs LOAD.

    Attributes:
        inner: the container's cgroup.
        memory: of the pod, in bytes.
        processes: of the pod.
        pod_processors: how many processors the pod keeps busy.
        inner_processors: how many the container does.
    """

    inner: str
    memory: int
    processes: int
    pod_processors: float
    inner_processors: float


def usage(env: Environment, pod: str, container: str) -> Usage:
    """Wait until a container does what LOAD says, and measure."""
    uid = env.get("pod", pod)["metadata"]["uid"].replace("-", "_")
    said = on_node(env, "sh", "-c", MEASURE, "measure", uid, container, str(CHILDREN + 2), timeout=600).split()
    memory, processes, began, pod_began, inner_began, ended, inner_ended, pod_ended = map(int, said[1:])
    took = ended - began
    return Usage(said[0], memory, processes, (pod_ended - pod_began) / took, (inner_ended - inner_began) / took)


def run_load(env: Environment, pod: str, container: str) -> str:
    """Give a dockerd busybox, and run LOAD in it; the container's id."""
    archive = base64.b64encode((HOME / "images/busybox.tar").read_bytes()).decode()
    script = (
        "export DOCKER_HOST=unix:///var/run/docker.sock; base64 -d | docker load -q >&2; "
        'docker run -d --name load --shm-size 256m busybox sh -c "$0"'
    )
    return env.kubectl(
        "exec", "-i", pod, "-c", container, "--", "sh", "-ec", script, LOAD, stdin=archive, timeout=600
    ).strip()


@pytest.fixture(scope="module")
def build(shared: Environment) -> Environment:
    """A namespace with a NestedDocker on the node, and a client on the other node."""
    shared.nested_docker("build", className="v2", resources=LIMITS)
    shared.client("client", "build", nodeSelector={"kubernetes.io/hostname": OTHER})
    shared.ready("build", timeout=90 * SLOW)
    shared.kubectl("wait", "--for=condition=Ready", "pod/client", "--timeout=180s", timeout=200)
    return shared


def test_a_client_on_another_node_builds_and_runs(build: Environment) -> None:
    assert node_of(build, "build") == NAME
    assert build.get("pod", "client")["spec"]["nodeName"] == OTHER
    assert "built and run" in build.kubectl("exec", "client", "--", "sh", "-ec", BUILD_AND_RUN, timeout=600)


def test_a_client_on_another_node_reaches_a_published_port(build: Environment) -> None:
    give_busybox(build, "client")
    server = ("sh", "-c", "echo reached > /f; exec httpd -f -p 80 -h /")
    build.kubectl("exec", "client", "--", "docker", "run", "-d", "-p", "8080:80", "busybox", *server, timeout=300)
    fetch = f"busybox wget -T 60 -q -O- http://build.{build.namespace}.svc:8080/f"
    until(
        lambda: "reached" in build.exec("client", "sh", "-c", f"{fetch} || true"),
        60,
        lambda: "the port does not answer",
    )


def test_status_says_what_the_node_has(build: Environment) -> None:
    status = build.get("nd", "build")["status"]
    assert status["engine"]["storageDriver"] == "overlayfs"
    assert "NestedSecurityModule" in [hazard["type"] for hazard in status["hazards"]]
    info = build.docker_info("build")
    assert info["CgroupVersion"] == "2"
    assert any(option.startswith("name=apparmor") for option in info["SecurityOptions"])


def test_inner_containers_are_within_the_limits_of_the_pod(build: Environment) -> None:
    pod = build.get("nd", "build")["status"]["podName"]
    used = usage(build, pod, run_load(build, pod, "daemon"))
    say(used)
    uid = build.get("pod", pod)["metadata"]["uid"].replace("-", "_")
    assert f"pod{uid}.slice" in used.inner
    assert used.memory > FILL << 20
    assert used.processes > CHILDREN
    assert used.pod_processors >= used.inner_processors - 0.05
    assert used.inner_processors < 1.15
    build.daemon("build", "docker", "-H", "unix:///var/run/docker.sock", "rm", "-f", "load")


def test_a_pod_with_a_plain_entrypoint_leaks_them(env: Environment) -> None:
    """What the start script prevents: the container is in the root cgroup of the node, where no limit counts."""
    container = {
        "name": "dockerd",
        "image": "docker:29-dind",
        "imagePullPolicy": "IfNotPresent",
        "command": ["dockerd", "--host=unix:///var/run/docker.sock"],
        "securityContext": {"privileged": True},
        "resources": LIMITS,
        "readinessProbe": {"exec": {"command": ["docker", "version"]}, "periodSeconds": 1, "timeoutSeconds": 60},
        "volumeMounts": [{"name": "data", "mountPath": "/var/lib/docker"}],
    }
    env.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "plain"},
            "spec": {
                "runtimeClassName": RUNTIME_CLASS,
                "terminationGracePeriodSeconds": 5,
                "containers": [container],
                "volumes": [{"name": "data", "emptyDir": {}}],
            },
        }
    )
    env.kubectl("wait", "--for=condition=Ready", "pod/plain", "--timeout=300s", timeout=330)
    used = usage(env, "plain", identifier := run_load(env, "plain", "dockerd"))
    say(used)
    assert used.inner == f"/sys/fs/cgroup/docker/{identifier}"
    assert used.memory < FILL << 20
    assert used.pod_processors < used.inner_processors
    env.exec("plain", "docker", "rm", "-f", "load")


def test_a_container_that_eats_the_pod_s_memory_is_ended_and_said(build: Environment) -> None:
    give_busybox(build, "client")
    eater = "docker run --rm busybox sh -c 'x=a; while true; do x=$x$x; done' || true"
    build.kubectl("exec", "client", "--", "sh", "-c", eater, timeout=600)
    events = ("get", "events", "--field-selector=reason=DaemonOutOfMemory", "-o", "name")
    until(lambda: build.kubectl(*events) != "", 60 * SLOW, lambda: build.kubectl("get", "events"))
    build.ready("build", timeout=60 * SLOW)
