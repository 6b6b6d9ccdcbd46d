"""Whether the engine takes the mirrors of its spec."""

from __future__ import annotations

from nested_docker.api.v1alpha1.engine import EngineSpec
from nested_docker.api.v1alpha1.nested_docker import EngineStatus, Hazard, ImageStore
from nested_docker.domain.registry_mirrors import mirrors_of_image_store
from nested_docker.domain.shown import shorten

FIRST_WITH_MIRRORS = 28
"""First major version of Docker that takes mirrors of every registry, if it has the containerd image store."""


def mirror_hazards(spec: EngineSpec, engine: EngineStatus | None) -> list[Hazard]:
    """The hazard of mirrors that the daemon ignores; empty: it takes all, or has not said which engine it is."""
    ignored = mirrors_of_image_store(spec)
    if engine is None or not ignored:
        return []
    major = engine.version.partition(".")[0]
    too_old = major.isdecimal() and int(major) < FIRST_WITH_MIRRORS
    if not too_old and engine.image_store is not ImageStore.GRAPH_DRIVER:
        return []
    return [
        Hazard(
            type="MirrorsIgnored",
            message=f"Docker {engine.version} with the {engine.storage} takes mirrors of "
            f"docker.io without a path only, and ignores spec.engine.mirrors of {shorten(', '.join(ignored))}.",
            remedy="Use Docker 29 or newer on an empty data-root, or Docker 28 with spec.engine.config: "
            '{"features": {"containerd-snapshotter": true}}.',
        )
    ]
