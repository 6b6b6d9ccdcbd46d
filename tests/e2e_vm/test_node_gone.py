"""A node that is drained, and one whose power fails: who says so, and what is left."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.e2e.environment import Environment, until
from tests.e2e_vm.node import NAME, OTHER, PREFERRED, SLOW, TOLERATION, machine, node_of, say

UNREACHABLE = {
    "key": "node.kubernetes.io/unreachable",
    "operator": "Exists",
    "effect": "NoExecute",
    "tolerationSeconds": 5,
}
"""Otherwise Kubernetes waits for five minutes before it deletes pods of a node that does not respond."""


def pods_on(env: Environment, node: str) -> list[dict[str, Any]]:
    """Pods of the namespace on a node."""
    return [pod for pod in env.list("pods") if pod["spec"].get("nodeName") == node]


@pytest.fixture(scope="module")
def daemons(shared: Environment) -> Environment:
    """`bound` can only run on the node, `free` prefers it and has a claim."""
    shared.volume("free")
    shared.nested_docker("bound", className="v2", scheduling={"tolerations": [UNREACHABLE]})
    shared.ready("bound", timeout=90 * SLOW)
    shared.nested_docker(
        "free",
        className="anywhere",
        scheduling={"tolerations": [TOLERATION, UNREACHABLE], "affinity": PREFERRED},
        storage={"type": "Claim", "claim": {"size": "1Gi", "storageClassName": shared.namespace}},
    )
    shared.ready("free", timeout=90 * SLOW)
    assert [node_of(shared, name) for name in ("bound", "free")] == [NAME, NAME]
    return shared


def test_a_drained_node_s_daemons_move_or_say_why_not(daemons: Environment) -> None:
    started = time.monotonic()
    daemons.kubectl("drain", NAME, "--delete-emptydir-data", "--ignore-daemonsets", "--timeout=300s", timeout=330)
    message = daemons.settles("bound", "Unschedulable", timeout=90 * SLOW)
    assert "node(s) were unschedulable" in message
    until(lambda: node_of(daemons, "free") == OTHER, 30 * SLOW, lambda: daemons.kubectl("describe", "nd", "free"))
    daemons.ready("free", timeout=90 * SLOW)
    say(f"drained, and replaced on the other node, after {time.monotonic() - started:.1f} s")
    for name in ("bound", "free"):
        lost = daemons.get("nd", name)["status"]["replacement"]
        assert lost["cause"] == "PodDeleted", lost
    daemons.kubectl("uncordon", NAME)
    daemons.ready("bound", timeout=60 * SLOW)
    assert node_of(daemons, "bound") == NAME


def test_a_node_whose_power_fails_is_reported_and_replaced(daemons: Environment) -> None:
    daemons.kubectl("cordon", OTHER)
    daemons.kubectl("annotate", "nd", "free", "nesteddocker.dev/restart=1", "--overwrite")
    until(lambda: node_of(daemons, "free") == NAME, 60 * SLOW, lambda: daemons.kubectl("describe", "nd", "free"))
    daemons.ready("free", timeout=60 * SLOW)
    daemons.kubectl("uncordon", OTHER)

    machine(daemons, "kill")
    killed = time.monotonic()

    def after() -> str:
        return f"{time.monotonic() - killed:.1f} s after the power failed"

    names = ("bound", "free")
    for name in names:
        assert f"node {NAME} is not ready" in daemons.settles(name, "NodeNotReady", timeout=60 * SLOW)
    say(f"NodeNotReady {after()}")
    for name in names:
        until(lambda name=name: daemons.get("secret", f"{name}-docker") == {}, 60 * SLOW, lambda: "the Secret is there")
    say(f"no Secrets {after()}")
    until(
        lambda: all(pod["metadata"].get("deletionTimestamp") for pod in pods_on(daemons, NAME)),
        120 * SLOW,
        lambda: daemons.kubectl("get", "pods", "-o", "wide"),
    )
    say(f"pods are being deleted {after()}: {[daemons.condition(name) for name in names]}")
    time.sleep(5)
    say(f"{after()}: {[daemons.condition(name) for name in names]}")

    daemons.kubectl("delete", "node", NAME)
    deleted = time.monotonic()
    daemons.ready("free", timeout=120 * SLOW)
    assert node_of(daemons, "free") == OTHER
    say(f"replaced {time.monotonic() - deleted:.1f} s after the Node was deleted")
    daemons.settles("bound", "Unschedulable", timeout=60 * SLOW)

    # the claim stays: whenDeleted is Retain
    daemons.kubectl("delete", "nd", *names, "--timeout=300s", timeout=330)
    until(
        lambda: daemons.list("pods,secrets,services,networkpolicies", "nesteddocker.dev/name") == [],
        60 * SLOW,
        lambda: daemons.kubectl("get", "pods,secrets,services,networkpolicies"),
    )
