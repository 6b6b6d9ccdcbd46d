"""Where the demo's cluster comes from: kind where it can be had, else the embedded one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAME = "nested-docker-demo"
IMAGE = "nested-docker-operator:dev"


@dataclass(frozen=True)
class Cluster:
    """A running cluster.

    Attributes:
        title: what it is, for people.
        kubectl: the kubectl to use.
        kubeconfig: path of its kubeconfig.
        node_docker: command that runs the docker client against the node's own daemon.
        socket_gid: group of the node's Docker socket.
    """

    title: str
    kubectl: str
    kubeconfig: str
    node_docker: tuple[str, ...]
    socket_gid: int

    def environment(self) -> dict[str, str]:
        """Environment for kubectl and helm."""
        return {**os.environ, "KUBECONFIG": self.kubeconfig}


def provide() -> Cluster:
    """Start a cluster with the operator's image in it.

    `CLUSTER` chooses `kind` or `embedded`; `auto`, the default, takes kind if docker, kind and a
    registry answer.

    Raises:
        SystemExit: the cluster cannot be had; the message says why.
    """
    wanted = os.environ.get("CLUSTER", "auto")
    providers: Mapping[str, Provider] = {"kind": _kind, "embedded": _embedded}
    if wanted == "auto":
        wanted = "kind" if _kind_can_be_had() else "embedded"
    if wanted not in providers:
        raise SystemExit(f"CLUSTER={wanted}: choose auto, kind or embedded")
    return providers[wanted]()


def _kind_can_be_had() -> bool:
    if not (shutil.which("docker") and shutil.which("kind") and shutil.which("kubectl")):
        return False
    return _quietly("docker", "info") and _quietly("docker", "pull", "--quiet", "busybox:1.37")


def _quietly(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def _kind() -> Cluster:
    kubeconfig = str(ROOT / "build" / "kind.kubeconfig")
    Path(kubeconfig).parent.mkdir(exist_ok=True)
    existing = subprocess.run(["kind", "get", "clusters"], capture_output=True, text=True, check=True).stdout.split()
    if NAME not in existing:
        _run("kind", "create", "cluster", "--name", NAME, "--config", str(ROOT / "kind-config.yaml"))
    _run("kind", "export", "kubeconfig", "--name", NAME, "--kubeconfig", kubeconfig)
    _run(str(ROOT / "hack/image.sh"), IMAGE, env={**os.environ, "BUILDER": "docker"})
    _run("kind", "load", "docker-image", IMAGE, "--name", NAME)
    gid = Path("/var/run/docker.sock").stat().st_gid
    return Cluster("kind", str(shutil.which("kubectl")), kubeconfig, ("docker",), gid)


def _embedded() -> Cluster:
    tool = str(ROOT / "hack/cluster/cluster")
    kubeconfig = _run(tool, "up", "--name", "demo", "--docker").strip()
    _run(str(ROOT / "hack/image.sh"), IMAGE)
    _run(tool, "load", "--name", "demo", _run(tool, "image", "path", IMAGE).strip())
    inside = (tool, "exec", "--name", "demo", "--")
    gid = int(_run(*inside, "stat", "-c", "%g", "/run/docker.sock"))
    kubectl = Path.home() / ".cache/nested-docker/cluster/bin/kubectl"
    return Cluster("the embedded cluster", str(kubectl), kubeconfig, (*inside, "docker"), gid)


def _run(*command: str, env: Mapping[str, str] | None = None) -> str:
    """Run a command, its progress on our stderr; its standard output is returned."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=env, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with status {done.returncode}")
    return done.stdout


from collections.abc import Callable  # noqa: E402

Provider = Callable[[], Cluster]
