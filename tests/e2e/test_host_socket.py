"""Mode HostSocket without a guard: the node's daemon, through the relay, by the same two Secrets."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from tests.e2e.environment import Environment
from tests.e2e.images import give_busybox
from tests.e2e.node_docker import NODE_DOCKER
from tests.support.cluster import CommandFailed


@pytest.fixture
def sibling(env: Environment) -> Iterator[str]:
    """A name for a container on the node, removed afterwards."""
    name = f"sibling-{uuid.uuid4().hex[:8]}"
    yield name
    env.node(*NODE_DOCKER, "rm", "-f", name)


def test_its_containers_are_the_nodes_siblings(env: Environment, sibling: str) -> None:
    env.nested_docker("build", className="raw", mode="HostSocket")
    env.client("client", "build")
    status = env.ready("build")
    assert status["isolation"] == "SharedDaemon"
    assert {hazard["type"] for hazard in status["hazards"]} == {"HostControl", "Siblings", "BindMountsResolveOnNode"}
    env.kubectl("wait", "--for=condition=Ready", "pod/client", "--timeout=60s")
    give_busybox(env, "client")
    container = env.exec("client", "docker", "run", "-d", "--name", sibling, "busybox", "sleep", "300").strip()
    assert container in env.node(*NODE_DOCKER, "ps", "--no-trunc")
    inside = env.exec("client", "docker", "ps", "-q", "--no-trunc").split()
    assert inside == env.node(*NODE_DOCKER, "ps", "-q", "--no-trunc").split()


def test_streams_and_their_ends_pass_through(env: Environment, sibling: str) -> None:
    env.nested_docker("build", className="raw", mode="HostSocket")
    env.client("client", "build")
    env.ready("build")
    env.kubectl("wait", "--for=condition=Ready", "pod/client", "--timeout=60s")
    give_busybox(env, "client")
    counted = env.exec("client", "sh", "-c", "seq 1 100000 | docker run --rm -i busybox wc -l")
    assert counted.strip() == "100000"
    env.exec("client", "docker", "run", "-d", "--name", sibling, "busybox", "sleep", "300")
    echoed = env.exec("client", "sh", "-c", f"echo hello | docker exec -i {sibling} cat")
    assert echoed.strip() == "hello"


def test_the_relay_has_the_socket_and_nothing_else(env: Environment) -> None:
    env.nested_docker("build", className="host", mode="HostSocket")
    pod = env.get("pod", env.ready("build")["podName"])
    (container,) = pod["spec"]["containers"]
    assert container["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert [volume["name"] for volume in pod["spec"]["volumes"] if "hostPath" in volume] == ["node-socket"]


def test_a_node_without_docker_says_why_and_what_to_use_instead(env: Environment) -> None:
    env.nested_docker("build", className="no-socket", mode="HostSocket")
    message = env.settles("build", "SocketMissing")
    assert "Use mode Dind or Sysbox" in message
    assert "/var/run/nope.sock" in message


def test_the_wrong_group_says_which_one_is_right(env: Environment) -> None:
    gid = env.node("stat", "-c", "%g", "/run/docker.sock").strip()
    wrong = {
        "apiVersion": "nesteddocker.dev/v1alpha1",
        "kind": "NestedDockerClass",
        "metadata": {"name": env.namespace},
        "spec": {"modes": ["HostSocket"], "hostSocket": {"gid": 4}},
    }
    grant = {
        "apiVersion": "nesteddocker.dev/v1alpha1",
        "kind": "NestedDockerPolicy",
        "metadata": {"name": env.namespace},
        "spec": {
            "namespaceSelector": {},
            "allowedClasses": [env.namespace],
            "allowedModes": ["HostSocket"],
            "hostSocket": {"guard": {}},
        },
    }
    env.apply(wrong, grant)
    try:
        env.nested_docker("build", className=env.namespace)
        message = env.settles("build", "DaemonCrashed")
        assert f"set spec.hostSocket.gid of the NestedDockerClass to {gid}" in message
    finally:
        env.kubectl("delete", "ndp,ndc", env.namespace)


def test_without_a_word_of_the_policy_nobody_gets_the_raw_socket(env: Environment) -> None:
    env.kubectl("label", "namespace", env.namespace, "ci-")
    grant = {
        "apiVersion": "nesteddocker.dev/v1alpha1",
        "kind": "NestedDockerPolicy",
        "metadata": {"name": env.namespace},
        "spec": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": env.namespace}},
            "allowedClasses": ["raw"],
            "allowedModes": ["HostSocket"],
        },
    }
    env.apply(grant)
    try:
        with pytest.raises(CommandFailed) as failure:
            env.nested_docker("build", className="raw")
        assert "NotGranted" in str(failure.value)
        assert "hostSocket.allowRaw is not set" in str(failure.value)
    finally:
        env.kubectl("delete", "ndp", env.namespace)
