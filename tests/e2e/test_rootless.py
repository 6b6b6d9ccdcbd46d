"""Mode Rootless on a node that gives pods no /dev/net/tun: nothing runs, and the condition says why."""

from __future__ import annotations

import json

from tests.e2e.environment import API, Environment


def test_a_node_that_gives_pods_no_device_says_so_and_never_serves(env: Environment) -> None:
    modules = [{"mode": "Rootless", "seccompProfile": {"type": "Unconfined"}}]
    spec = {"modes": ["Rootless"], "securityModules": modules}
    env.apply(API | {"kind": "NestedDockerClass", "metadata": {"name": "entrypoint"}, "spec": spec})
    env.nested_docker("build", className="entrypoint")
    message = env.settles("build", "PodStartFailed")
    assert "the daemon's network needs /dev/net/tun" in message
    assert "give the class's container daemon a device plugin's resource in podTemplate" in message
    (pod,) = env.list("pods")
    assert pod["spec"]["hostUsers"] is False
    assert "privileged" not in json.dumps(pod["spec"])
