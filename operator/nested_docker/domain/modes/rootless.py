"""Mode `Rootless`: a rootless dockerd, in a user namespace within that of the pod, whose container has no privilege."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nested_docker.api.meta import Mode
from nested_docker.api.v1alpha1.nested_docker import EngineStatus, Hazard
from nested_docker.domain import names
from nested_docker.domain.effective import EffectiveSpec
from nested_docker.domain.modes.base import PodContext, Privilege
from nested_docker.domain.modes.confinement import confinement_hazards
from nested_docker.domain.modes.dockerd import dockerd_container, engine_hazards, mount_hazard, script
from nested_docker.domain.modes.mirrors import mirror_hazards
from nested_docker.domain.modes.pod_user_namespace import (
    CONFINED,
    CONFINED_TOO_STRICTLY,
    FAILURES,
    LOCALHOST,
    NO_SECCOMP_PROFILE,
    USER_NAMESPACE_REQUIRED,
    PodUserNamespace,
    inner_privileged,
    seccomp_hazards,
)
from nested_docker.domain.modes.unprivileged import Failure, shared_kernel
from nested_docker.domain.objects import Manifest
from nested_docker.domain.status.reasons import Reason

ROOTLESS_SCRIPT = script("start-rootless.sh")

_SECURITY_CONTEXT = {
    "runAsUser": 0,
    "procMount": "Unmasked",
    "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETUID"]},
    "seccompProfile": LOCALHOST,
}
"""SETUID, SETGID and SETFCAP write the ID maps of a user namespace that has the pod's root as its own.

Privilege escalation stays allowed: inner containers inherit its denial, so that sudo would not work in them.
"""

TUN = (
    "give the class's container daemon a device plugin's resource in podTemplate, or a runtimeClassName whose handler "
    "has the device; docs/modes.md has both"
)

_FAILURES: tuple[Failure, ...] = (
    (
        r"nested-docker: /dev/net/tun is missing",
        Reason.POD_START_FAILED,
        f"the daemon's network needs /dev/net/tun, which the pod has not, or may not open: {TUN}",
    ),
    (
        r"nested-docker: privilege escalation is denied",
        Reason.POD_START_FAILED,
        "rootlesskit does not work without privilege escalation: remove allowPrivilegeEscalation: false of container "
        "daemon from the class's podTemplate, or find the admission webhook that sets it",
    ),
    *FAILURES,
    (
        r"rootlesskit:parent\S* .*fork/exec /proc/self/exe: no space left",
        Reason.POD_START_FAILED,
        "the node's kernel allows no further user namespaces: raise the sysctl user.max_user_namespaces, or use "
        "another node",
    ),
    (
        r"rootlesskit:parent\S* .*fork/exec /proc/self/exe: operation not permitted",
        Reason.POD_START_FAILED,
        f"the pod may not make a user namespace, as the container runtime's default seccomp profile has it: "
        f"{NO_SECCOMP_PROFILE}. Where the sysctl kernel.apparmor_restrict_unprivileged_userns is 1, AppArmor denies "
        "it, too: set it to 0",
    ),
    (
        r"rootlesskit:child\S* .*(permission denied|operation not permitted)",
        Reason.POD_START_FAILED,
        CONFINED_TOO_STRICTLY,
    ),
)
"""Messages of the node, rootlesskit and the start scripts; the first match counts."""


class Rootless(PodUserNamespace):
    """Docker in a user namespace within a pod's user namespace."""

    mode = Mode.ROOTLESS
    failures = _FAILURES
    privilege = Privilege.USER

    def engine_image(self, default: str) -> str:
        """Docker's own images have a variant for rootless dockerd; of another image its admin knows."""
        return re.sub(r"-dind$", "-dind-rootless", default)

    def container(self, context: PodContext) -> Manifest:
        """The start script, in namespaces that rootlesskit makes."""
        container = dockerd_container(context)
        shell, flag, start, _ = container["command"]
        port = {"name": "NESTED_DOCKER_PORT", "value": str(names.DOCKER_PORT)}
        return container | {
            "command": [shell, flag, ROOTLESS_SCRIPT, "start-rootless", start],
            "env": [*container["env"], USER_NAMESPACE_REQUIRED, port],
            "securityContext": _SECURITY_CONTEXT,
        }

    def hazards(self, effective: EffectiveSpec, engine: EngineStatus | None) -> Sequence[Hazard]:
        """No cgroups and a slow network, in every cluster; further hazards depend on class and daemon."""
        return [
            shared_kernel(
                "A user namespace isolates, within the pod's own one, in which dockerd and whoever uses it have all "
                "capabilities",
                "Keep the kernel up to date, and let seccomp confine the daemon",
            ),
            Hazard(
                type="InnerLimitsIgnored",
                message="The daemon makes no cgroups, so -m, --cpus and --pids-limit of docker run have no effect: "
                "only the pod's limits hold, for all inner containers together.",
                remedy="Set spec.resources to what they may use together, or choose mode UserNamespace or Sysbox.",
            ),
            Hazard(
                type="UserModeNetwork",
                message="slirp4netns passes on the daemon's connections, which costs CPU time. Clients of published "
                "ports have the daemon's address for inner containers, and there is no IPv6.",
                remedy="Where throughput or clients' addresses matter, choose mode UserNamespace or Sysbox.",
            ),
            *seccomp_hazards(effective),
            inner_privileged("", "mode UserNamespace with a handler with crun"),
            mount_hazard(effective),
            *confinement_hazards(effective, CONFINED),
            *mirror_hazards(effective.engine, engine),
            *engine_hazards(engine),
        ]
