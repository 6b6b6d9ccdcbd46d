"""Obstacles and hazards of mode UserNamespace, and what messages of the node mean in it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.factory import CLUSTER, DEFAULTS, class_spec, observed

import nested_docker
from nested_docker.api.v1alpha1.nested_docker import Hazard
from nested_docker.domain.admission.acceptance import Accepted, NotAccepted, accept
from nested_docker.domain.modes.pod_user_namespace import SECCOMP_PROFILE
from nested_docker.domain.modes.user_namespace import UserNamespace
from nested_docker.domain.objects import NodeFacts
from nested_docker.domain.planning.pod_state import PodState
from nested_docker.domain.status.reasons import Reason

CHART = Path(nested_docker.__file__).parents[2] / "charts/nested-docker"

HANDLER = "the node's container runtime does not have the handler of the pod's RuntimeClass"
TOO_OLD = "the node needs Linux 6.3, containerd 2.0 or CRI-O 1.25, and runc 1.2 or crun 1.9, or newer"
NO_USER_NAMESPACE = "the pod got no user namespace, although it requests one by hostUsers: false"
ONE_MISSING = "hostUsers: false and procMount: Unmasked belong together, and one of them is missing"
CGROUP = "give the class a runtimeClassName whose handler has cgroup_writable = true"
CGROUP_OWNER = "use the systemd cgroup driver in kubelet and container runtime, or crun"
CGROUP_V1 = "use nodes with cgroup v2, or another mode"
CONFINED = "in the class's securityModules set appArmorProfile to Unconfined"
IDMAP = "the kernel cannot map user IDs on the filesystem of one of the pod's volumes"
NO_PROFILE = "set the chart's seccompProfiles.install to true"
NO_NAMESPACES = "set the sysctl user.max_user_namespaces"

NAMES_NONE = "a containerd before 2.0 names none of its handlers, and has to be upgraded"

SAID = {
    "can't set `spec.hostUsers: false`, runtime does not support user namespaces: "
    'the handler "" is not known': TOO_OLD,
    "can't set `spec.hostUsers: false`, runtime does not support user namespaces: "
    "runtime handlers are not set": TOO_OLD,
    'can\'t set `spec.hostUsers: false`, RuntimeClass handler "old" does not support user namespaces: '
    'the handler "old" is not known': NAMES_NONE,
    'can\'t set `spec.hostUsers: false`, RuntimeClass handler "own" does not support user namespaces: '
    'the handler "own" is not known': HANDLER,
    'failed to get sandbox runtime: no runtime for "own" is configured': HANDLER,
    'can\'t set `spec.hostUsers: false`, RuntimeClass handler "" does not support user namespaces': TOO_OLD,
    "could not find an empty slot to allocate a user namespace": "the kubelet has no free range of user IDs left",
    'the feature gate "UserNamespacesSupport" is disabled: can\'t set spec.HostUsers': NO_USER_NAMESPACE,
    "nested-docker: the pod has no user namespace, so dockerd does not start": NO_USER_NAMESPACE,
    'spec.containers[0].securityContext.procMount: Invalid value: "Unmasked": `hostUsers` must be false to use '
    "`Unmasked`": ONE_MISSING,
    "nested-docker: /proc is read-only in the container, so inner containers could have no network": ONE_MISSING,
    "nested-docker: the node has cgroup v1": CGROUP_V1,
    "nested-docker: the pod's cgroup cannot be written: mkdir: cannot create directory '/sys/fs/cgroup/init': "
    "Read-only file system": CGROUP,
    "nested-docker: the pod's cgroup cannot be written: mkdir: can't create directory '/sys/fs/cgroup/init': "
    "Permission denied": CGROUP_OWNER,
    "nested-docker: the pod's cgroup cannot be written: mkdir: cannot create directory '/sys/fs/cgroup/init': "
    "Permission denied": CGROUP_OWNER,
    "nested-docker: the pod's cgroup cannot be written: mkdir: /sys/fs/cgroup/init: permission denied": CGROUP_OWNER,
    "mkdir /sys/fs/cgroup/docker: read-only file system": CGROUP,
    "mkdir /sys/fs/cgroup/docker: permission denied": CGROUP_OWNER,
    "mkdir /sys/fs/cgroup/docker: Read-only file system": CGROUP,
    "nested-docker: mounts are denied: mount: /: permission denied": CONFINED,
    "nested-docker: AppArmor profile cri-containerd.apparmor.d denies mounts, so no container could start": CONFINED,
    "failed to set MOUNT_ATTR_IDMAP on /dev/net/tun: invalid argument": IDMAP,
    "failed to prepare idmapped overlay: failed to create idmapped mount": IDMAP,
    'snapshotter "overlayfs" doesn\'t support idmap mounts on this host': IDMAP,
    'failed to generate seccomp spec opts: cannot load seccomp profile "/var/lib/kubelet/seccomp/nested-docker/'
    'dockerd.json": open: no such file or directory': NO_PROFILE,
    "runc create failed: user namespaces aren't enabled in the kernel": NO_NAMESPACES,
    "nsenter: failed to unshare user namespace: No space left on device": NO_NAMESPACES,
}


@pytest.mark.parametrize(("said", "meaning"), SAID.items())
def test_a_message_is_explained_with_its_remedy(said: str, meaning: str) -> None:
    explained = UserNamespace().explain(f"Error: {said} ")
    assert explained is not None
    reason, message = explained
    assert reason == Reason.POD_START_FAILED
    assert meaning in message
    assert said in message


@pytest.mark.parametrize(
    ("kubelet", "obstacle"),
    [
        ("v1.29.14", True),
        ("v1.28.3-gke.100", True),
        ("v1.27.0", True),
        ("v1.30.0", False),
        ("v1.37.1", False),
        ("", False),
    ],
)
def test_a_kubelet_that_drops_the_user_namespace_is_an_obstacle(kubelet: str, obstacle: bool) -> None:
    node = NodeFacts(ready=True, kernel="6.12", kubelet=kubelet)
    spec = observed(
        {"mode": "UserNamespace"},
        classes={"standard": class_spec(modes=["UserNamespace"])},
        cluster=replace(CLUSTER, nodes={"n1": node}),
    )
    outcome = accept(spec, DEFAULTS)
    assert isinstance(outcome, NotAccepted) is obstacle
    assert (f"its kubelet {kubelet} is older than 1.30" in outcome.message) is obstacle


@pytest.mark.parametrize(
    "said",
    ["", "unknown option nonsense", "mount: permission denied", "no space left", "open x: no such file or directory"],
)
def test_what_has_other_causes_is_left_alone(said: str) -> None:
    assert UserNamespace().explain(said) is None


def test_the_condition_has_cause_and_remedy_of_a_daemon_that_refused_to_start() -> None:
    said = "nested-docker: the pod's cgroup cannot be written: mkdir: Read-only file system"
    ended = {"terminated": {"exitCode": 1, "message": f"{said}\n"}}
    status = {"containerStatuses": [{"name": "daemon", "lastState": ended, "state": {}}]}
    reason, text = PodState({"metadata": {"name": "build"}, "status": status}).failure(UserNamespace(), "")
    assert reason == Reason.POD_START_FAILED
    assert CGROUP in text
    assert text.endswith(f"(the node said: {said})")


def verdict(nodes: dict[str, NodeFacts] | None = None, **class_fields: Any) -> Accepted | NotAccepted:
    cluster = CLUSTER if nodes is None else replace(CLUSTER, nodes=nodes)
    found = observed({"mode": "UserNamespace"}, classes={"standard": class_spec(**class_fields)}, cluster=cluster)
    made = accept(found, DEFAULTS)
    assert isinstance(made, Accepted | NotAccepted)
    return made


def test_a_runtime_class_that_does_not_exist_is_an_obstacle() -> None:
    denied = verdict(runtimeClassName="writable")
    assert isinstance(denied, NotAccepted)
    assert denied.reason == Reason.RUNTIME_MISSING
    assert "the class has runtimeClassName writable, and the cluster has no such RuntimeClass" in denied.message
    (there,) = CLUSTER.runtime_classes
    assert isinstance(verdict(runtimeClassName=there), Accepted)
    assert isinstance(verdict(), Accepted)


def test_nodes_that_cannot_make_user_namespaces_are_an_obstacle() -> None:
    old = NodeFacts(ready=True, kernel="5.15.0", handlers={"": True})
    without = NodeFacts(ready=True, kernel="6.12.1", runtime="containerd://1.7.2", handlers={"": False})
    denied = verdict(nodes={"a": old, "b": without})
    assert isinstance(denied, NotAccepted)
    assert denied.reason == Reason.NO_CAPABLE_NODE
    assert "node a: its kernel 5.15.0 is older than 6.3" in denied.message
    assert "does not support user namespaces" in denied.message
    assert isinstance(verdict(nodes={"a": old, "b": without, "c": NodeFacts(ready=True, kernel="6.3")}), Accepted)


def hazards(**class_fields: Any) -> dict[str, Hazard]:
    accepted = verdict(**class_fields)
    assert isinstance(accepted, Accepted)
    return {hazard.type: hazard for hazard in UserNamespace().hazards(accepted.effective, None)}


@pytest.mark.parametrize(
    ("modules", "unconfined"),
    [
        ({}, False),
        ({"seccompProfile": {"type": "Unconfined"}}, True),
        ({"seccompProfile": {"type": "Localhost", "localhostProfile": "own.json"}}, False),
        ({"appArmorProfile": {"type": "Unconfined"}}, False),
    ],
)
def test_a_daemon_without_a_seccomp_profile_is_a_hazard(modules: dict[str, Any], unconfined: bool) -> None:
    found = hazards(securityModules=[{"mode": "UserNamespace"} | modules])
    assert ("UnconfinedSeccomp" in found) is unconfined
    if unconfined:
        assert "seccompProfiles.install" in found["UnconfinedSeccomp"].remedy


def test_the_kernel_is_shared_and_inner_privileged_containers_may_fail() -> None:
    found = hazards()
    assert "dockerd and whoever uses it have all capabilities" in found["SharedKernel"].message
    assert "docker run --privileged fails" in found["InnerPrivileged"].message


def test_the_charts_profile_lets_runc_work_and_denies_the_rest() -> None:
    folder, _, name = SECCOMP_PROFILE.partition("/")
    assert folder == "nested-docker"
    profile = json.loads((CHART / "files/seccomp" / name).read_text(encoding="utf-8"))
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    assert {"SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"} <= {*profile["architectures"]}
    allowed = {
        each
        for rule in profile["syscalls"]
        if rule["action"] == "SCMP_ACT_ALLOW" and not rule.get("args")
        for each in rule["names"]
    }
    assert {"mount", "unshare", "setns", "pivot_root", "keyctl", "add_key", "request_key", "clone3"} <= allowed
    assert allowed.isdisjoint(
        {"init_module", "finit_module", "delete_module", "kexec_load", "reboot", "swapon", "acct"}
    )
    assert allowed.isdisjoint({"iopl", "ioperm", "settimeofday", "io_uring_setup", "userfaultfd", "open_by_handle_at"})
