"""The node's own Docker daemon, and what it has."""

from __future__ import annotations

from tests.e2e.environment import Environment

NODE_DOCKER = ("docker", "-H", "unix:///run/docker.sock")


def inventory(env: Environment, *, images: bool = True) -> list[str]:
    """All that the node's daemon has."""
    listed = "docker ps -aq; docker network ls --format {{.Name}}; docker volume ls -q" + "; docker images -q" * images
    return sorted(env.node("env", "DOCKER_HOST=unix:///run/docker.sock", "sh", "-c", listed).split())


def guarded_containers(env: Environment) -> str:
    """Containers that were made through any guard."""
    return env.node(*NODE_DOCKER, "ps", "-aq", "--filter", "label=nesteddocker.dev/uid")
