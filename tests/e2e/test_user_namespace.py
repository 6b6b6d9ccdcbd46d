"""Mode UserNamespace on a node where inner containers can have no cgroups: nothing runs, and the condition says why."""

from __future__ import annotations

import json

from tests.e2e.environment import API, Environment


def test_a_node_that_cannot_run_it_says_so_and_never_serves(env: Environment) -> None:
    modules = [{"mode": "UserNamespace", "seccompProfile": {"type": "Unconfined"}}]
    spec = {"modes": ["UserNamespace"], "securityModules": modules}
    env.apply(API | {"kind": "NestedDockerClass", "metadata": {"name": "entrypoint"}, "spec": spec})
    env.nested_docker("build", className="entrypoint")
    assert "use nodes with cgroup v2, or another mode" in env.settles("build", "PodStartFailed")
    (pod,) = env.list("pods")
    assert pod["spec"]["hostUsers"] is False
    assert "privileged" not in json.dumps(pod["spec"])
