"""Mode `Sysbox`: dockerd in a container that Sysbox runs like a small VM, without any privilege."""

from __future__ import annotations

from collections.abc import Sequence

from nested_docker.api.meta import Mode
from nested_docker.api.v1alpha1.nested_docker import EngineStatus, Hazard, Isolation
from nested_docker.api.v1alpha1.nested_docker_class import AppArmorProfileType
from nested_docker.domain.effective import EffectiveSpec
from nested_docker.domain.modes.base import (
    NodeNeeds,
    Obstacle,
    PodContext,
    Privilege,
)
from nested_docker.domain.modes.confinement import IgnoredProfiles, confinement_hazards
from nested_docker.domain.modes.dockerd import OwnDaemon, dockerd_container, engine_hazards, mount_hazard
from nested_docker.domain.modes.mirrors import mirror_hazards
from nested_docker.domain.modes.preflight import for_pod, node_obstacle
from nested_docker.domain.modes.unprivileged import (
    HANDLER_UNKNOWN,
    HANDLER_WITHOUT_USER_NAMESPACES,
    NAMES_NO_HANDLER,
    NO_FREE_IDS,
    Failure,
    explained,
    shared_kernel,
)
from nested_docker.domain.objects import ClusterFacts, Manifest
from nested_docker.domain.status.reasons import Reason

RUNTIME_CLASS = "sysbox-runc"
NODE_LABEL, NODE_LABEL_VALUE = "sysbox-runtime", "running"
INSTALL = "install Sysbox on the nodes (sysbox-deploy-k8s) or choose another mode"

_NEEDS = NodeNeeds(
    remedy="install Sysbox 0.7 or newer with containerd 2.0.5 or newer on nodes that the RuntimeClass selects, or "
    "choose another mode",
    user_namespaces=True,
    kernel=(5, 12),
)
"""Of a node; the RuntimeClass adds the handler and the labels."""

WATCH_SECONDS = 10
"""Time between two looks of the start script whether Sysbox still answers mounts."""

_NO_USER_NAMESPACE = (
    "the pod has probably no user namespace, although it asks for one by hostUsers: false. Look at hostUsers in "
    "kubectl get pod -o yaml: if it is missing, an admission webhook or an API server without the feature "
    "UserNamespacesSupport has dropped it; otherwise enable that feature in the kubelet. With a user namespace, "
    "upgrade to Sysbox 0.7.1 or newer, and see its issue 1035"
)
_SERVICE_DOWN = (
    "Sysbox's service {0} on the pod's node is down, so no container can start there; the kubelet tries again, and "
    "succeeds once the service runs: look at systemctl status {0} on the node"
)

KNOWN_FAILURES: tuple[Failure, ...] = (
    (
        HANDLER_UNKNOWN,
        Reason.POD_START_FAILED,
        f"the node's container runtime does not have the handler of the pod's RuntimeClass: {INSTALL}, and keep pods "
        f"off other nodes by the RuntimeClass's nodeSelector {NODE_LABEL}: {NODE_LABEL_VALUE}{NAMES_NO_HANDLER}",
    ),
    (
        HANDLER_WITHOUT_USER_NAMESPACES,
        Reason.POD_START_FAILED,
        "the node's runtime handler does not support user namespaces: upgrade to Sysbox 0.7 and "
        "containerd 2.0.5 or newer",
    ),
    NO_FREE_IDS,
    (r"sysfs\.sock", Reason.POD_START_FAILED, _SERVICE_DOWN.format("sysbox-fs")),
    (r"sysmgr\.sock", Reason.POD_START_FAILED, _SERVICE_DOWN.format("sysbox-mgr")),
    (
        r"mount.*(is not implemented any more|unction not implemented)",
        Reason.DAEMON_RESTARTING,
        "Sysbox's service sysbox-fs on the pod's node has ended or was restarted, as in an upgrade, and containers "
        "that are older cannot mount: the daemon ends, and the kubelet starts its container again; images are kept",
    ),
    (
        r'ip_unprivileged_port_start|mounting "sysfs"|mount through procfd|not enough unused IDs|no available user ID',
        Reason.POD_START_FAILED,
        _NO_USER_NAMESPACE,
    ),
)
"""Messages of kubelet, Sysbox and start script; the first match counts."""

SECURITY_CONTEXT = {
    "runAsUser": 0,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""Privilege escalation stays allowed: inner containers inherit its denial, so that sudo would not work in them."""


IGNORED_BY_SYSBOX = IgnoredProfiles(
    frozenset({AppArmorProfileType.RUNTIME_DEFAULT, AppArmorProfileType.LOCALHOST}),
    "Sysbox starts its containers without an AppArmor profile",
    "rely on the user namespace alone",
)


class Sysbox(OwnDaemon):
    """Docker in a Sysbox container."""

    mode = Mode.SYSBOX
    isolation = Isolation.USER_NAMESPACE
    privilege = Privilege.USER_NAMESPACE

    def obstacle(self, effective: EffectiveSpec, cluster: ClusterFacts) -> Obstacle | None:
        """The RuntimeClass must exist, and a node that it selects must be able to run Sysbox."""
        name = effective.runtime_class_name or RUNTIME_CLASS
        if name not in cluster.runtime_classes:
            return Obstacle(
                Reason.RUNTIME_MISSING,
                f"mode Sysbox needs RuntimeClass {name}, which the cluster does not have: {INSTALL}",
            )
        return node_obstacle(self.mode, self.node_needs(effective, cluster), cluster)

    def node_needs(self, effective: EffectiveSpec, cluster: ClusterFacts) -> NodeNeeds:
        """A kernel with what Sysbox uses, and user namespaces of the RuntimeClass's handler."""
        return for_pod(_NEEDS, effective, cluster, effective.runtime_class_name or RUNTIME_CLASS)

    def container(self, context: PodContext) -> Manifest:
        """Dockerd as root of the pod's user namespace.

        Sysbox gives it every capability in that namespace, and the system calls that it needs, whatever is here.
        """
        container = dockerd_container(context)
        watch = {"name": "NESTED_DOCKER_WATCH_MOUNT", "value": str(WATCH_SECONDS)}
        return container | {"env": [*container["env"], watch], "securityContext": SECURITY_CONTEXT}

    def pod_fields(self, context: PodContext) -> Manifest:
        """The runtime, and a user namespace for the pod, which Sysbox requires."""
        return {
            "runtimeClassName": context.effective.runtime_class_name or RUNTIME_CLASS,
            "hostUsers": False,
        }

    def hazards(self, effective: EffectiveSpec, engine: EngineStatus | None) -> Sequence[Hazard]:
        """The kernel is shared; further hazards depend on dockerd's configuration."""
        return [
            shared_kernel("Sysbox isolates by user namespace and emulation", "Keep kernel and Sysbox up to date"),
            mount_hazard(effective),
            *confinement_hazards(effective, IGNORED_BY_SYSBOX),
            *mirror_hazards(effective.engine, engine),
            *engine_hazards(engine),
        ]

    def explain(self, message: str) -> tuple[Reason, str] | None:
        """Known failures of Sysbox, with the remedy."""
        return explained(message, KNOWN_FAILURES)
