"""Mode `Dind`: an independent dockerd in a privileged container."""

from __future__ import annotations

from collections.abc import Sequence

from nested_docker.api.meta import Mode
from nested_docker.api.v1alpha1.nested_docker import EngineStatus, Hazard, Isolation
from nested_docker.api.v1alpha1.nested_docker_class import AppArmorProfileType
from nested_docker.domain.effective import EffectiveSpec
from nested_docker.domain.modes.base import Obstacle, PodContext, Privilege
from nested_docker.domain.modes.confinement import IgnoredProfiles, confinement_hazards
from nested_docker.domain.modes.dockerd import OwnDaemon, dockerd_container, engine_hazards, mount_hazard
from nested_docker.domain.modes.mirrors import mirror_hazards
from nested_docker.domain.modes.preflight import node_obstacle
from nested_docker.domain.objects import ClusterFacts, Manifest
from nested_docker.domain.status.reasons import Reason

IGNORED_WHEN_PRIVILEGED = IgnoredProfiles(
    frozenset({AppArmorProfileType.RUNTIME_DEFAULT}),
    "container runtimes apply their default profile to no privileged container",
    "name a profile of the nodes by type Localhost",
)


class Dind(OwnDaemon):
    """Docker in Docker."""

    mode = Mode.DIND
    isolation = Isolation.NONE
    privilege = Privilege.NODE
    sidecar_obstacle = ""

    def obstacle(self, effective: EffectiveSpec, cluster: ClusterFacts) -> Obstacle | None:
        """Every Linux node can run a privileged container, unless admission denies it."""
        return node_obstacle(self.mode, self.node_needs(effective, cluster), cluster)

    def container(self, context: PodContext) -> Manifest:
        """dockerd, privileged, and as root: images for rootless dockerd name another user."""
        return dockerd_container(context) | {"securityContext": {"privileged": True, "runAsUser": 0}}

    def pod_fields(self, context: PodContext) -> Manifest:
        """No further fields."""
        del context
        return {}

    def hazards(self, effective: EffectiveSpec, engine: EngineStatus | None) -> Sequence[Hazard]:
        """Privileged means root on the node; further hazards depend on dockerd's configuration."""
        return [
            Hazard(
                type="Privileged",
                message="The daemon's container is privileged: whoever can start containers through it, or exec "
                "into it, is root on the node, even from a rootless image.",
                remedy="Run such daemons on dedicated nodes, or use mode Sysbox.",
            ),
            mount_hazard(effective),
            *confinement_hazards(effective, IGNORED_WHEN_PRIVILEGED),
            *mirror_hazards(effective.engine, engine),
            *engine_hazards(engine),
        ]

    def explain(self, message: str) -> tuple[Reason, str] | None:
        """Nothing to add."""
        del message
        return None
