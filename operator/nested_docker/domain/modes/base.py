"""What a mode is: everything that differs between the ways to provide a Docker daemon."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from nested_docker.api.meta import Mode
from nested_docker.api.v1alpha1 import NestedDockerClassSpec, NestedDockerPolicySpec, NestedDockerSpec
from nested_docker.api.v1alpha1.nested_docker import EngineStatus, Hazard, Isolation
from nested_docker.domain.effective import EffectiveSpec, Layers, ModeSettings, OperatorDefaults
from nested_docker.domain.modes.placement import ANYWHERE, Placement
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import ClusterFacts, Manifest
from nested_docker.domain.status.reasons import Reason


class Privilege(IntEnum):
    """What somebody has of the node who breaks out of an inner container, the least first."""

    USER = 1
    """An ordinary user, without capabilities."""
    USER_NAMESPACE = 2
    """Root and capabilities, but of a user namespace only."""
    NODE = 3
    """Root of the node."""


@dataclass(frozen=True)
class Obstacle:
    """Why a mode cannot work in this cluster, with the remedy.

    Attributes:
        reason: of the condition.
        message: of the condition.
        nodes_may_come: whether the pod may be scheduled to none of the present nodes, so that they say nothing about a
            node that an autoscaler adds for it.
        decides_mode: whether a NestedDocker without `spec.mode` gets another mode for it. Not if NestedDocker and class
            ask for nodes that do not exist: then a mistake in a selector would choose the mode that needs the least of
            a node, which has the most privilege.
    """

    reason: Reason
    message: str
    nodes_may_come: bool = False
    decides_mode: bool = True


@dataclass(frozen=True)
class NodeNeeds:
    """What a mode needs of a node, as far as the API or a probe tells.

    Attributes:
        placement: to which nodes its pods may be scheduled.
        requested: to which of them NestedDocker and class let pods be scheduled, whatever RuntimeClass a mode has.
        handler: handler of the container runtime; empty: the default one.
        user_namespaces: whether the handler must support user namespaces.
        kernel: oldest version of the kernel.
        kubelet: oldest version of the kubelet.
        cgroup_v2: whether cgroups must be those of version 2.
        mapped_volumes: whether user IDs of volumes must be mapped.
        remedy: what an admin does to get such a node.
    """

    remedy: str
    placement: Placement = ANYWHERE
    requested: Placement = ANYWHERE
    handler: str = ""
    user_namespaces: bool = False
    kernel: tuple[int, int] = (0, 0)
    kubelet: tuple[int, int] = (0, 0)
    cgroup_v2: bool = False
    mapped_volumes: bool = False


@dataclass(frozen=True)
class Objection:
    """Why a policy does not grant a request.

    Attributes:
        problem: the request's field, its value, and what the policy has instead.
        remedy: what an admin would change in the policy's spec to grant it.
    """

    problem: str
    remedy: str


@dataclass(frozen=True)
class PodContext:
    """The input from which a mode builds its part of the pod.

    Attributes:
        avoided_nodes: nodes that are known not to be able to run it, while others can.
        serves_network: whether clients of other pods connect, by TLS; otherwise only the unix socket is served.
    """

    object_names: ObjectNames
    effective: EffectiveSpec
    defaults: OperatorDefaults
    avoided_nodes: tuple[str, ...] = ()
    serves_network: bool = True


class ModeBehaviour(Protocol):
    """One way to provide a Docker daemon.

    Attributes:
        mode: its name in the API.
        isolation: what isolates the daemon's users from the node.
        privilege: what the mode gives of the node; a NestedDocker without `spec.mode` gets the least.
        runs_own_daemon: whether the pod runs dockerd itself, so that `engine.image` and `storage` apply.
        sidecar_obstacle: why its container cannot be the sidecar of any pod; empty: it can.
    """

    mode: Mode
    isolation: Isolation
    privilege: Privilege
    runs_own_daemon: bool
    sidecar_obstacle: str

    def resolve(self, layers: Layers, spec: NestedDockerSpec, class_spec: NestedDockerClassSpec) -> ModeSettings:
        """The mode's settings, picked from the layers so that each has its origin."""

    def engine_image(self, default: str) -> str:
        """The image if neither NestedDocker nor class names one.

        Args:
            default: the operator's.
        """

    def apply_policy(self, effective: EffectiveSpec, policy: NestedDockerPolicySpec | None) -> EffectiveSpec:
        """The effective spec with what the policy that grants it decides; None: no policy grants it."""

    def objections(self, settings: ModeSettings, policy: NestedDockerPolicySpec) -> Iterable[Objection]:
        """Why a policy that allows the mode does not grant these settings."""

    def obstacle(self, effective: EffectiveSpec, cluster: ClusterFacts) -> Obstacle | None:
        """Why the mode cannot work in this cluster; None: no reason is known."""

    def node_needs(self, effective: EffectiveSpec, cluster: ClusterFacts) -> NodeNeeds | None:
        """What the mode needs of a node, so that pods avoid nodes that are known to lack it; None: nothing."""

    def container(self, context: PodContext) -> Manifest:
        """The container that serves the Docker API: TLS on the Docker port, and the unix socket."""

    def pod_fields(self, context: PodContext) -> Manifest:
        """Fields of the pod's spec that the mode needs."""

    def volumes(self, context: PodContext) -> list[Manifest]:
        """Volumes that the mode's container mounts, besides the common ones."""

    def client_env(self, effective: EffectiveSpec, node_address: str = "") -> Mapping[str, str]:
        """Environment variables that clients need besides the address.

        Args:
            effective: the effective spec.
            node_address: of the pod's node; empty: unknown.
        """

    def needs_node_cleanup(self, effective: EffectiveSpec) -> bool:
        """Whether clients' objects remain on the node after the pod, and can be found by a label and removed."""

    def hazards(self, effective: EffectiveSpec, engine: EngineStatus | None) -> Sequence[Hazard]:
        """Risks and costs of the mode in this cluster."""

    def explain(self, message: str) -> tuple[Reason, str] | None:
        """The cause of a message of the kubelet or runtime, with the remedy; None: the mode does not know it."""
