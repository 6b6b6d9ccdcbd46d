"""What the daemon has."""

from __future__ import annotations

from tests.guard.dockerd import Dockerd


def inventory(dockerd: Dockerd) -> dict[str, set[str]]:
    """IDs and names of all objects of the daemon."""
    return {
        kind: set(dockerd.docker(*command).split())
        for kind, command in {
            "containers": ("ps", "-aq", "--no-trunc"),
            "networks": ("network", "ls", "-q", "--no-trunc"),
            "volumes": ("volume", "ls", "-q"),
            "images": ("images", "-q", "--no-trunc"),
        }.items()
    }
