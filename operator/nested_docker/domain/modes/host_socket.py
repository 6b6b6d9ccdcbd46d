"""Mode `HostSocket`: no daemon of ours; a relay before the node's socket."""

from __future__ import annotations

from collections.abc import Sequence

from nested_docker.api.meta import Mode
from nested_docker.api.v1alpha1.nested_docker import EngineStatus, Hazard, Isolation
from nested_docker.domain import names
from nested_docker.domain.effective import EffectiveSpec
from nested_docker.domain.manifests.base import Manifest
from nested_docker.domain.modes.base import ClusterFacts, Obstacle, PodContext, PodSecurity, PodSecurityLevel
from nested_docker.domain.modes.dockerd import (
    CONTAINER,
    RESTRICTED,
    SERVER_CERTIFICATES,
    SOCKET,
    SOCKET_DIRECTORY,
    SOCKET_GID,
    probes,
)
from nested_docker.domain.reasons import Reason

NODE_SOCKET = "/run/node/docker.sock"
"""Where the relay's container has the node's socket."""

HEALTH_PORT = 8080


class HostSocket:
    """The node's Docker daemon, through a relay."""

    mode = Mode.HOST_SOCKET
    isolation = Isolation.SHARED_DAEMON
    needs_raw_grant = True
    keeps_data = False
    pod_security = PodSecurity(PodSecurityLevel.PRIVILEGED, "the hostPath volume with the node's socket")

    def obstacle(self, effective: EffectiveSpec, cluster: ClusterFacts) -> Obstacle | None:
        """Nothing that is known beforehand: whether a node has the socket, only its kubelet can tell."""
        del effective, cluster
        return None

    def container(self, context: PodContext) -> Manifest:
        """The relay: non-root, read-only, without capabilities; it alone mounts the socket."""
        return {
            "name": CONTAINER,
            "image": context.defaults.operator_image,
            "imagePullPolicy": context.defaults.image_pull_policy,
            "args": [
                "relay",
                f"--upstream={NODE_SOCKET}",
                f"--listen-tls=0.0.0.0:{names.DOCKER_PORT}",
                f"--listen-unix={SOCKET}",
                f"--certificates={SERVER_CERTIFICATES}",
                f"--health-port={HEALTH_PORT}",
            ],
            "ports": [
                {"name": "docker-tls", "containerPort": names.DOCKER_PORT, "protocol": "TCP"},
                {"name": "health", "containerPort": HEALTH_PORT, "protocol": "TCP"},
            ],
            "resources": context.effective.resources.dump(),
            "securityContext": RESTRICTED,
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "volumeMounts": [
                {"name": "node-socket", "mountPath": NODE_SOCKET},
                {"name": "socket", "mountPath": SOCKET_DIRECTORY},
                {"name": "server-certificates", "mountPath": SERVER_CERTIFICATES, "readOnly": True},
            ],
            **probes({"httpGet": {"path": "/healthz", "port": HEALTH_PORT}}),
        }

    def pod_fields(self, context: PodContext) -> Manifest:
        """The socket's group for the relay, and a group by which a non-root relay reads its certificates."""
        groups = [] if context.effective.host_socket_gid is None else [context.effective.host_socket_gid]
        return {"securityContext": {"fsGroup": SOCKET_GID, "supplementalGroups": groups}}

    def volumes(self, context: PodContext) -> list[Manifest]:
        """The node's socket; the kubelet refuses the pod where there is none."""
        path = context.effective.host_socket_path
        return [{"name": "node-socket", "hostPath": {"path": path, "type": "Socket"}}]

    def hazards(self, effective: EffectiveSpec, engine: EngineStatus | None) -> Sequence[Hazard]:
        """Everything that sharing the node's daemon means."""
        del engine
        hazards = [
            Hazard(
                type="HostControl",
                message="The node's Docker socket is handed out without a guard: whoever has it can start anything "
                "as root on the node, and stop, pull or delete what others use.",
                remedy="Allow it only to those who may be root on the node, or use mode Sysbox or Dind.",
            ),
            Hazard(
                type="Siblings",
                message="Containers are siblings of the node's own: outside the pod's limits, visible to everyone "
                "on the socket, and still there when the NestedDocker is gone.",
                remedy="Start containers with --rm and remove what you made.",
            ),
        ]
        if effective.workload is not None:
            hazards.append(
                Hazard(
                    type="BindMountsResolveOnNode",
                    message="Paths in `docker run -v` are the node's, not the workload's: /workspace is not what "
                    "the workload sees there.",
                    remedy="Copy files with docker cp, or use a mode with a daemon of its own.",
                )
            )
        return hazards

    def explain(self, message: str) -> tuple[Reason, str] | None:
        """A node without the socket."""
        if "is not a socket file" in message or "hostPath type check failed" in message:
            return (
                Reason.SOCKET_MISSING,
                "the node has no Docker socket at the class's hostSocket.path: most clusters run containerd without "
                "Docker. Use mode Dind or Sysbox, install Docker on the node, or mend the path "
                f"(the kubelet said: {message})",
            )
        return None
