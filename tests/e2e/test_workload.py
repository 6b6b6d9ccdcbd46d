"""Workloads: containers beside the daemon, and builds that end by themselves."""

from __future__ import annotations

from typing import Any

import pytest
from tests.e2e.environment import Environment, until
from tests.e2e.images import BUILD_AND_RUN, give_busybox


def one_shot(script: str) -> dict[str, Any]:
    container = {"name": "build", "image": "docker:29-cli", "command": ["sh", "-ec", script]}
    return {"restartPolicy": "Never", "containers": [container]}


def test_a_one_shot_build_completes_and_its_daemon_stops_after_it(env: Environment) -> None:
    env.nested_docker("build", mode="Dind", workload=one_shot(BUILD_AND_RUN))
    env.kubectl("wait", "--for=condition=Complete", "nd/build", "--timeout=60s")
    status = env.get("nesteddocker", "build")["status"]
    assert status["results"] == [{"name": "build", "exitCode": 0}]
    assert env.condition("build")["status"] == "True"
    (pod,) = env.list("pods")
    until(lambda: env.phase(pod["metadata"]["name"]) == "Succeeded", 60, lambda: str(env.list("pods")))
    assert "built and run" in env.kubectl("logs", pod["metadata"]["name"], "-c", "build")
    assert env.get("secret", "build-docker") == {}
    assert env.get("service", "build") == {}


def test_a_failing_build_fails_with_its_exit_code(env: Environment) -> None:
    env.nested_docker("build", mode="Dind", workload=one_shot("docker version; exit 3"))
    env.kubectl("wait", "--for=condition=Failed", "nd/build", "--timeout=60s")
    assert env.get("nesteddocker", "build")["status"]["results"] == [{"name": "build", "exitCode": 3}]
    assert "exited with code 3" in env.condition("build")["message"]
    assert env.condition("build", "Stalled")["status"] == "True"


@pytest.mark.parametrize("mode", ["Dind", "Sysbox"])
def test_bind_mounts_of_the_workspace_resolve(env: Environment, mode: str) -> None:
    container = {"name": "agent", "image": "docker:29-cli", "command": ["sleep", "3600"]}
    env.nested_docker("build", mode=mode, workload={"containers": [container]})
    pod = env.ready("build")["podName"]
    env.kubectl("wait", "--for=condition=Ready", f"pod/{pod}", "--timeout=60s")
    give_busybox(env, pod, container="agent")
    script = "echo shared > file && docker run --rm -v /workspace:/w busybox cat /w/file"
    assert env.exec(pod, "sh", "-c", script, container="agent").strip() == "shared"


def test_in_host_socket_a_hazard_tells_that_they_do_not(env: Environment) -> None:
    container = {"name": "agent", "image": "docker:29-cli", "command": ["sleep", "3600"]}
    env.nested_docker("build", className="host", workload={"containers": [container]})
    status = env.ready("build")
    assert "BindMountsResolveOnNode" in {hazard["type"] for hazard in status["hazards"]}
    env.kubectl("wait", "--for=condition=Ready", f"pod/{status['podName']}", "--timeout=60s")
    assert "Server" in env.exec(status["podName"], "docker", "version", container="agent")


KEY, LEVEL = "not-for-the-daemon", "debug"


def private_build(**fields: Any) -> dict[str, Any]:
    """A workload with a Secret as variable and file, a ConfigMap, and a directory that it shares with its daemon."""
    container = {
        "name": "agent",
        "image": "docker:29-cli",
        "command": ["sleep", "3600"],
        "env": [
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "deploy", "key": "key"}}},
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        ],
        "envFrom": [{"prefix": "SET_", "configMapRef": {"name": "settings"}}],
        "volumeMounts": [
            {"name": "keys", "mountPath": "/keys"},
            {"name": "both", "mountPath": "/root/.key", "subPath": "key"},
        ],
    }
    fetch = {
        "name": "fetch",
        "image": "docker:29-cli",
        "command": ["sh", "-ec", "cp /keys/key /builds/fetched"],
        "volumeMounts": [{"name": "keys", "mountPath": "/keys"}],
    }
    return {
        "initContainers": [fetch],
        "containers": [container | fields],
        "volumes": [
            {"name": "keys", "secret": {"secretName": "deploy", "defaultMode": 256}},
            {
                "name": "both",
                "projected": {"sources": [{"secret": {"name": "deploy"}}, {"configMap": {"name": "settings"}}]},
            },
            {"name": "src", "emptyDir": {}, "sharedPath": "/builds"},
        ],
    }


def private_objects(env: Environment) -> None:
    env.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "deploy"}, "stringData": {"key": KEY}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"level": LEVEL}},
    )


@pytest.mark.parametrize("mode", ["Dind", "Sysbox"])
def test_a_workload_has_what_it_refers_to_and_its_daemon_only_what_it_shares(env: Environment, mode: str) -> None:
    private_objects(env)
    env.nested_docker("build", mode=mode, workload=private_build())
    pod = env.ready("build")["podName"]
    env.kubectl("wait", "--for=condition=Ready", f"pod/{pod}", "--timeout=60s")
    script = "echo $KEY $SET_level $POD; stat -c %a -L /keys/key; cat /keys/key /root/.key"
    assert env.exec(pod, "sh", "-ec", script, container="agent").splitlines() == [
        f"{KEY} {LEVEL} {pod}",
        "400",
        KEY + KEY,
    ]
    give_busybox(env, pod, container="agent")
    mount = "mkdir /builds/src; cd /builds/src; echo shared > file; docker run --rm -v $PWD:/src busybox cat /src/file"
    assert env.exec(pod, "sh", "-ec", mount, container="agent").strip() == "shared"
    assert env.daemon("build", "sh", "-ec", "cat /builds/fetched /builds/src/file").strip() == f"{KEY}shared"
    assert KEY not in env.daemon("build", "sh", "-c", "printenv; cat /keys/* /root/.key 2>/dev/null || true")


def test_a_missing_secret_is_named(env: Environment) -> None:
    env.nested_docker("build", mode="Dind", workload=private_build())
    assert 'secret "deploy" not found' in env.settles("build", "PodStartFailed", timeout=60)
    private_objects(env)
    env.ready("build", 120)


def test_a_missing_secret_of_a_variable_is_named(env: Environment) -> None:
    container = {"name": "agent", "image": "docker:29-cli", "envFrom": [{"secretRef": {"name": "gone"}}]}
    env.nested_docker("build", mode="Dind", workload={"containers": [container]})
    until(
        lambda: 'secret "gone" not found' in str(env.get("nesteddocker", "build").get("status", {}).get("conditions")),
        60,
        lambda: str(env.get("nesteddocker", "build")),
    )
