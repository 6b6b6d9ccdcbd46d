"""Which containers, volumes and variables belong to a hand-written way to a Docker daemon."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

DIND_IMAGE = re.compile(r"(^|/)docker:([^@]*-)?dind([-@]|$)|(^|[/-])dind([:@]|$)")
RUNNER_WITH_DAEMON = re.compile(r"(^|/)[^/]*runner[^/]*dind[^/]*$")
"""Images of a CI system's runner with a daemon inside, such as `act_runner:latest-dind` of Gitea."""
MAYBE_DIND = re.compile(r"docker|dind|\$[({]|\{\{")
"""Images that are Docker's, or that a parameter names."""
KUBEDOCK_IMAGE = re.compile(r"(^|/)kubedock([:@]|$)")
BUILDKITD_IMAGE = re.compile(r"(^|/)moby/buildkit([:@]|$)|(^|/)buildkit([:@]|$)")
OF_A_DAEMON = re.compile(r"\bdind\b|docker\.sock|\bkubedock\b|moby/buildkit")
"""Tells that a line of a text is of a daemon, although nobody reads the text."""

SOCKETS = frozenset({"/var/run/docker.sock", "/run/docker.sock"})
SOCKET_DIRECTORIES = frozenset({"/var/run", "/run", "/var/run/docker", "/run/docker"})
CLIENT_VARIABLES = frozenset(
    {
        "DOCKER_HOST",
        "DOCKER_TLS",
        "DOCKER_TLS_VERIFY",
        "DOCKER_CERT_PATH",
        "DOCKER_TLS_CERTDIR",
        "TESTCONTAINERS_HOST_OVERRIDE",
    }
)
"""What leads a client to its daemon, and the variable by which the image of dockerd chooses TLS."""
WAITING_PROGRAMS = frozenset({"cat", "sleep", "tail"})
"""What a container runs in which something else executes commands."""
NODE_DIRECTORIES = frozenset({"/var/run", "/run"})
"""Directories of a node that have its Docker socket, among others."""
LOCAL_HOST = re.compile(
    r"^(unix://.*|((tcp|https?)://)?(localhost|127\.0\.0\.1|\[::1\]|0\.0\.0\.0|docker)(:[0-9]+)?/?)?$"
)
"""Values of DOCKER_HOST that lead to a daemon in the pod; `docker` is the alias of GitLab's service."""


class Replaced(StrEnum):
    """What a container is that a NestedDocker replaces."""

    DIND = "dind"
    KUBEDOCK = "kubedock"
    BUILDKIT = "buildkit"


def replaced_kind(container: Mapping[str, Any]) -> Replaced | None:
    """What a container is; None: a container that stays."""
    image = container.get("image")
    if not isinstance(image, str) or runs_jobs_and_daemon(container):
        return None
    if (DIND_IMAGE.search(image) and not _only_waits(container)) or _runs_dockerd(container) or _makes_keys(container):
        return Replaced.DIND
    if KUBEDOCK_IMAGE.search(image):
        return Replaced.KUBEDOCK
    return Replaced.BUILDKIT if BUILDKITD_IMAGE.search(image) and not _runs_buildctl(container) else None


def runs_jobs_and_daemon(container: Mapping[str, Any]) -> bool:
    """A container of a runner that starts a daemon beside the runner."""
    image = container.get("image")
    return isinstance(image, str) and bool(RUNNER_WITH_DAEMON.search(image)) and not container.get("command")


def _only_waits(container: Mapping[str, Any]) -> bool:
    """A container that has the daemon's image for its docker command, as `command: [cat]` of a Jenkins agent."""
    words = [*_texts(container.get("command")), *_texts(container.get("args"))]
    if words[1:2] == ["-c"]:
        words = words[2].split() if words[2:] else []
    return bool(words) and words[0].rpartition("/")[2] in WAITING_PROGRAMS


def _texts(value: Any) -> list[str]:
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []


def _makes_keys(container: Mapping[str, Any]) -> bool:
    """A privileged container of Docker's image, with a digest or a parameter as its tag, and the image's variable."""
    variables = container.get("env")
    names = {each.get("name") for each in variables if isinstance(each, dict)} if isinstance(variables, list) else set()
    own_program = container.get("command") or not all(word.startswith("-") for word in _texts(container.get("args")))
    is_daemon = "DOCKER_TLS_CERTDIR" in names and "DOCKER_HOST" not in names
    return (
        _is_privileged(container) and not own_program and is_daemon and bool(MAYBE_DIND.search(str(container["image"])))
    )


def _runs_buildctl(container: Mapping[str, Any]) -> bool:
    """A client that has the daemon's image, or a build without a daemon that stays: `buildctl-daemonless.sh`."""
    return any(word.rpartition("/")[2].startswith("buildctl") for word in _texts(container.get("command"))[:1])


def _is_privileged(container: Mapping[str, Any]) -> bool:
    context = container.get("securityContext")
    return isinstance(context, dict) and context.get("privileged") is True


def _runs_dockerd(container: Mapping[str, Any]) -> bool:
    """A privileged container whose command is dockerd, from whatever image."""
    command = container.get("command")
    words = command if isinstance(command, list) else []
    return _is_privileged(container) and any(
        isinstance(word, str) and word.rpartition("/")[2].startswith("dockerd") for word in words[:1]
    )


def is_socket_volume(volume: Mapping[str, Any]) -> bool:
    """Whether a volume is the node's Docker socket."""
    return _path_on_node(volume) in SOCKETS


def is_socket_directory(volume: Mapping[str, Any], mount_path: str, docker_host: str) -> bool:
    """Whether a volume is a directory of the node by which a container reaches the node's Docker socket.

    Args:
        volume: of the pod.
        mount_path: where the container has it.
        docker_host: its DOCKER_HOST; empty: it has none, and uses the usual socket.
    """
    at = mount_path.rstrip("/")
    reached = docker_host.startswith(f"unix://{at}/") if docker_host else at in NODE_DIRECTORIES
    return _path_on_node(volume) in NODE_DIRECTORIES and reached


def _path_on_node(volume: Mapping[str, Any]) -> str:
    host_path = volume.get("hostPath")
    path = host_path.get("path") if isinstance(host_path, dict) else None
    return path.rstrip("/") if isinstance(path, str) else ""
