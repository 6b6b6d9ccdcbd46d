"""Docker with and without privilege on a node with cgroup version 2, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from tests.e2e.environment import API, Environment, until
from tests.e2e.images import BUILD_AND_RUN, give_busybox
from tests.e2e_vm.escapes import ALL, CHAIN, escapes, escapes_from_dockerd
from tests.e2e_vm.node import NAME, OTHER, SLOW, node_of, on_node, say
from tests.support.manifests import GENEROUS

UNCONFINED = {"type": "Unconfined"}
WITHOUT_SECCOMP = {"mode": "UserNamespace", "seccompProfile": UNCONFINED}
ROOTLESS_UNCONFINED = {"mode": "Rootless", "seccompProfile": UNCONFINED, "appArmorProfile": UNCONFINED}
CLASSES: dict[str, dict[str, Any]] = {
    "usernamespace": {
        "modes": ["UserNamespace"],
        "runtimeClassName": "writable-cgroups",
        "securityModules": [WITHOUT_SECCOMP],
    },
    "no-cgroup": {"modes": ["UserNamespace"], "runtimeClassName": "cgroup-v2", "securityModules": [WITHOUT_SECCOMP]},
    "rootless": {"modes": ["Rootless"], "runtimeClassName": "tun", "securityModules": [ROOTLESS_UNCONFINED]},
    "default-apparmor": {
        "modes": ["Rootless"],
        "runtimeClassName": "tun",
        "securityModules": [{"mode": "Rootless", "seccompProfile": UNCONFINED}],
    },
}


@dataclass(frozen=True)
class Daemon:
    """A daemon in a user namespace, and a client on the other node.

    Attributes:
        env: the namespace of both.
        name: of the NestedDocker, and of its class.
    """

    env: Environment
    name: str

    def client(self, script: str) -> str:
        """What a script prints in the client's container."""
        return self.env.kubectl("exec", f"{self.name}-client", "--", "sh", "-ec", script, timeout=60 * SLOW)

    @property
    def status(self) -> dict[str, Any]:
        """The NestedDocker's."""
        return dict(self.env.get("nd", self.name)["status"])

    @property
    def pod_slice(self) -> str:
        """The pod's part of the path of its cgroups."""
        uid = self.env.get("pod", self.status["podName"])["metadata"]["uid"]
        return f"pod{uid.replace('-', '_')}.slice"


@pytest.fixture(scope="module")
def governed(shared: Environment) -> Environment:
    """The namespace, with the classes and their grant."""
    classes = [
        API | {"kind": "NestedDockerClass", "metadata": {"name": name}, "spec": spec} for name, spec in CLASSES.items()
    ]
    terms = {
        "namespaceSelector": {"matchLabels": {"ci": "true"}},
        "allowedClasses": [*CLASSES],
        "allowedModes": ["UserNamespace", "Rootless"],
        **GENEROUS,
    }
    shared.apply(*classes, API | {"kind": "NestedDockerPolicy", "metadata": {"name": "own-users"}, "spec": terms})
    return shared


def started(env: Environment, name: str) -> Daemon:
    """A daemon of the class with this name, with busybox."""
    env.nested_docker(name, className=name, resources={"limits": {"memory": "768Mi", "cpu": "1"}})
    env.client(f"{name}-client", name, nodeSelector={"kubernetes.io/hostname": OTHER})
    env.ready(name, timeout=60 * SLOW)
    env.kubectl("wait", "--for=condition=Ready", f"pod/{name}-client", "--timeout=60s")
    assert node_of(env, name) == NAME
    give_busybox(env, f"{name}-client")
    return Daemon(env, name)


@pytest.fixture(scope="module")
def own_users(governed: Environment) -> Daemon:
    """A daemon of mode UserNamespace."""
    return started(governed, "usernamespace")


@pytest.fixture(scope="module")
def rootless(governed: Environment) -> Daemon:
    """A daemon of mode Rootless."""
    return started(governed, "rootless")


@pytest.fixture(params=["own_users", "rootless"])
def daemon(request: pytest.FixtureRequest) -> Daemon:
    """A daemon of each mode without privilege."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Daemon)
    return found


def test_a_client_builds_and_runs(daemon: Daemon) -> None:
    assert daemon.status["isolation"] == "UserNamespace"
    assert daemon.status["engine"]["storageDriver"] == "overlay2"
    assert "built and run" in daemon.client(BUILD_AND_RUN)


def test_a_client_reaches_a_published_port(daemon: Daemon) -> None:
    daemon.client("docker run -d -p 8080:80 busybox sh -c 'echo reached >/f; exec httpd -f -p 80 -h /'")
    fetch = f"busybox wget -T 60 -q -O- http://{daemon.name}.{daemon.env.namespace}.svc:8080/f || true"
    until(lambda: "reached" in daemon.client(fetch), 30 * SLOW, lambda: "the port does not answer")


def test_a_limit_holds_in_the_pod_s_cgroup(own_users: Daemon) -> None:
    identifier = own_users.client("docker run -d --name limited -m 64m --pids-limit 50 busybox sleep 3600").strip()
    find = f"cd $(find /sys/fs/cgroup/kubepods.slice -type d -name {identifier}) && pwd && cat memory.max pids.max"
    where, memory, pids = on_node(own_users.env, "sh", "-ec", find).split()
    assert own_users.pod_slice in where
    assert (memory, pids) == (str(64 << 20), "50")


def test_a_rootless_daemon_ignores_limits_and_says_so_and_those_of_the_pod_hold(rootless: Daemon) -> None:
    assert "InnerLimitsIgnored" in [hazard["type"] for hazard in rootless.status["hazards"]]
    rootless.client("docker run -d --name limited -m 64m --pids-limit 50 busybox sleep 36123")
    find = (
        "group=$(sed -n s/^0:://p /proc/$(pgrep -xf 'sleep 36123')/cgroup); "
        "echo $group; cat /sys/fs/cgroup$(dirname $group)/memory.max"
    )
    where, memory = on_node(rootless.env, "sh", "-ec", find).split()
    assert rootless.pod_slice in where
    assert memory == str(768 << 20)


def test_nobody_gets_out_of_a_user_namespace_and_everybody_out_of_a_privileged_pod(
    own_users: Daemon, rootless: Daemon
) -> None:
    env = own_users.env
    assert escapes(env, own_users.name) == frozenset(), "the node is not isolated"
    assert escapes(env, rootless.name) == frozenset(), "the node is not isolated"
    assert escapes_from_dockerd(env, rootless.name) == frozenset(), "the node is not isolated"
    env.nested_docker("privileged", className="v2")
    env.ready("privileged", timeout=60 * SLOW)
    try:
        found = escapes(env, "privileged")
        say(f"from a privileged pod: {sorted(found)}")
        assert found == ALL
        assert f"-N {CHAIN}" in on_node(env, "iptables", "-S")
    finally:
        on_node(env, "sh", "-c", f"iptables -X {CHAIN} || true")


def test_a_handler_that_leaves_the_cgroup_read_only_is_named_with_the_remedy(governed: Environment) -> None:
    governed.nested_docker("without", className="no-cgroup")
    message = governed.settles("without", "PodStartFailed", timeout=60 * SLOW)
    assert "the container runtime lets the pod make none" in message
    assert "whose handler has cgroup_writable = true" in message


def test_a_profile_that_denies_mounts_is_named_in_mode_rootless_too(governed: Environment) -> None:
    governed.nested_docker("confined", className="default-apparmor")
    message = governed.settles("confined", "PodStartFailed", timeout=60 * SLOW)
    assert "in the class's securityModules set appArmorProfile to Unconfined" in message
