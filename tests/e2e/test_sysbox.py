"""Mode Sysbox, as wiring only: the handler is a stand-in, so nothing here is about isolation."""

from __future__ import annotations

import json

from tests.e2e.environment import Environment
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
