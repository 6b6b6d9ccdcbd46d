"""Plugins of the docker CLI, as the embedded cluster builds them."""

from __future__ import annotations

from pathlib import Path

from tests.guard.dockerd import HOME


def installed(folder: Path, *names: str) -> dict[str, str]:
    """Variables by which the docker CLI finds plugins and no other configuration.

    Args:
        folder: for the configuration.
        names: of the plugins; the CLI would find some that the machine has, too, and takes these first.
    """
    plugins = folder / "cli-plugins"
    plugins.mkdir(parents=True)
    for name in names:
        program = HOME / "bin" / f"docker-{name}"
        assert program.exists(), f"there is no {program}: run hack/cluster/cluster build"
        (plugins / program.name).symlink_to(program)
    return {"DOCKER_CONFIG": str(folder)}
