"""Mode `HostSocket`: the pod runs no dockerd; a relay hands out the node's socket, guarded or raw."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nested_docker.api.meta import Enforcement, Mode
from nested_docker.api.v1alpha1 import NestedDockerClassSpec, NestedDockerPolicySpec, NestedDockerSpec
from nested_docker.api.v1alpha1.guard import POD_UID, GuardRules, Publish
from nested_docker.api.v1alpha1.nested_docker import EngineStatus, Hazard, Isolation
from nested_docker.api.v1alpha1.nested_docker_class import HostSocketSpec, SocketAccess
from nested_docker.api.v1alpha1.workload import SOCKET_DIRECTORY
from nested_docker.domain import names
from nested_docker.domain.client_variables import BUILDKIT, PUBLISHED_PORTS_HOST
from nested_docker.domain.effective import EffectiveSpec, Layers, ModeSettings, Origin
from nested_docker.domain.guard_limits import tighten
from nested_docker.domain.modes.base import (
    NodeNeeds,
    Objection,
    Obstacle,
    PodContext,
    Privilege,
)
from nested_docker.domain.modes.dockerd import (
    CONTAINER,
    RESTRICTED,
    SERVER_CERTIFICATES,
    SOCKET,
    SOCKET_GID,
    probes,
)
from nested_docker.domain.modes.preflight import LINUX, for_pod, node_obstacle
from nested_docker.domain.objects import ClusterFacts, Manifest
from nested_docker.domain.status.reasons import Reason

NODE_SOCKET = "/run/node/docker.sock"
"""Path of the node's socket in the relay's container."""

NODE_SOCKET_VOLUME = "node-socket"
OWNER_FLAG = "--owner-uid="
HEALTH_PORT = 8080


@dataclass(frozen=True)
class HostSocketSettings(ModeSettings):
    """How the node's socket is handed out.

    Attributes:
        access: through the guard, or unrestricted.
        path: where the socket is on the node.
        gid: group that may use the socket; None: the relay gets no supplemental group.
        guard: the guard's rules; None: there is no guard, or no policy has been applied yet.
    """

    access: SocketAccess
    path: str
    gid: int | None
    guard: GuardRules | None = None

    def values(self) -> dict[str, Any]:
        """By their paths in class and policy."""
        return {
            "hostSocket.access": self.access.value,
            "hostSocket.path": self.path,
            "hostSocket.gid": self.gid,
            "hostSocket.guard": self.guard.dump() if self.guard else None,
        }

    def with_policy_of(self, other: ModeSettings) -> ModeSettings:
        """The guard's rules are the policy's."""
        return replace(self, guard=_own(other).guard)


class HostSocket:
    """The node's Docker daemon, through a relay."""

    mode = Mode.HOST_SOCKET
    isolation = Isolation.SHARED_DAEMON
    privilege = Privilege.NODE
    runs_own_daemon = False
    sidecar_obstacle = "the node's daemon has the node's files, not the job's, so a sidecar gains nothing"

    def resolve(self, layers: Layers, spec: NestedDockerSpec, class_spec: NestedDockerClassSpec) -> ModeSettings:
        """The class sets all of them."""
        del spec
        chosen = class_spec.host_socket
        return HostSocketSettings(
            access=layers.pick("hostSocket.access", None, chosen.access, None),
            path=layers.pick("hostSocket.path", None, chosen.path, None),
            gid=layers.pick("hostSocket.gid", None, chosen.gid, None),
        )

    def engine_image(self, default: str) -> str:
        """No image runs."""
        return default

    def apply_policy(self, effective: EffectiveSpec, policy: NestedDockerPolicySpec | None) -> EffectiveSpec:
        """The policy's rules for the guard; without rules the guard allows next to nothing."""
        settings = _own(effective.mode_settings)
        if settings.access != SocketAccess.GUARDED:
            return effective
        rules = (policy.host_socket.guard if policy else None) or GuardRules()
        return replace(
            effective,
            mode_settings=replace(settings, guard=tighten(rules, effective.resources)),
            origins={**effective.origins, "hostSocket.guard": Origin.POLICY},
        )

    def objections(self, settings: ModeSettings, policy: NestedDockerPolicySpec) -> Iterable[Objection]:
        """From the policy's `hostSocket`: its paths, `allowRaw` and `guard`."""
        terms, requested = policy.host_socket, _own(settings)
        if requested.path not in terms.paths:
            yield Objection(
                f"the class's hostSocket.path is {requested.path}, and hostSocket.paths has only "
                f"{', '.join(terms.paths) or 'nothing'}",
                f"hostSocket.paths: {requested.path}",
            )
        if requested.access == SocketAccess.RAW and not terms.allow_raw:
            yield Objection(
                "the class's hostSocket.access is Raw, which hands out the node's socket unguarded, and "
                "hostSocket.allowRaw is not set",
                "hostSocket.allowRaw: true",
            )
        if requested.access == SocketAccess.GUARDED and terms.guard is None:
            yield Objection(
                "the class's hostSocket.access is Guarded, and hostSocket.guard has no rules",
                "hostSocket.guard: {…}",
            )

    def obstacle(self, effective: EffectiveSpec, cluster: ClusterFacts) -> Obstacle | None:
        """A Linux node must be there; only the kubelet finds out whether its node has the socket."""
        return node_obstacle(self.mode, self.node_needs(effective, cluster), cluster)

    def node_needs(self, effective: EffectiveSpec, cluster: ClusterFacts) -> NodeNeeds:
        """Linux: no API and no probe tells whether a node has the socket."""
        return for_pod(LINUX, effective, cluster, effective.runtime_class_name or "")

    def container(self, context: PodContext) -> Manifest:
        """The relay: non-root, read-only, without capabilities; it alone mounts the socket.

        The guard's rules are arguments, because nobody can change the arguments of a running pod.
        """
        return {
            "name": CONTAINER,
            "image": context.defaults.operator_image,
            "imagePullPolicy": context.defaults.image_pull_policy,
            "args": [
                "relay",
                f"--upstream={NODE_SOCKET}",
                f"--listen-tls=[::]:{names.DOCKER_PORT}",
                f"--listen-unix={SOCKET}",
                f"--certificates={SERVER_CERTIFICATES}",
                f"--health-port={HEALTH_PORT}",
                *_guard_flags(context),
            ],
            "ports": [
                {"name": "docker-tls", "containerPort": names.DOCKER_PORT, "protocol": "TCP"},
                {"name": "health", "containerPort": HEALTH_PORT, "protocol": "TCP"},
            ],
            **_environment(context),
            "resources": context.effective.resources.dump(),
            "securityContext": RESTRICTED,
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "volumeMounts": [
                {"name": NODE_SOCKET_VOLUME, "mountPath": NODE_SOCKET},
                {"name": "socket", "mountPath": SOCKET_DIRECTORY},
                {"name": "server-certificates", "mountPath": SERVER_CERTIFICATES, "readOnly": True},
            ],
            **probes(_http_get("/healthz"), _http_get("/readyz")),
        }

    def pod_fields(self, context: PodContext) -> Manifest:
        """The socket's group for the relay, and a group by which a non-root relay reads its certificates."""
        gid = _own(context.effective.mode_settings).gid
        groups = [] if gid is None else [gid]
        return {"securityContext": {"fsGroup": SOCKET_GID, "supplementalGroups": groups}}

    def volumes(self, context: PodContext) -> list[Manifest]:
        """The node's socket; the kubelet does not start the pod if there is none."""
        path = _own(context.effective.mode_settings).path
        return [{"name": NODE_SOCKET_VOLUME, "hostPath": {"path": path, "type": "Socket"}}]

    def client_env(self, effective: EffectiveSpec, node_address: str = "") -> Mapping[str, str]:
        """With a guard, the classic builder: the guard cannot inspect BuildKit's tunnels.

        Where containers may publish ports, these are the node's, and testcontainers must look for them there.
        """
        rules = _rules(effective)
        published = node_address and (rules is None or rules.containers.publish != Publish.NOTHING)
        ports = {PUBLISHED_PORTS_HOST: node_address} if published else {}
        return ports if rules is None else {BUILDKIT: "0"} | ports

    def needs_node_cleanup(self, effective: EffectiveSpec) -> bool:
        """With a guard: containers remain on the node's daemon, and the guard's label identifies them."""
        return _rules(effective) is not None

    def hazards(self, effective: EffectiveSpec, engine: EngineStatus | None) -> Sequence[Hazard]:
        """What sharing the node's daemon means, with the guard and without."""
        del engine
        rules = _rules(effective)
        return [*(RAW if rules is None else _hazards_behind_guard(rules)), BIND_MOUNTS]

    def explain(self, message: str) -> tuple[Reason, str] | None:
        """A node without the socket."""
        if "is not a socket file" in message or "hostPath type check failed" in message:
            return (
                Reason.SOCKET_MISSING,
                "the node has no Docker socket at the class's hostSocket.path: most clusters run containerd without "
                "Docker. Use mode Dind or Sysbox, install Docker on the node, or fix the path "
                f"(the kubelet said: {message})",
            )
        return None


