"""The second node, in a virtual machine: cgroup version 2, systemd's cgroups, AppArmor, a kernel of its own."""

from __future__ import annotations

from typing import Any

from tests.e2e.environment import Environment
from tests.support.cluster import TOOL, run

CLUSTER = "e2e-vm"
NAME = "nested-docker-v2"
OTHER = "nested-docker-node"
TOLERATION = {"key": "nested-docker.test/node", "operator": "Exists"}
RUNTIME_CLASS = "cgroup-v2"
"""Pods with it go to this node: it has the node's label and toleration."""

SLOW = 10
"""How many times longer than on an idle machine something may take: emulation is the first to starve."""

PREFERRED: dict[str, Any] = {
    "nodeAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {
                "weight": 100,
                "preference": {"matchExpressions": [{"key": "nested-docker.test/node", "operator": "Exists"}]},
            }
        ]
    }
}


def on_node(env: Environment, *command: str, timeout: float = 300) -> str:
    """Run a program on this node, as root."""
    return run(str(TOOL), "exec", "--name", env.cluster, "--vm", "--", *command, timeout=timeout)


def machine(env: Environment, action: str, *options: str) -> None:
    """Cut the machine's power (`kill`), or boot it (`start`): with a fresh disk, or with its own (`--keep`)."""
    run(str(TOOL), "vm", "--name", env.cluster, action, *options, timeout=1000)


def node_of(env: Environment, nested_docker: str) -> str:
    """The node of a NestedDocker's pod; empty: it has none."""
    name = env.get("nesteddocker", nested_docker).get("status", {}).get("podName", "")
    return env.get("pod", name).get("spec", {}).get("nodeName", "") if name else ""


def say(measured: object) -> None:
    """Print what a test measures, for `pytest -s`."""
    print(measured)  # noqa: T201
