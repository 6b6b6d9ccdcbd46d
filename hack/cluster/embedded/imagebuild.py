"""Building images: by a dockerd in the node that lives for one build and that no pod sees.

It and its containerd run in the machine's network, so that steps of a Dockerfile can download what the
machine can. Layers stay in the home between builds and serve all its clusters.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from embedded import images, oci
from embedded.hostdocker import STOP_SECONDS, docker, wait_for
from embedded.layout import Home
from embedded.lifecycle import find
from embedded.locks import locked
from embedded.node import MACHINE_NET
from embedded.node_client import Node
from embedded.report import Clock, ClusterError
from embedded.shell import output

RUN = "/run/nested-docker-builder"
SOCKET = f"{RUN}/docker.sock"
BASES = ("busybox", "docker", "python")
_CONTAINERD, _DOCKERD = "builder-containerd", "builder-dockerd"


@dataclass(frozen=True)
class Order:
    """What to build: a context folder, the image's name, the Dockerfile if elsewhere, KEY=VALUE arguments."""

    context: Path
    tag: str
    dockerfile: Path | None = None
    arguments: tuple[str, ...] = ()


def build(running: Node, order: Order, clock: Clock) -> Path:
    """Build an image and import it into the node.

    Returns:
        Its archive, which `cluster load` takes to other clusters.

    Raises:
        ClusterError: The context or Dockerfile is missing, or the build failed.
    """
    dockerfile = order.dockerfile or order.context / "Dockerfile"
    for path in (order.context, dockerfile):
        if not path.exists():
            raise ClusterError(f"{path} doesn't exist; name the context folder, and the Dockerfile with -f")
    archive = running.cluster.home.built / f"{file_name(order.tag)}.tar"
    archive.parent.mkdir(parents=True, exist_ok=True)
    with _builder(running, clock):
        _load_bases(running, clock)
        arguments = [word for argument in order.arguments for word in ("--build-arg", argument)]
        done = subprocess.run(
            docker(
                running,
                SOCKET,
                *("build", "--network", "host", "--tag", order.tag, *arguments),
                *("--file", str(dockerfile.absolute()), str(order.context.absolute())),
            ),
            env={**os.environ, "DOCKER_BUILDKIT": "0"},  # BuildKit would need a buildx and a bridge
            stdout=sys.stderr,
            check=False,
        )
        if done.returncode:
            raise ClusterError(f"building {order.tag} from {dockerfile} failed; its output is above")
        clock.say(f"built {order.tag}")
        partial = archive.with_suffix(".partial")
        with partial.open("wb") as target:
            subprocess.run(docker(running, SOCKET, "save", order.tag), stdout=target, check=True)
        partial.replace(archive)
    for name in images.load(running, archive):
        clock.say("imported", name)
    return archive


def file_name(tag: str) -> str:
    """A tag as a file's name: what isn't a letter, digit, dot or hyphen becomes an underscore."""
    return re.sub(r"[^A-Za-z0-9.-]", "_", tag)


def containerd_config(store: Path) -> str:
    """Configuration of the builder's containerd, which the kubelet has no part in."""
    return f"""\
version = 3
root = "{store / "containerd"}"
state = "{RUN}/containerd"
disabled_plugins = ["io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri"]

[grpc]
  address = "{RUN}/containerd.sock"
"""


def dockerd_config(store: Path, cgroup: str) -> dict[str, object]:
    """Configuration of the builder's dockerd: no bridge and no firewall rules, as its network is the machine's."""
    return {
        "hosts": [f"unix://{SOCKET}"],
        "data-root": str(store / "docker"),
        "exec-root": f"{RUN}/exec",
        "pidfile": f"{RUN}/docker.pid",
        "containerd": f"{RUN}/containerd.sock",
        "cgroup-parent": f"{cgroup}/builder",
        "bridge": "none",
        "ip-forward": False,
        "ip-masq": False,
        "iptables": False,
    }


@contextmanager
def _builder(running: Node, clock: Clock) -> Iterator[None]:
    """A dockerd for the block; one at a time in a home, as they share its store."""
    cluster = running.cluster
    store = _store(cluster.home)
    store.mkdir(parents=True, exist_ok=True)
    (cluster.conf / "builder-containerd.toml").write_text(containerd_config(store))
    (cluster.conf / "builder-dockerd.json").write_text(json.dumps(dockerd_config(store, cluster.cgroup)))
    with locked(store / "lock", clock.say):
        _stop_leftovers(cluster.home)
        outside = ["nsenter", f"--net={MACHINE_NET}"]
        programs = {
            _CONTAINERD: ["containerd", "--config", f"{cluster.conf}/builder-containerd.toml"],
            _DOCKERD: ["dockerd", "--config-file", f"{cluster.conf}/builder-dockerd.json"],
        }
        started: list[str] = []
        try:
            for name, argv in programs.items():
                running.ask("start", name, argv=[*outside, *argv])
                started.append(name)
            wait_for(running, SOCKET, _DOCKERD)
            clock.say("builder ready")
            yield
        finally:
            for name in reversed(started):
                running.ask("stop", name, patience=STOP_SECONDS)


def _stop_leftovers(home: Home) -> None:
    """End builders of commands that were killed, in whichever cluster, as they hold the store."""
    for name in home.clusters():
        running = find(home, name)
        if running is None:
            continue
        for component in running.ask("status"):
            if component.name in (_DOCKERD, _CONTAINERD):
                running.ask("stop", component.name, patience=STOP_SECONDS)


def _load_bases(running: Node, clock: Clock) -> None:
    """Give the builder the images of the home that Dockerfiles start from."""
    record = _store(running.cluster.home) / "docker" / "nested-docker-loaded.json"
    loaded: dict[str, str] = json.loads(record.read_text()) if record.exists() else {}
    for base in BASES:
        archive = running.cluster.home.images / f"{base}.tar"
        version = oci.identity(archive)
        if loaded.get(base) != version:
            with archive.open("rb") as content:
                output(docker(running, SOCKET, "load", "--quiet"), stdin=content)
            loaded[base] = version
            record.write_text(json.dumps(loaded))
            clock.say("builder has", *oci.tags_of(archive))


def _store(home: Home) -> Path:
    return home.path / "builder"
