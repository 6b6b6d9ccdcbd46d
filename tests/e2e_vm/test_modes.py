"""Docker with and without privilege on a node with cgroup version 2, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.e2e.environment import API, Environment
from tests.e2e.images import BUILD_AND_RUN, give_busybox
from tests.e2e.mode_facts import facts
from tests.e2e_vm.escapes import ALL, CHAIN, USERFAULTFD, escapes, escapes_from_dockerd
from tests.e2e_vm.node import NAME, OTHER, SLOW, node_of, on_node, say
from tests.support import mode_table
from tests.support.manifests import GENEROUS

MEMORY = "768Mi"
UNCONFINED = {"type": "Unconfined"}
WITHOUT_SECCOMP = {"mode": "UserNamespace", "seccompProfile": UNCONFINED}
ROOTLESS_UNCONFINED = {"mode": "Rootless", "seccompProfile": UNCONFINED, "appArmorProfile": UNCONFINED}
CLASSES: dict[str, dict[str, Any]] = {
    "usernamespace": {
        "modes": ["UserNamespace"],
        "runtimeClassName": "writable-cgroups",
        "securityModules": [WITHOUT_SECCOMP],
    },
    "crun": {
        "modes": ["UserNamespace"],
        "runtimeClassName": "writable-cgroups-crun",
        "securityModules": [WITHOUT_SECCOMP],
    },
    "no-cgroup": {"modes": ["UserNamespace"], "runtimeClassName": "cgroup-v2", "securityModules": [WITHOUT_SECCOMP]},
    "seccomp": {"modes": ["UserNamespace"], "runtimeClassName": "writable-cgroups"},
    "absent-profile": {
        "modes": ["UserNamespace"],
        "runtimeClassName": "writable-cgroups",
        "securityModules": [
            {"mode": "UserNamespace", "seccompProfile": {"type": "Localhost", "localhostProfile": "absent.json"}}
        ],
    },
    "rootless": {"modes": ["Rootless"], "runtimeClassName": "tun", "securityModules": [ROOTLESS_UNCONFINED]},
    "default-apparmor": {
        "modes": ["Rootless"],
        "runtimeClassName": "tun",
        "securityModules": [{"mode": "Rootless", "seccompProfile": UNCONFINED}],
    },
}


QUICK_END = {"podTemplate": {"spec": {"terminationGracePeriodSeconds": 1}}}
"""Of each class: the inner containers of these tests ignore SIGTERM, for which dockerd waits ten seconds."""


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


@pytest.fixture(scope="module")
def governed(shared: Environment) -> Environment:
    """The namespace, with the classes and their grant."""
    classes = [
        API | {"kind": "NestedDockerClass", "metadata": {"name": name}, "spec": spec | QUICK_END}
        for name, spec in CLASSES.items()
    ]
    terms = {
        "namespaceSelector": {"matchLabels": {"ci": "true"}},
        "allowedClasses": [*CLASSES],
        "allowedModes": ["UserNamespace", "Rootless"],
        **GENEROUS,
    }
    shared.apply(*classes, API | {"kind": "NestedDockerPolicy", "metadata": {"name": "own-users"}, "spec": terms})
    return shared


@pytest.fixture(scope="module", params=["usernamespace", "rootless"])
def daemon(request: pytest.FixtureRequest, governed: Environment) -> Iterator[Daemon]:
    """A daemon of each mode without privilege, one after the other: the node is small."""
    name, env = request.param, governed
    env.nested_docker(name, className=name, resources={"limits": {"memory": MEMORY, "cpu": "1"}})
    env.client(f"{name}-client", name, nodeSelector={"kubernetes.io/hostname": OTHER})
    env.ready(name, timeout=60 * SLOW)
    env.kubectl("wait", "--for=condition=Ready", f"pod/{name}-client", "--timeout=180s", timeout=200)
    assert node_of(env, name) == NAME
    give_busybox(env, f"{name}-client")
    yield Daemon(env, name)
    env.kubectl("delete", "nd", name, "--timeout=300s", timeout=330)


def test_a_client_builds_and_runs(daemon: Daemon) -> None:
    assert daemon.status["isolation"] == "UserNamespace"
    assert daemon.status["engine"]["storageDriver"] == "overlayfs"
    assert "built and run" in daemon.client(BUILD_AND_RUN)


def test_it_is_what_the_table_says(daemon: Daemon) -> None:
    def run(script: str, *arguments: str) -> str:
        return on_node(daemon.env, "sh", "-ec", script, "sh", *arguments)

    observed = facts(daemon.env, daemon.name, f"{daemon.name}-client", run, lambda: "")
    mode_table.check(daemon.status["mode"], **observed)
    ignored = "InnerLimitsIgnored" in [hazard["type"] for hazard in daemon.status["hazards"]]
    assert ignored == (observed["limit"] == "is ignored")


def test_the_pod_s_limit_holds(daemon: Daemon) -> None:
    uid = daemon.env.get("pod", daemon.status["podName"])["metadata"]["uid"].replace("-", "_")
    find = f"cat $(find /sys/fs/cgroup/kubepods.slice -type d -name '*pod{uid}.slice')/memory.max"
    assert on_node(daemon.env, "sh", "-ec", find).strip() == str(768 << 20)


def test_nobody_gets_out_of_a_user_namespace(daemon: Daemon) -> None:
    assert escapes(daemon.env, daemon.name) == frozenset()
    if daemon.name == "rootless":  # whose dockerd is in further namespaces
        assert escapes_from_dockerd(daemon.env, daemon.name) == frozenset()
    assert daemon.env.daemon(daemon.name, "sh", "-c", USERFAULTFD).strip() == "made"  # by no seccomp profile
    mode_table.check(daemon.status["mode"], escapes=f"none of {len(ALL)}")


def test_everybody_gets_out_of_a_privileged_pod(governed: Environment) -> None:
    governed.nested_docker("privileged", className="v2")
    governed.ready("privileged", timeout=60 * SLOW)
    try:
        found = escapes(governed, "privileged")
        say(f"from a privileged pod: {sorted(found)}")
        assert found == ALL
        mode_table.check("Dind", escapes=f"all {len(ALL)}")
        assert f"-N {CHAIN}" in on_node(governed, "iptables", "-S")
    finally:
        on_node(governed, "sh", "-c", f"iptables -X {CHAIN} || true")
        governed.kubectl("delete", "nd", "privileged", "--timeout=300s", timeout=330)


def test_the_chart_s_seccomp_profile_lets_inner_containers_run(governed: Environment) -> None:
    governed.nested_docker("seccomp", className="seccomp")
    status = governed.ready("seccomp", timeout=60 * SLOW)  # a trial container has run
    try:
        assert "UnconfinedSeccomp" not in [hazard["type"] for hazard in status["hazards"]]
        assert governed.daemon("seccomp", "sh", "-c", USERFAULTFD).strip() == "refused"
    finally:
        governed.kubectl("delete", "nd", "seccomp", "--timeout=300s", timeout=330)


def test_a_seccomp_profile_that_the_node_lacks_is_named_with_the_remedy(governed: Environment) -> None:
    governed.nested_docker("absent", className="absent-profile")
    message = governed.settles("absent", "PodStartFailed", timeout=60 * SLOW)
    assert "the node does not have the seccomp profile: set the chart's seccompProfiles.install to true" in message
    governed.kubectl("delete", "nd", "absent", "--timeout=300s", timeout=330)


def test_a_handler_that_leaves_the_cgroup_read_only_is_named_with_the_remedy(governed: Environment) -> None:
    governed.nested_docker("without", className="no-cgroup")
    message = governed.settles("without", "PodStartFailed", timeout=60 * SLOW)
    assert "the container runtime lets the pod make none" in message
    assert "whose handler has cgroup_writable = true" in message


def test_a_profile_that_denies_mounts_is_named_in_mode_rootless_too(governed: Environment) -> None:
    governed.nested_docker("confined", className="default-apparmor")
    message = governed.settles("confined", "PodStartFailed", timeout=60 * SLOW)
    assert "in the class's securityModules set appArmorProfile to Unconfined" in message


FILL = "cat /sys/fs/cgroup/memory.max; echo $(tail /dev/zero) >/dev/null; echo shell lives"
"""Says its limit of memory, and has a process that needs more."""


def test_crun_runs_privileged_containers_and_their_limits_end_nothing_else(governed: Environment) -> None:
    governed.nested_docker("crun", className="crun", resources={"limits": {"memory": MEMORY}})
    pod = governed.ready("crun", timeout=60 * SLOW)["podName"]

    def docker(*arguments: str) -> list[str]:
        command = ("exec", pod, "-c", "daemon", "--", "docker", *arguments)
        return governed.kubectl(*command, timeout=60 * SLOW).split("\n")

    try:
        give_busybox(governed, pod, container="daemon")
        assert docker("run", "--rm", "--privileged", "busybox", "echo", "ran") == ["ran", ""]
        assert docker("run", "--name", "full", "-m", "32m", "busybox", "sh", "-c", FILL)[:2] == [
            str(32 << 20),
            "shell lives",
        ]
        assert docker("inspect", "full", "-f", "{{.State.OOMKilled}}") == ["true", ""]
        uid = governed.get("pod", pod)["metadata"]["uid"].replace("-", "_")
        ask = (
            f"for scope in $(find /sys/fs/cgroup/kubepods.slice -path '*pod{uid}.slice/*.scope'); do "
            "systemctl show -P OOMPolicy $(basename $scope); done"
        )
        assert set(on_node(governed, "sh", "-c", ask).split()) == {"continue"}
        (container,) = governed.get("pod", pod)["status"]["containerStatuses"]
        assert container["restartCount"] == 0
    finally:
        governed.kubectl("delete", "nd", "crun", "--timeout=300s", timeout=330)
