"""Mode Dind: the main job, through the two Secrets, from another pod."""

from __future__ import annotations

import json

import pytest
from tests.e2e.environment import Environment, until
from tests.e2e.images import BUILD_AND_RUN, give_busybox
from tests.support.cluster import CommandFailed


def test_a_client_applied_before_its_daemon_builds_and_runs_at_the_first_try(env: Environment) -> None:
    env.client("client", "build", BUILD_AND_RUN)
    until(lambda: env.phase("client") == "Pending", 10, lambda: env.phase("client"))
    env.nested_docker("build", mode="Dind")
    assert "built and run" in env.output("client")


def test_status_tells_what_the_daemon_is(env: Environment) -> None:
    env.nested_docker("build", mode="Dind")
    status = env.ready("build")
    assert status["endpoint"] == f"tcp://build.{env.namespace}.svc:2376"
    assert status["binding"] == {"name": "build-docker"}
    assert (status["engine"]["imageStore"], status["engine"]["storageDriver"]) == ("Containerd", "overlayfs")
    assert status["engine"]["version"].startswith("29.")
    assert [hazard["type"] for hazard in status["hazards"]] == [
        "Privileged",
        "BindMountsResolveInDaemon",
        "NoSecurityModule",
    ]
    columns = env.kubectl("get", "nd", "build").splitlines()
    assert columns[0].split() == ["NAME", "MODE", "READY", "REASON", "ENDPOINT", "AGE"]
    assert columns[1].split()[1:4] == ["Dind", "True", "Ready"]
    described = env.kubectl("describe", "nd", "build")
    assert "Granted" in described
    assert "clients can connect" in described


def test_its_containers_are_its_own(env: Environment) -> None:
    env.nested_docker("build", mode="Dind")
    env.client("client", "build")
    env.ready("build")
    env.kubectl("wait", "--for=condition=Ready", "pod/client", "--timeout=60s")
    give_busybox(env, "client")
    inner = env.exec("client", "docker", "run", "-d", "--name", "inner", "busybox", "sleep", "300").strip()
    assert inner in env.exec("client", "docker", "ps", "--no-trunc")
    assert inner not in env.node("docker", "-H", "unix:///run/docker.sock", "ps", "--no-trunc")


def test_inner_containers_stay_within_the_pod(env: Environment) -> None:
    env.nested_docker("build", mode="Dind", resources={"limits": {"memory": "512Mi"}})
    env.client("client", "build")
    pod = env.ready("build")["podName"]
    env.kubectl("wait", "--for=condition=Ready", "pod/client", "--timeout=60s")
    give_busybox(env, "client")
    env.exec("client", "docker", "run", "-d", "--name", "inner", "busybox", "sleep", "300")
    pid = env.exec("client", "docker", "inspect", "-f", "{{.State.Pid}}", "inner").strip()
    uid = env.get("pod", pod)["metadata"]["uid"]
    cgroup = env.daemon("build", "cat", f"/proc/{pid}/cgroup")
    memory = next(line for line in cgroup.splitlines() if ":memory:" in line or line.startswith("0::"))
    assert uid in memory, cgroup


def test_a_daemon_killed_at_its_memory_limit_says_so_and_heals(env: Environment) -> None:
    env.nested_docker("build", mode="Dind", resources={"limits": {"memory": "256Mi"}})
    env.client("client", "build")
    env.ready("build")
    env.kubectl("wait", "--for=condition=Ready", "pod/client", "--timeout=60s")
    give_busybox(env, "client")
    eater = "docker run --rm busybox sh -c 'x=a; while true; do x=$x$x; done' || true"
    env.exec("client", "sh", "-c", eater)
    told = env.kubectl("get", "events", "--field-selector=reason=DaemonOutOfMemory", "-o", "json")
    until(
        lambda: (
            json.loads(env.kubectl("get", "events", "--field-selector=reason=DaemonOutOfMemory", "-o", "json"))["items"]
            != []
        ),
        30,
        lambda: told,
    )
    env.ready("build")
    assert env.get("secret", "build-docker") != {}
    assert "busybox" in env.exec("client", "docker", "images")


def test_networks_have_the_mtu_that_is_asked_for(env: Environment) -> None:
    env.nested_docker("build", mode="Dind", engine={"mtu": 1340})
    env.client("client", "build")
    env.ready("build")
    env.kubectl("wait", "--for=condition=Ready", "pod/client", "--timeout=60s")
    give_busybox(env, "client")
    env.exec("client", "docker", "network", "create", "own")
    for network in ("bridge", "own"):
        mtu = env.exec(
            "client", "docker", "run", "--rm", "--network", network, "busybox", "cat", "/sys/class/net/eth0/mtu"
        )
        assert mtu.strip() == "1340", network


def test_a_client_of_another_daemon_is_refused(env: Environment) -> None:
    env.nested_docker("one", mode="Dind")
    env.nested_docker("two", mode="Dind")
    env.ready("one")
    env.ready("two")
    env.client("client", "one", f"docker -H tcp://two.{env.namespace}.svc:2376 version 2>&1 || true")
    assert "certificate signed by unknown authority" in env.output("client") or "verify certificate" in env.output(
        "client"
    )


def test_running_clients_trust_the_next_pod_until_the_authority_is_rotated(env: Environment) -> None:
    """The client has read its files once, as a program does that runs for long."""
    env.nested_docker("build", mode="Dind")
    env.client("client", "build")
    before = env.ready("build")["podName"]
    env.kubectl("wait", "--for=condition=Ready", "pod/client", "--timeout=60s")
    env.exec("client", "cp", "-rL", "/certs/client", "/tmp/read-once")
    version = ("env", "DOCKER_CERT_PATH=/tmp/read-once", "docker", "version", "-f", "{{.Server.Version}}")
    assert env.exec("client", *version).strip()
    env.kubectl("delete", "pod", before, "--wait=false")
    until(lambda: env.condition("build").get("status") != "True", 30, lambda: env.condition("build"))
    assert env.ready("build")["podName"] != before
    assert env.exec("client", *version).strip()
    env.kubectl("annotate", "nd", "build", "nesteddocker.dev/rotate-authority=1")
    until(lambda: env.condition("build").get("status") != "True", 30, lambda: env.condition("build"))
    env.ready("build")
    with pytest.raises(CommandFailed, match=r"unknown authority|failed to verify certificate"):
        env.exec("client", *version)
