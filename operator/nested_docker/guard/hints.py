"""Remedies in the messages that users of well-known clients get."""

from __future__ import annotations

BUILDKIT_HINT = (
    "the guard cannot inspect BuildKit's tunnels: set DOCKER_BUILDKIT=0 for the classic builder, or use mode Dind or "
    "Sysbox for buildx"
)

BUILDKIT_IMAGE = "moby/buildkit:*"
"""Image of the privileged builder that buildx starts if the daemon's builder is not available."""

RYUK_HINT = (
    "for testcontainers set TESTCONTAINERS_RYUK_DISABLED=true: Ryuk needs the daemon's own socket, and what tests "
    "leave behind is removed with the NestedDocker"
)

RYUK_IMAGE = "testcontainers/ryuk:*"
"""Image that testcontainers starts to clean up after tests."""

DAEMON_SOCKET_NAMES = frozenset({"docker.sock", "podman.sock"})
"""Names of the files that clients bind-mount to reach the daemon from a container."""
