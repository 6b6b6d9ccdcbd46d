"""Mode Sysbox, as wiring only: the handler is a stand-in, so nothing here is about isolation."""

from __future__ import annotations

import json

from tests.e2e.environment import API, Environment
from tests.e2e.images import BUILD_AND_RUN


def test_a_pod_with_nothing_privileged_serves_through_the_same_secrets(env: Environment) -> None:
    env.client("client", "build", BUILD_AND_RUN)
    env.nested_docker("build", mode="Sysbox")
    status = env.ready("build")
    assert status["isolation"] == "UserNamespace"
    pod = env.get("pod", status["podName"])
    assert pod["spec"]["runtimeClassName"] == "sysbox-runc"
    assert pod["spec"]["hostUsers"] is False
    text = json.dumps(pod["spec"])
    assert not [word for word in ("privileged", "add", "procMount", "hostPath", "Unconfined") if f'"{word}"' in text]
    assert "built and run" in env.output("client")


def test_a_cluster_without_the_runtime_class_says_what_to_install(env: Environment) -> None:
    saved = env.kubectl("get", "runtimeclass", "sysbox-runc", "-o", "json")
    env.kubectl("delete", "runtimeclass", "sysbox-runc")
    try:
        env.nested_docker("build", mode="Sysbox")
        assert "install Sysbox" in env.settles("build", "RuntimeMissing")
        assert env.list("pods") == []
    finally:
        manifest = json.loads(saved)
        for key in ("uid", "resourceVersion", "creationTimestamp", "managedFields"):
            manifest["metadata"].pop(key, None)
        env.apply(manifest)
    env.ready("build")


UNANSWERED = """#!/bin/sh
echo "mount: mounting /dev/null/none on / failed: Function not implemented" >&2
exit 1
"""
"""What `mount` does in a container that is older than the sysbox-fs of its node."""


def test_a_daemon_whose_mounts_nobody_answers_starts_again(env: Environment) -> None:
    env.nested_docker("build", mode="Sysbox")
    pod = env.ready("build")["podName"]
    script = "path=$(command -v mount); rm $path; printf '%s' \"$0\" >$path; chmod 755 $path"
    env.daemon("build", "sh", "-ec", script, UNANSWERED)
    assert "Sysbox's service sysbox-fs on the pod's node has ended" in env.settles("build", "DaemonRestarting")
    status = env.ready("build")
    assert status["podName"] == pod
    assert env.get("pod", pod)["status"]["containerStatuses"][0]["restartCount"] == 1


def test_a_class_that_denies_privilege_escalation_is_restricted(env: Environment) -> None:
    daemon = {"name": "daemon", "securityContext": {"allowPrivilegeEscalation": False}}
    spec = {"modes": ["Sysbox"], "podTemplate": {"spec": {"containers": [daemon]}}}
    env.apply(API | {"kind": "NestedDockerClass", "metadata": {"name": "entrypoint"}, "spec": spec})
    env.kubectl("label", "namespace", env.namespace, "pod-security.kubernetes.io/enforce=restricted")
    env.nested_docker("build", className="entrypoint")
    if int(json.loads(env.kubectl("version", "-o", "json"))["serverVersion"]["minor"]) < 35:
        assert "no runAsNonRoot: true on container daemon" in env.settles("build", "PodSecurityDenied")
        return
    env.ready("build")
    assert "NoNewPrivs:\t1" in env.daemon("build", "cat", "/proc/1/status")
