"""Mode `Sysbox`: dockerd in a container that Sysbox runs like a small VM, without any privilege."""

from __future__ import annotations

from collections.abc import Sequence

from nested_docker.api.meta import Mode
from nested_docker.api.v1alpha1.nested_docker import EngineStatus, Hazard, Isolation
from nested_docker.domain.effective import EffectiveSpec
from nested_docker.domain.modes.base import Obstacle, PodContext, PodSecurity, PodSecurityLevel
from nested_docker.domain.modes.dockerd import OwnDaemon, dockerd_container, engine_hazards, mount_hazard
from nested_docker.domain.objects import ClusterFacts, Manifest
from nested_docker.domain.status.reasons import Reason

RUNTIME_CLASS = "sysbox-runc"
NODE_LABEL, NODE_LABEL_VALUE = "sysbox-runtime", "running"
INSTALL = "install Sysbox on the nodes (sysbox-deploy-k8s) or choose another mode"

KNOWN_FAILURES = (
    (
        ('RuntimeHandler "sysbox-runc" not supported', 'no runtime for "sysbox-runc" is configured'),
        f"the node's container runtime does not support sysbox-runc: {INSTALL}, and keep pods off other nodes by the "
        f"RuntimeClass's nodeSelector {NODE_LABEL}: {NODE_LABEL_VALUE}",
    ),
    (
        ("does not support user namespaces",),
        "the node's runtime handler does not support user namespaces: upgrade to Sysbox 0.7 and "
        "containerd 2.0.5 or newer",
    ),
    (
        ('mounting "sysfs"', "mount through procfd"),
        "Sysbox could not mount sysfs in the pod's user namespace: upgrade to Sysbox 0.7.1 or newer",
    ),
    (
        ("not enough unused IDs", "no available user ID"),
        "the node has no free range of 65536 user IDs left: run fewer Sysbox pods on it, or give Sysbox a larger range",
    ),
    (
        ("ip_unprivileged_port_start",),
        "Sysbox 0.7.1 cannot start pods on this kernel with this containerd: see its issue 1035",
    ),
)
"""Parts of error messages of Sysbox, and what they mean."""


class Sysbox(OwnDaemon):
    """Docker in a Sysbox container."""

    mode = Mode.SYSBOX
    isolation = Isolation.USER_NAMESPACE
    pod_security = PodSecurity(
        PodSecurityLevel.BASELINE, "container daemon without runAsNonRoot, dropped capabilities and a seccomp profile"
    )

    def obstacle(self, effective: EffectiveSpec, cluster: ClusterFacts) -> Obstacle | None:
        """The RuntimeClass must exist; for Sysbox's default one a node must have the label of Sysbox's installer."""
        name = effective.runtime_class_name or RUNTIME_CLASS
        if name not in cluster.runtime_classes:
            return Obstacle(
                Reason.RUNTIME_MISSING,
                f"mode Sysbox needs RuntimeClass {name}, which the cluster does not have: {INSTALL}",
            )
        ready = [node for node in cluster.nodes.values() if node.labels.get(NODE_LABEL) == NODE_LABEL_VALUE]
        if name == RUNTIME_CLASS and not ready:
            return Obstacle(
                Reason.RUNTIME_MISSING,
                f"mode Sysbox needs a node with label {NODE_LABEL}={NODE_LABEL_VALUE}, which Sysbox's installer "
                f"sets, and none of {len(cluster.nodes)} nodes has it: {INSTALL}",
            )
        return None

    def container(self, context: PodContext) -> Manifest:
        """Dockerd as root of the pod's user namespace; Sysbox provides everything else that it needs."""
        return dockerd_container(context) | {"securityContext": {"runAsUser": 0}}

    def pod_fields(self, context: PodContext) -> Manifest:
        """The runtime, and a user namespace for the pod, which Sysbox requires."""
        return {
            "runtimeClassName": context.effective.runtime_class_name or RUNTIME_CLASS,
            "hostUsers": False,
        }

    def hazards(self, effective: EffectiveSpec, engine: EngineStatus | None) -> Sequence[Hazard]:
        """The kernel is shared; further hazards depend on dockerd's configuration."""
        return [
            Hazard(
                type="SharedKernel",
                message="Sysbox isolates by user namespace and emulation; the kernel is the node's, and a "
                "vulnerability in it is a way out.",
                remedy="Keep kernel and Sysbox up to date; for untrusted code use dedicated nodes.",
            ),
            mount_hazard(effective),
            *engine_hazards(engine),
        ]

    def explain(self, message: str) -> tuple[Reason, str] | None:
        """Known failures of Sysbox, with the remedy."""
        for parts, meaning in KNOWN_FAILURES:
            if any(part in message for part in parts):
                return Reason.POD_START_FAILED, f"{meaning} (the runtime said: {message})"
        return None
