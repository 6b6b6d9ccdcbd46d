"""Docker with and without privilege on a node with cgroup version 2, side by side."""

from __future__ import annotations

import pytest
from tests.e2e.environment import API, Environment, until
from tests.e2e.images import BUILD_AND_RUN, give_busybox
from tests.e2e_vm.escapes import ALL, CHAIN, escapes
from tests.e2e_vm.node import NAME, OTHER, SLOW, node_of, on_node, say
from tests.support.manifests import GENEROUS

CLASSES = {
    "own-users": {"modes": ["UserNamespace"], "runtimeClassName": "writable-cgroups"},
    "no-cgroup": {"modes": ["UserNamespace"], "runtimeClassName": "cgroup-v2"},
}
UNCONFINED = [{"mode": "UserNamespace", "seccompProfile": {"type": "Unconfined"}}]


@pytest.fixture(scope="module")
def build(shared: Environment) -> Environment:
    """A daemon in a user namespace, and a client on the other node."""
    classes = [
        API | {"kind": "NestedDockerClass", "metadata": {"name": name}, "spec": spec | {"securityModules": UNCONFINED}}
        for name, spec in CLASSES.items()
    ]
    terms = {
        "namespaceSelector": {"matchLabels": {"ci": "true"}},
        "allowedClasses": [*CLASSES],
        "allowedModes": ["UserNamespace"],
        **GENEROUS,
    }
    policy = API | {"kind": "NestedDockerPolicy", "metadata": {"name": "own-users"}, "spec": terms}
    shared.apply(*classes, policy)
    shared.nested_docker("build", className="own-users", resources={"limits": {"memory": "768Mi", "cpu": "1"}})
    shared.client("client", "build", nodeSelector={"kubernetes.io/hostname": OTHER})
    shared.ready("build", timeout=60 * SLOW)
    shared.kubectl("wait", "--for=condition=Ready", "pod/client", "--timeout=60s")
    assert node_of(shared, "build") == NAME
    give_busybox(shared, "client")
    return shared


def client(env: Environment, script: str) -> str:
    """What a script prints in the client's container."""
    return env.kubectl("exec", "client", "--", "sh", "-ec", script, timeout=60 * SLOW)


def test_a_client_builds_and_runs(build: Environment) -> None:
    status = build.get("nd", "build")["status"]
    assert status["isolation"] == "UserNamespace"
    assert status["engine"]["storageDriver"] == "overlay2"
    assert "built and run" in client(build, BUILD_AND_RUN)


def test_a_client_reaches_a_published_port(build: Environment) -> None:
    client(build, "docker run -d -p 8080:80 busybox sh -c 'echo reached >/f; exec httpd -f -p 80 -h /'")
    fetch = f"busybox wget -T 60 -q -O- http://build.{build.namespace}.svc:8080/f || true"
    until(lambda: "reached" in client(build, fetch), 30 * SLOW, lambda: "the port does not answer")


def test_a_limit_holds_in_the_pod_s_cgroup(build: Environment) -> None:
    identifier = client(build, "docker run -d --name limited -m 64m --pids-limit 50 busybox sleep 3600").strip()
    find = f"cd $(find /sys/fs/cgroup/kubepods.slice -type d -name {identifier}) && pwd && cat memory.max pids.max"
    where, memory, pids = on_node(build, "sh", "-ec", find).split()
    uid = build.get("pod", build.get("nd", "build")["status"]["podName"])["metadata"]["uid"].replace("-", "_")
    assert f"pod{uid}.slice" in where
    assert (memory, pids) == (str(64 << 20), "50")


def test_nobody_gets_out_of_a_user_namespace_and_everybody_out_of_a_privileged_pod(build: Environment) -> None:
    assert escapes(build, "build") == frozenset(), "the node is not isolated"
    build.nested_docker("privileged", className="v2")
    build.ready("privileged", timeout=60 * SLOW)
    try:
        found = escapes(build, "privileged")
        say(f"from a privileged pod: {sorted(found)}")
        assert found == ALL
        assert f"-N {CHAIN}" in on_node(build, "iptables", "-S")
    finally:
        on_node(build, "sh", "-c", f"iptables -X {CHAIN} || true")


def test_a_handler_that_leaves_the_cgroup_read_only_is_named_with_the_remedy(build: Environment) -> None:
    build.nested_docker("without", className="no-cgroup")
    message = build.settles("without", "PodStartFailed", timeout=60 * SLOW)
    assert "the container runtime lets the pod make none" in message
    assert "whose handler has cgroup_writable = true" in message
