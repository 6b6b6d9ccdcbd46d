"""Mode `UserNamespace`: dockerd as root of the pod's user namespace, without any further runtime."""

from __future__ import annotations

from collections.abc import Sequence

from nested_docker.api.meta import Mode
from nested_docker.api.v1alpha1.nested_docker import EngineStatus, Hazard, Isolation
from nested_docker.api.v1alpha1.nested_docker_class import SeccompProfileType
from nested_docker.domain.effective import EffectiveSpec
from nested_docker.domain.modes.base import NodeNeeds, Obstacle, PodContext, PodSecurity, PodSecurityLevel, Privilege
from nested_docker.domain.modes.confinement import IgnoredProfiles, confinement_hazards
from nested_docker.domain.modes.dockerd import OwnDaemon, dockerd_container, engine_hazards, mount_hazard
from nested_docker.domain.modes.mirrors import mirror_hazards
from nested_docker.domain.modes.preflight import node_obstacle, of_runtime_class
from nested_docker.domain.modes.unprivileged import (
    CGROUP_OF_ANOTHER_USER,
    HANDLER_UNKNOWN,
    HANDLER_WITHOUT_USER_NAMESPACES,
    NO_FREE_IDS,
    Failure,
    explained,
    shared_kernel,
)
from nested_docker.domain.objects import ClusterFacts, Manifest
from nested_docker.domain.status.reasons import Reason

SECCOMP_PROFILE = "nested-docker/dockerd.json"
"""Path of the chart's seccomp profile, relative to the kubelet's folder of profiles on each node."""

_SECURITY_CONTEXT = {
    "runAsUser": 0,
    "procMount": "Unmasked",
    "capabilities": {"add": ["SYS_ADMIN", "NET_ADMIN"]},
    "appArmorProfile": {"type": "Unconfined"},
    "seccompProfile": {"type": "Localhost", "localhostProfile": SECCOMP_PROFILE},
}
"""Capabilities count in the user namespace only. AppArmor's and seccomp's defaults deny what dockerd does there."""

_REQUIRED = {"name": "NESTED_DOCKER_USER_NAMESPACE", "value": "required"}
"""Has the start script end, before dockerd starts, where the pod got no user namespace; guardrails look for it."""

_NEEDS = NodeNeeds(
    remedy="use nodes with Kubernetes 1.30, Linux 6.3, cgroup v2, containerd 2.0 or CRI-O 1.25, and runc 1.2 or crun "
    "1.9, or newer, or choose another mode",
    user_namespaces=True,
    cgroup_v2=True,
    mapped_volumes=True,
    kernel=(6, 3),
    kubelet=(1, 30),
)
"""Of a node; the RuntimeClass, if the class has one, adds the handler and the labels.

An older kubelet drops hostUsers without a word. The start script ends there, but in an image of the tenant's choice.
"""

WRITABLE_CGROUP = (
    "give the class a runtimeClassName whose handler has cgroup_writable = true (containerd 2.1 or newer), or in its "
    "podTemplate what CRI-O or your cloud provider needs; docs/modes.md has each"
)
DROPPED = (
    "the API server, the kubelet or an admission webhook dropped it. Enable the feature {}, which Kubernetes has by "
    "default from 1.33 on, or find the webhook"
)

_KNOWN_FAILURES: tuple[Failure, ...] = (
    (
        HANDLER_UNKNOWN,
        Reason.POD_START_FAILED,
        "the node's container runtime does not have the handler of the pod's RuntimeClass: configure it on the node, "
        "or keep pods off such nodes by the RuntimeClass's scheduling.nodeSelector",
    ),
    (
        HANDLER_WITHOUT_USER_NAMESPACES,
        Reason.POD_START_FAILED,
        "the node's runtime handler does not support user namespaces: the node needs Linux 6.3, containerd 2.0 or "
        "CRI-O 1.25, and runc 1.2 or crun 1.9, or newer",
    ),
    NO_FREE_IDS,
    (
        r'feature gate "?UserNamespacesSupport"? is disabled|nested-docker: the pod has no user namespace',
        Reason.POD_START_FAILED,
        f"the pod got no user namespace, although it requests one by hostUsers: false: "
        f"{DROPPED.format('UserNamespacesSupport')}",
    ),
    (
        r"hostUsers` must be false to use `Unmasked`|nested-docker: /proc is read-only",
        Reason.POD_START_FAILED,
        f"hostUsers: false and procMount: Unmasked belong together, and one of them is missing: "
        f"{DROPPED.format('UserNamespacesSupport or ProcMountType')}",
    ),
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
    (
        r"nested-docker: mounts are denied|denies mounts, so no container could start",
        Reason.POD_START_FAILED,
        "the pod is confined too strictly to mount, and so are its inner containers: in the class's securityModules "
        "set appArmorProfile to Unconfined or to a profile that allows mount, and on nodes with SELinux "
        "seLinuxOptions.type to container_engine_t",
    ),
    (
        r"MOUNT_ATTR_IDMAP|idmapped mount|idmap mounts",
        Reason.POD_START_FAILED,
        "the kernel cannot map user IDs on the filesystem of one of the pod's volumes or of the node's images: use "
        "ext4, xfs, btrfs or tmpfs, not NFS, and Linux 6.3 or newer",
    ),
    (
        r"(?i)seccomp.*no such file or directory|cannot load seccomp profile",
        Reason.POD_START_FAILED,
        f"the node does not have the seccomp profile: set the chart's seccompProfiles.install to true, which puts "
        f"{SECCOMP_PROFILE} onto the nodes, or name another one in the class's securityModules, or set "
        "seccompProfile.type: Unconfined there",
    ),
    (
        r"user namespaces aren't enabled in the kernel|unshare.*user.*(No space left|not permitted)",
        Reason.POD_START_FAILED,
        "the node's kernel allows no user namespaces: set the sysctl user.max_user_namespaces, or use another kernel",
    ),
)
"""Messages of API server, kubelet, container runtime and start script; the first match counts."""

