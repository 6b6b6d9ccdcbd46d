"""Talking to a node's supervisor from outside, and running programs inside the node."""

import json
import os
import signal
import socket
import struct
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embedded.layout import Cluster
from embedded.report import ClusterError
from embedded.supervisor import socket_address

REQUEST_SECONDS = 30.0


@dataclass(frozen=True)
class Component:
    """A component as the supervisor sees it; `ended` is empty as long as it runs."""

    name: str
    pid: int
    ended: str


class Node:
    """A node that is up."""

    def __init__(self, cluster: Cluster, pid: int) -> None:
        self.cluster = cluster
        self.pid = pid

    @classmethod
    def find(cls, cluster: Cluster) -> "Node | None":
        """The cluster's node, or None if it is down."""
        connection = _connect(cluster.state / "control.sock")
        if connection is None:
            return None
        with connection:
            return cls(cluster, _listener(connection))

    def ask(self, verb: str, name: str = "", **details: Any) -> list[Component]:
        """Make a request to the supervisor.

        Returns:
            All components, after the request.

        Raises:
            ClusterError: It refused, or has ended.
        """
        connection = _connect(self.cluster.state / "control.sock")
        if connection is None:
            raise ClusterError(f"the node has ended; see {self.cluster.logs / 'node.log'}")
        with connection, connection.makefile("r") as lines:
            connection.sendall(json.dumps({"verb": verb, "name": name, **details}).encode() + b"\n")
            reply = json.loads(lines.readline() or '{"error": "it ended before it replied"}')
        if "error" in reply:
            raise ClusterError(f"node: {verb} {name}: {reply['error']}".rstrip())
        return [
            Component(component, known["pid"], known["ended"])
            for component, known in sorted(reply["components"].items())
        ]

    def ended(self) -> list[Component]:
        """Components that ended by themselves."""
        return [component for component in self.ask("status") if component.ended]

    def enter(self, argv: list[str], *, network: bool = True) -> list[str]:
        """The command line that runs a program inside the node, with the node's PATH and containerd.

        Args:
            argv: The program and its arguments, with paths as the node sees them.
            network: False keeps the machine's network for the program.
        """
        flags = ["--mount", "--pid", "--ipc", "--uts", *(["--net"] if network else [])]
        environment = [f"{name}={value}" for name, value in environment_inside(self.cluster).items()]
        return ["nsenter", "--target", str(self.pid), *flags, "env", *environment, *argv]

    def end(self, patience: float = 20.0) -> bool:
        """End the node and all in it; True if it went by itself, False if it had to be killed."""
        os.kill(self.pid, signal.SIGTERM)
        if _gone(self.pid, patience):
            return True
        os.kill(self.pid, signal.SIGKILL)
        if not _gone(self.pid, patience):
            raise ClusterError(f"the node's first process, pid {self.pid}, survives SIGKILL; see `ps {self.pid}`")
        return False


def environment_inside(cluster: Cluster) -> dict[str, str]:
    """Variables for programs inside the node."""
    return {
        "PATH": f"{cluster.home.bin}:{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin",
        "CONTAINERD_NAMESPACE": "k8s.io",
        "KUBECONFIG": str(cluster.kubeconfig),
    }


def _connect(path: Path) -> socket.socket | None:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(REQUEST_SECONDS)
    try:
        with socket_address(path) as address:
            connection.connect(address)
    except (FileNotFoundError, ConnectionRefusedError):  # a file that outlived its process goes at the next start
        connection.close()
        return None
    return connection


def _listener(connection: socket.socket) -> int:
    """The pid, as seen here, of the process that listens: the kernel noted it when it began to."""
    size = struct.calcsize("3i")
    pid, _, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return int(pid)


def _gone(pid: int, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while Path(f"/proc/{pid}").exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
