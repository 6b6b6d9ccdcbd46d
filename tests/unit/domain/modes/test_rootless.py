"""Hazards of mode Rootless, and what messages of the node and of rootlesskit mean in it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.factory import CLUSTER, DEFAULTS, class_spec, observed

from nested_docker.api.v1alpha1.nested_docker import Hazard
from nested_docker.domain.admission.acceptance import Accepted, NotAccepted, accept
from nested_docker.domain.modes.rootless import Rootless
from nested_docker.domain.objects import NodeFacts
from nested_docker.domain.status.reasons import Reason

TUN = "give the class's container daemon a device plugin's resource in podTemplate"
CONFINED = "in the class's securityModules set appArmorProfile to Unconfined"
NO_PROFILE = "set the chart's seccompProfiles.install to true"

PARENT, CHILD = "[rootlesskit:parent] error: ", "[rootlesskit:child ] error: "
SAID = {
    "nested-docker: /dev/net/tun is missing, or may not be opened": TUN,
    "nested-docker: privilege escalation is denied, so rootlesskit would hang": "allowPrivilegeEscalation: false",
    "nested-docker: the pod has no user namespace, so dockerd does not start": "it requests one by hostUsers: false",
    "nested-docker: /proc is read-only in the container, so inner containers could have no network": "ProcMountType",
    "nested-docker: AppArmor profile cri-containerd.apparmor.d denies mounts, so no container could start": CONFINED,
    f"{CHILD}failed to share mount point: /: permission denied": CONFINED,
    f"{PARENT}failed to start the child: fork/exec /proc/self/exe: operation not permitted": NO_PROFILE,
    f"{PARENT}failed to start the child: fork/exec /proc/self/exe: no space left on device": "user.max_user_namespaces",
    "cannot load seccomp profile: no such file or directory": NO_PROFILE,
    "could not find an empty slot to allocate a user namespace": "the kubelet has no free range of user IDs left",
}


@pytest.mark.parametrize(("said", "meaning"), SAID.items())
def test_a_message_is_explained_with_its_remedy(said: str, meaning: str) -> None:
    explained = Rootless().explain(f"Error: {said} ")
    assert explained is not None
    reason, message = explained
    assert reason == Reason.POD_START_FAILED
    assert meaning in message
    assert said in message


@pytest.mark.parametrize(
    "said",
    [
        "",
        f"{PARENT}child exited: exit status 1",
        f"{CHILD}command [/bin/sh -e /run/nested-docker-start] exited: exit status 1",
        "[rootlesskit:parent] Running RootlessKit as the root user is unsupported.",
        "the pod's cgroup cannot be written: mkdir: Read-only file system",
        "permission denied",
    ],
)
def test_what_has_other_causes_is_left_alone(said: str) -> None:
    assert Rootless().explain(said) is None


def verdict(nodes: dict[str, NodeFacts] | None = None, **class_fields: Any) -> Accepted | NotAccepted:
    cluster = CLUSTER if nodes is None else replace(CLUSTER, nodes=nodes)
    found = observed({"mode": "Rootless"}, classes={"standard": class_spec(**class_fields)}, cluster=cluster)
    made = accept(found, DEFAULTS)
    assert isinstance(made, Accepted | NotAccepted)
    return made


def test_a_runtime_class_that_does_not_exist_is_an_obstacle() -> None:
    denied = verdict(runtimeClassName="tun")
    assert isinstance(denied, NotAccepted)
    assert denied.reason == Reason.RUNTIME_MISSING
    assert "create it, with a handler for pods of this mode, or name another one" in denied.message
    assert isinstance(verdict(), Accepted)


def test_nodes_that_cannot_make_user_namespaces_are_an_obstacle() -> None:
    old = NodeFacts(ready=True, kernel="5.15.0", handlers={"": True})
    denied = verdict(nodes={"a": old})
    assert isinstance(denied, NotAccepted)
    assert denied.reason == Reason.NO_CAPABLE_NODE
    assert "no node can run mode Rootless (node a: its kernel 5.15.0 is older than 6.3)" in denied.message


def hazards(**class_fields: Any) -> dict[str, Hazard]:
    accepted = verdict(**class_fields)
    assert isinstance(accepted, Accepted)
    return {hazard.type: hazard for hazard in Rootless().hazards(accepted.effective, None)}


def test_limits_of_inner_containers_without_effect_are_a_hazard() -> None:
    found = hazards()
    assert "-m, --cpus and --pids-limit of docker run have no effect" in found["InnerLimitsIgnored"].message
    assert "choose mode UserNamespace or Sysbox" in found["InnerLimitsIgnored"].remedy
    assert "there is no IPv6" in found["UserModeNetwork"].message
    assert found["InnerPrivileged"].message.startswith("docker run --privileged fails in this mode")


@pytest.mark.parametrize("type_", ["Unconfined", "Localhost"])
def test_a_daemon_without_a_seccomp_profile_is_a_hazard(type_: str) -> None:
    profile = {"type": type_} | ({"localhostProfile": "own.json"} if type_ == "Localhost" else {})
    found = hazards(securityModules=[{"mode": "Rootless", "seccompProfile": profile}])
    assert ("UnconfinedSeccomp" in found) is (type_ == "Unconfined")
