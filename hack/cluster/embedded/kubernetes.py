"""Which Kubernetes a cluster runs: the newest that there is a module file for, or an older one by name."""

import os
from pathlib import Path

from embedded.layout import Cluster, Home
from embedded.report import ClusterError

VARIABLE = "NESTED_DOCKER_KUBERNETES"
"""Names an older version, as "1.34"; empty or unset: the newest."""

MODULE = Path(__file__).resolve().parent.parent / "kubenode"
NEWEST = ""


def wanted() -> str:
    """The version that the environment names; NEWEST if it names none.

    Raises:
        ClusterError: There is no module file for it.
    """
    named = os.environ.get(VARIABLE, NEWEST)
    if named not in (NEWEST, *older()):
        raise ClusterError(f"{VARIABLE}={named}: set it to {' or '.join(older())}, or unset it for the newest version")
    return named


def older() -> list[str]:
    """The versions that can be named."""
    return sorted(path.stem for path in MODULE.glob("[0-9]*.mod"))


def module_file(version: str) -> Path:
    """The file that pins what a version is built from."""
    return MODULE / (f"{version}.mod" if version else "go.mod")


def programs(home: Home, version: str) -> Path:
    """The folder of a version's kubenode and kubectl."""
    return home.bin / version


def record(cluster: Cluster, version: str) -> None:
    """Write down what the cluster is started with."""
    _file(cluster).write_text(version)


def recorded(cluster: Cluster) -> str:
    """What the cluster was started with last; NEWEST if it never was."""
    return _file(cluster).read_text() if _file(cluster).exists() else NEWEST


def require(cluster: Cluster, version: str) -> None:
    """Stop before a cluster of another version is taken for one of this.

    Raises:
        ClusterError: It runs, or keeps the objects of, another one.
    """
    if recorded(cluster) != version:
        found, asked = (
            f"Kubernetes {each}" if each else "the newest Kubernetes" for each in (recorded(cluster), version)
        )
        raise ClusterError(
            f"cluster {cluster.name} has {found}, and {VARIABLE} asks for {asked}: "
            f"run `cluster down --name {cluster.name}`, then `cluster up` without --keep"
        )


def _file(cluster: Cluster) -> Path:
    return cluster.state / "kubernetes"
