"""What users of well-known clients are told, whichever way these come."""

from __future__ import annotations

BUILDKIT = (
    "BuildKit's tunnels cannot be looked into: set DOCKER_BUILDKIT=0 for the classic builder, or use mode Dind or "
    "Sysbox for buildx"
)

BUILDKITS_IMAGE = "moby/buildkit:*"
"""What buildx starts as a privileged builder of its own, where the daemon's is not to be had."""

RYUK = (
    "for testcontainers set TESTCONTAINERS_RYUK_DISABLED=true: Ryuk wants the daemon's own socket, and what is left "
    "over goes with the NestedDocker"
)

RYUKS_IMAGE = "testcontainers/ryuk:*"
"""What testcontainers start to tidy up behind them."""

SOCKETS = frozenset({"docker.sock", "podman.sock"})
"""Names of the files that clients bind to have a daemon in a container."""