def _http_get(path: str) -> Manifest:
    return {"httpGet": {"path": path, "port": HEALTH_PORT}}


def is_unused(class_spec: NestedDockerClassSpec) -> bool:
    """Whether a class describes the node's socket and does not offer the mode that hands it out."""
    return class_spec.host_socket != HostSocketSpec() and HostSocket.mode not in class_spec.modes


def _own(settings: ModeSettings) -> HostSocketSettings:
    if not isinstance(settings, HostSocketSettings):
        raise TypeError(f"mode HostSocket has settings of type {type(settings).__name__}")
    return settings


def _rules(effective: EffectiveSpec) -> GuardRules | None:
    return _own(effective.mode_settings).guard


RAW = (
    Hazard(
        type="HostControl",
        message="The node's Docker socket is handed out without a guard: whoever has it can start anything "
        "as root on the node, and stop, pull or delete what others use.",
        remedy="Allow it only to those who may be root on the node, or use a class with hostSocket.access: Guarded.",
    ),
    Hazard(
        type="Siblings",
        message="Containers are siblings of the node's own: outside the pod's limits, visible to everyone "
        "on the socket, and remain when the NestedDocker is deleted.",
        remedy="Start containers with --rm and remove what you created.",
    ),
)
BIND_MOUNTS = Hazard(
    type="BindMountsResolveOnNode",
    message="Paths in `docker run -v`, and `./` in compose files, are the node's and not the client's: not even "
    "/workspace is what a workload sees there.",
    remedy="Copy files by docker cp or a build, or run the client as spec.workload in mode Dind or Sysbox.",
)


