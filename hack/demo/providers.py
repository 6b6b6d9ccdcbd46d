"""Provides the demo's cluster: kind if it is available, else the embedded cluster."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOOL = str(ROOT / "hack/cluster/cluster")
HOME = Path(os.environ.get("NESTED_DOCKER_CLUSTER_HOME", Path.home() / ".cache/nested-docker/cluster"))
NAME = "demo"
OWNER = "make"
"""Owner of the embedded clusters that the demo and the tests start: `make down` ends those of this owner."""

KIND_NAME = f"nested-docker-{NAME}"
KIND_KUBECONFIG = ROOT / "build/kind.kubeconfig"
IMAGE = "nested-docker-operator:dev"


@dataclass(frozen=True)
class Cluster:
    """A running cluster with the operator's image in it.

    Attributes:
        title: `kind` or `embedded`.
        kubectl: the kubectl to use.
        helm: the helm to use.
        kubeconfig: path of its kubeconfig.
        node_docker: command that runs the docker client against the node's daemon.
        socket_gid: group of the node's Docker socket.
    """

    title: str
    kubectl: str
    helm: str
    kubeconfig: str
    node_docker: tuple[str, ...]
    socket_gid: int


def provide() -> Cluster:
    """Start a cluster with the operator's image in it.

    The variable `CLUSTER` selects `kind` or `embedded`; `auto`, the default, selects kind if Docker, kind and a
    registry are available.

    Raises:
        SystemExit: the cluster cannot be started; the message says why.
    """
    provider = os.environ.get("CLUSTER", "auto")
    providers: dict[str, Callable[[], Cluster]] = {"kind": _kind, "embedded": _embedded}
    if provider == "auto":
        provider = "kind" if _kind_is_available() else "embedded"
    if provider not in providers:
        raise SystemExit(f"CLUSTER={provider}: choose auto, kind or embedded")
    return providers[provider]()


def end() -> None:
    """End the clusters that the demo and the tests started, embedded and kind; others stay.

    Raises:
        SystemExit: a cluster could not be ended.
    """
    if (HOME / "clusters").is_dir():
        _run(TOOL, "down", "--owner", OWNER)
    if shutil.which("kind") and _kind_is_up():
        _run("kind", "delete", "cluster", "--name", KIND_NAME, "--kubeconfig", str(KIND_KUBECONFIG))


def _kind_is_available() -> bool:
    tools = all(shutil.which(tool) for tool in ("docker", "kind", "kubectl", "helm"))
    return tools and _succeeds("docker", "info") and _succeeds("docker", "pull", "--quiet", "busybox:1.37")


def _succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _kind() -> Cluster:
    KIND_KUBECONFIG.parent.mkdir(exist_ok=True)
    if not _kind_is_up():
        _run("kind", "create", "cluster", "--name", KIND_NAME, "--config", str(ROOT / "kind-config.yaml"))
    _run("kind", "export", "kubeconfig", "--name", KIND_NAME, "--kubeconfig", str(KIND_KUBECONFIG))
    _run(str(ROOT / "hack/image.sh"), IMAGE, env={**os.environ, "BUILDER": "docker"})
    _run("kind", "load", "docker-image", IMAGE, "--name", KIND_NAME)
    gid = Path("/var/run/docker.sock").stat().st_gid
    return Cluster("kind", "kubectl", "helm", str(KIND_KUBECONFIG), ("docker",), gid)


def _kind_is_up() -> bool:
    """Whether the demo's kind cluster exists; without Docker it cannot."""
    listed = subprocess.run(["kind", "get", "clusters"], capture_output=True, text=True, check=False)
    return listed.returncode == 0 and KIND_NAME in listed.stdout.split()


def _embedded() -> Cluster:
    kubeconfig = _run(TOOL, "up", "--name", NAME, "--docker", "--owner", OWNER).strip()
    archive = _run(str(ROOT / "hack/image.sh"), IMAGE).split()[-1]
    _run(TOOL, "load", "--name", NAME, archive)
    inside = (TOOL, "exec", "--name", NAME, "--")
    gid = int(_run(*inside, "stat", "-c", "%g", "/run/docker.sock"))
    programs = HOME / "bin"
    docker = (*inside, "docker", "-H", "unix:///run/docker.sock")
    return Cluster("embedded", str(programs / "kubectl"), str(programs / "helm"), kubeconfig, docker, gid)


def _run(*command: str, env: Mapping[str, str] | None = None) -> str:
    """Run a command, with its stderr on ours; its standard output."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=env, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with status {done.returncode}; its output is above")
    return done.stdout
