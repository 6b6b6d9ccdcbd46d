"""What the modes have in common that need nothing but a user namespace, which Kubernetes gives the pod."""

from __future__ import annotations

from nested_docker.api.v1alpha1.nested_docker import Hazard, Isolation
from nested_docker.api.v1alpha1.nested_docker_class import SeccompProfileType
from nested_docker.domain.effective import EffectiveSpec
from nested_docker.domain.modes.base import NodeNeeds, Obstacle, PodContext
from nested_docker.domain.modes.confinement import IgnoredProfiles
from nested_docker.domain.modes.dockerd import OwnDaemon
from nested_docker.domain.modes.preflight import for_pod, node_obstacle
from nested_docker.domain.modes.unprivileged import (
    HANDLER_UNKNOWN,
    HANDLER_WITHOUT_USER_NAMESPACES,
    NAMES_NO_HANDLER,
    NO_FREE_IDS,
    Failure,
    explained,
)
from nested_docker.domain.objects import ClusterFacts, Manifest
from nested_docker.domain.status.reasons import Reason

SECCOMP_PROFILE = "nested-docker/dockerd.json"
"""Path of the chart's seccomp profile, relative to the kubelet's folder of profiles on each node."""

LOCALHOST = {"type": "Localhost", "localhostProfile": SECCOMP_PROFILE}

USER_NAMESPACE_REQUIRED = {"name": "NESTED_DOCKER_USER_NAMESPACE", "value": "required"}
"""Has the start script end, before dockerd starts, where the pod got no user namespace; guardrails look for it."""

CONFINED = IgnoredProfiles(frozenset(), "", "")
"""Every AppArmor profile has an effect in these modes."""

NODE_NEEDS = NodeNeeds(
    remedy="use nodes with Kubernetes 1.30, Linux 6.3, containerd 2.0 or CRI-O 1.25, and runc 1.2 or crun 1.9, "
    "or newer, or choose another mode",
    user_namespaces=True,
    mapped_volumes=True,
    kernel=(6, 3),
    kubelet=(1, 30),
)
"""Of a node; the RuntimeClass, if the class has one, adds the handler and the labels.

An older kubelet drops hostUsers without a word. The start script ends there, but in an image of the tenant's choice.
"""

_DROPPED = (
    "the API server, the kubelet or an admission webhook dropped it. Enable the feature {}, which Kubernetes has by "
    "default from 1.33 on, or find the webhook"
)

CONFINED_TOO_STRICTLY = (
    "the pod is confined too strictly to mount, and so are its inner containers: in the class's securityModules "
    "set appArmorProfile to Unconfined or to a profile that allows mount, and on nodes with SELinux "
    "seLinuxOptions.type to container_engine_t"
)
NO_SECCOMP_PROFILE = (
    "set the chart's seccompProfiles.install to true, which puts "
    f"{SECCOMP_PROFILE} onto the nodes, or name another one in the class's securityModules, or set "
    "seccompProfile.type: Unconfined there"
)

FAILURES: tuple[Failure, ...] = (
    (
        HANDLER_UNKNOWN,
        Reason.POD_START_FAILED,
        "the node's container runtime does not have the handler of the pod's RuntimeClass: configure it on the node, "
        f"or keep pods off such nodes by the RuntimeClass's scheduling.nodeSelector{NAMES_NO_HANDLER}",
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
        f"{_DROPPED.format('UserNamespacesSupport')}",
    ),
    (
        r"hostUsers` must be false to use `Unmasked`|nested-docker: /proc is read-only",
        Reason.POD_START_FAILED,
        f"hostUsers: false and procMount: Unmasked belong together, and one of them is missing: "
        f"{_DROPPED.format('UserNamespacesSupport or ProcMountType')}",
    ),
    (
        r"nested-docker: mounts are denied|denies mounts, so no container could start",
        Reason.POD_START_FAILED,
        CONFINED_TOO_STRICTLY,
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
        f"the node does not have the seccomp profile: {NO_SECCOMP_PROFILE}",
    ),
    (
        r"user namespaces aren't enabled in the kernel|unshare.*user.*(No space left|not permitted)",
        Reason.POD_START_FAILED,
        "the node's kernel allows no user namespaces: set the sysctl user.max_user_namespaces, or use another kernel",
    ),
)
"""Messages of API server, kubelet, container runtime and start script; the first match counts."""


class PodUserNamespace(OwnDaemon):
    """A daemon in a pod with `hostUsers: false`.

    Attributes:
        failures: messages that the mode explains, with their meanings; the first match counts.
        needs: what a node must have, before the RuntimeClass of the class is considered.
    """

    isolation = Isolation.USER_NAMESPACE
    failures: tuple[Failure, ...] = FAILURES
    needs = NODE_NEEDS
    handler = "for pods of this mode"
    """What the handler of the class's RuntimeClass is for, in messages."""

    def obstacle(self, effective: EffectiveSpec, cluster: ClusterFacts) -> Obstacle | None:
        """The RuntimeClass that the class names must exist, and a node must be able to make user namespaces."""
        name = effective.runtime_class_name
        if name and name not in cluster.runtime_classes:
            return Obstacle(
                Reason.RUNTIME_MISSING,
                f"the class has runtimeClassName {name}, and the cluster has no such RuntimeClass: create it, with a "
                f"handler {self.handler}, or name another one",
            )
        return node_obstacle(effective.mode, self.node_needs(effective, cluster), cluster)

    def node_needs(self, effective: EffectiveSpec, cluster: ClusterFacts) -> NodeNeeds:
        """User namespaces of the handler, and a kernel that maps user IDs of volumes."""
        return for_pod(self.needs, effective, cluster, effective.runtime_class_name or "")

    def pod_fields(self, context: PodContext) -> Manifest:
        """A user namespace, and the runtime if the class names one."""
        name = context.effective.runtime_class_name
        return {"hostUsers": False} | ({"runtimeClassName": name} if name else {})

    def explain(self, message: str) -> tuple[Reason, str] | None:
        """Known failures, with the remedy."""
        return explained(message, self.failures)


def inner_privileged(where: str, remedy: str) -> Hazard:
    """The hazard that inner containers cannot be privileged.

    Args:
        where: under which condition, as the beginning of the message; empty: always.
        remedy: what else to do, as the end of the remedy.
    """
    return Hazard(
        type="InnerPrivileged",
        message=f"{where}docker run --privileged fails in this mode, and so do kind and buildx's docker-container "
        "driver, which use it.",
        remedy=f"Use the daemon's own BuildKit, which needs no privileged container, or {remedy}.",
    )


def seccomp_hazards(effective: EffectiveSpec) -> list[Hazard]:
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