def _guard_flags(context: PodContext) -> list[str]:
    rules = _rules(context.effective)
    if rules is None:
        return []
    text = json.dumps(rules.dump(), separators=(",", ":"), sort_keys=True)
    # The kubelet would expand $(NAME).
    flags = [f"--guard-rules={text.replace('$', '$$')}", f"{OWNER_FLAG}{context.object_names.owner.uid}"]
    return [*flags, *(["--pod-uid=$(POD_UID)"] if _names_its_pod(rules) else [])]


def _names_its_pod(rules: GuardRules | None) -> bool:
    return rules is not None and POD_UID in rules.limits.cgroup_parent


def _environment(context: PodContext) -> Manifest:
    if not _names_its_pod(_rules(context.effective)):
        return {}
    return {"env": [{"name": "POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}]}


def _hazards_behind_guard(rules: GuardRules) -> Iterator[Hazard]:
    """What the guard leaves open."""
    if rules.enforcement != Enforcement.ENFORCE:
        yield Hazard(
            type="HostControl",
            message=f"The guard's enforcement is {rules.enforcement}: requests that its rules forbid are still "
            "executed, so whoever has the socket can be root on the node.",
            remedy="Ask an admin to set hostSocket.guard.enforcement of the policy to Enforce when its rules fit.",
        )
    yield Hazard(
        type="SharedDaemon",
        message="What clients start and build runs on the node's daemon: on its kernel, beside everyone's "
        "containers, outside the pod. The guard restricts their requests; it does not isolate.",
        remedy="Keep the node's kernel and Docker up to date; for untrusted code use mode Sysbox, or dedicated nodes.",
    )
    if rules.build.allowed:
        yield Hazard(
            type="BuildsTakeAnyImage",
            message="The guard cannot read a Dockerfile: FROM and COPY --from use any image of the node, and pull "
            "from any registry.",
            remedy="Keep images with secrets in them off the node, or ask an admin to forbid builds in "
            "hostSocket.guard of the policy.",
        )
    total = rules.limits.total
    unlimited = [name for name, most in (("cpu", total.cpu), ("memory", total.memory)) if most is None]
    if unlimited:
        yield Hazard(
            type="Unlimited",
            message=f"Containers may use all of the node's {' and '.join(unlimited)}: the pod's limits do not apply "
            "to them.",
            remedy="Set limits in spec.resources, or ask an admin to set limits.total in hostSocket.guard "
            "of the policy.",
        )
