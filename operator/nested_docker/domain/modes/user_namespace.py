"""Mode `UserNamespace`: dockerd as root of the pod's user namespace, without any further runtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nested_docker.api.meta import Mode
from nested_docker.api.v1alpha1.nested_docker import EngineStatus, Hazard
from nested_docker.domain.effective import EffectiveSpec
from nested_docker.domain.modes.base import PodContext, Privilege
from nested_docker.domain.modes.confinement import confinement_hazards
from nested_docker.domain.modes.dockerd import dockerd_container, engine_hazards, mount_hazard
from nested_docker.domain.modes.mirrors import mirror_hazards
from nested_docker.domain.modes.pod_user_namespace import (
    CONFINED,
    FAILURES,
    LOCALHOST,
    NODE_NEEDS,
    USER_NAMESPACE_REQUIRED,
    PodUserNamespace,
    inner_privileged,
    seccomp_hazards,
)
from nested_docker.domain.modes.unprivileged import CGROUP_OF_ANOTHER_USER, Failure, shared_kernel
from nested_docker.domain.objects import Manifest
from nested_docker.domain.status.reasons import Reason

_SECURITY_CONTEXT = {
    "runAsUser": 0,
    "procMount": "Unmasked",
    "capabilities": {"add": ["SYS_ADMIN", "NET_ADMIN"]},
    "appArmorProfile": {"type": "Unconfined"},
    "seccompProfile": LOCALHOST,
}
"""Capabilities count in the user namespace only. AppArmor's and seccomp's defaults deny what dockerd does there."""

_NEEDS = replace(NODE_NEEDS, cgroup_v2=True, remedy=NODE_NEEDS.remedy.replace("Linux 6.3,", "Linux 6.3, cgroup v2,"))

WRITABLE_CGROUP = (
    "give the class a runtimeClassName whose handler has cgroup_writable = true (containerd 2.1 or newer), or in its "
    "podTemplate what CRI-O or your cloud provider needs; docs/modes.md has each"
)
_KNOWN_FAILURES: tuple[Failure, ...] = (
    *FAILURES,
    (
        r"nested-docker: the node has cgroup v1",
        Reason.POD_START_FAILED,
        "inner containers need cgroups, and a user namespace gets none on a node with cgroup v1: use nodes with cgroup "
        "v2, or another mode",
    ),
    (
        r"(the pod's cgroup cannot be written|mkdir /sys/fs/cgroup/docker): .*[Pp]ermission denied",
        Reason.POD_START_FAILED,
        f"inner containers need cgroups, and {CGROUP_OF_ANOTHER_USER}",
    ),
    (
        r"nested-docker: the pod's cgroup cannot be written|mkdir /sys/fs/cgroup/docker: ",
        Reason.POD_START_FAILED,
        f"inner containers need cgroups, and the container runtime lets the pod make none: {WRITABLE_CGROUP}",
    ),
)
"""Messages of the node and the start script; the first match counts."""


class UserNamespace(PodUserNamespace):
    """Docker in a pod's user namespace."""

    mode = Mode.USER_NAMESPACE
    failures = _KNOWN_FAILURES
    needs = _NEEDS
    handler = "that has cgroup_writable = true"
    privilege = Privilege.USER_NAMESPACE

    def container(self, context: PodContext) -> Manifest:
        """Dockerd as root of the pod's user namespace."""
        container = dockerd_container(context)
        return container | {"env": [*container["env"], USER_NAMESPACE_REQUIRED], "securityContext": _SECURITY_CONTEXT}

    def hazards(self, effective: EffectiveSpec, engine: EngineStatus | None) -> Sequence[Hazard]:
        """The kernel is shared; further hazards depend on class, container runtime and dockerd's configuration."""
        return [
            shared_kernel(
                "A user namespace isolates, in which dockerd and whoever uses it have all capabilities",
                "Keep the kernel up to date, and let seccomp confine the daemon",
            ),
            *seccomp_hazards(effective),
            inner_privileged("With runc as the node's runtime, ", "a handler with crun"),
            mount_hazard(effective),
            *confinement_hazards(effective, CONFINED),
            *mirror_hazards(effective.engine, engine),
            *engine_hazards(engine),
        ]