CONFINED = IgnoredProfiles(frozenset(), "", "")
"""Every AppArmor profile has an effect in this mode."""


class UserNamespace(OwnDaemon):
    """Docker in a pod's user namespace."""

    mode = Mode.USER_NAMESPACE
    isolation = Isolation.USER_NAMESPACE
    privilege = Privilege.USER_NAMESPACE
    pod_security = PodSecurity(
        PodSecurityLevel.PRIVILEGED,
        "capabilities SYS_ADMIN and NET_ADMIN, procMount: Unmasked and AppArmor Unconfined on container daemon, "
        "although only in a user namespace",
    )

    def obstacle(self, effective: EffectiveSpec, cluster: ClusterFacts) -> Obstacle | None:
        """The RuntimeClass that the class names must exist, and a node must be able to make user namespaces."""
        name = effective.runtime_class_name
        if name and name not in cluster.runtime_classes:
            return Obstacle(
                Reason.RUNTIME_MISSING,
                f"the class has runtimeClassName {name}, and the cluster has no such RuntimeClass: create it, with a "
                "handler that has cgroup_writable = true, or name another one",
            )
        return node_obstacle(self.mode, self.node_needs(effective, cluster), cluster)

    def node_needs(self, effective: EffectiveSpec, cluster: ClusterFacts) -> NodeNeeds:
        """User namespaces of the handler, and a kernel that maps user IDs of volumes."""
        return of_runtime_class(_NEEDS, cluster, effective.runtime_class_name or "")

    def container(self, context: PodContext) -> Manifest:
        """Dockerd as root of the pod's user namespace."""
        container = dockerd_container(context)
        return container | {"env": [*container["env"], _REQUIRED], "securityContext": _SECURITY_CONTEXT}

    def pod_fields(self, context: PodContext) -> Manifest:
        """A user namespace, and the runtime if the class names one."""
        name = context.effective.runtime_class_name
        return {"hostUsers": False} | ({"runtimeClassName": name} if name else {})

    def hazards(self, effective: EffectiveSpec, engine: EngineStatus | None) -> Sequence[Hazard]:
        """The kernel is shared; further hazards depend on class, container runtime and dockerd's configuration."""
        return [
            shared_kernel(
                "A user namespace isolates, in which dockerd and whoever uses it have all capabilities",
                "Keep the kernel up to date, and let seccomp confine the daemon",
            ),
            *_seccomp_hazards(effective),
            Hazard(
                type="InnerPrivileged",
                message="With runc as the node's runtime, docker run --privileged fails in this mode, and so do kind "
                "and buildx's docker-container driver, which use it.",
                remedy="Use the daemon's own BuildKit, which needs no privileged container, or a handler with crun.",
            ),
            mount_hazard(effective),
            *confinement_hazards(effective, CONFINED),
            *mirror_hazards(effective.engine, engine),
            *engine_hazards(engine),
        ]

    def explain(self, message: str) -> tuple[Reason, str] | None:
        """Known failures of user namespaces and cgroups, with the remedy."""
        return explained(message, _KNOWN_FAILURES)


def _seccomp_hazards(effective: EffectiveSpec) -> list[Hazard]:
    """The class has no seccomp profile for the daemon."""
    modules = effective.security_modules
    profile = modules.seccomp_profile if modules else None
    if profile is None or profile.type != SeccompProfileType.UNCONFINED:
        return []
    return [
        Hazard(
            type="UnconfinedSeccomp",
            message="The class gives the daemon no seccomp profile, so that whoever enters its container may try every "
            "system call on the node's kernel; inner containers have Docker's own profile.",
            remedy="Set the chart's seccompProfiles.install to true, and remove seccompProfile from the class's "
            "securityModules.",
        )
    ]
