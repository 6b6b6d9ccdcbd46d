"""A node that is drained, and one whose power fails: who says so, what is left, and what comes back with its disk."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from tests.e2e.environment import API, RULES, SYSTEM, Environment, until
from tests.e2e_vm.node import (
    CLUSTER,
    NAME,
    OTHER,
    PREFERRED,
    RUNTIME_CLASS,
    SLOW,
    TOLERATION,
    machine,
    node_of,
    on_node,
    say,
)
from tests.support.cluster import ROOT, TOOL, run
from tests.support.manifests import GENEROUS

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


def settle(env: Environment, reason: str, *names: str) -> list[str]:
    """Wait until each NestedDocker has once been not ready for that reason; their messages.

    All are looked at together: the reason of one may have passed before another one has it.
    """
    seen: dict[str, str] = {}
    latest: dict[str, Any] = {}

    def all_seen() -> bool:
        for each in env.list("nesteddockers"):
            conditions = each.get("status", {}).get("conditions", [])
            latest[each["metadata"]["name"]] = ready = next((one for one in conditions if one["type"] == "Ready"), {})
            if ready.get("reason") == reason:
                seen[each["metadata"]["name"]] = ready["message"]
        return {*names} <= {*seen}

    until(all_seen, 60 * SLOW, lambda: f"{latest} instead of {reason}")
    return [seen[name] for name in names]


SOCKET = "/var/run/docker.sock"

SIBLINGS = """
docker run -d --name again --restart always -v kept:/data busybox sleep 36000
docker run -d --name once busybox sleep 36000
"""
"""One container that the node's dockerd starts again, with a volume, and one that it does not."""

MADE = ["again", "kept", "once"]


@dataclass(frozen=True)
class Siblings:
    """What clients of a guarded socket make on the node.

    Attributes:
        env: the namespace.
        name: of the NestedDocker.
    """

    env: Environment
    name: str

    def make(self) -> None:
        """Have the NestedDocker and its client made, and the client make MADE, which is on the disk then."""
        env = self.env
        env.nested_docker(self.name, className="siblings", scheduling={"tolerations": [UNREACHABLE]})
        env.client(f"{self.name}-client", self.name, SIBLINGS, nodeSelector={"kubernetes.io/hostname": OTHER})
        env.ready(self.name, timeout=60 * SLOW)
        env.output(f"{self.name}-client", timeout=60 * SLOW)
        assert self.left() == MADE
        on_node(env, "sync")

    def left(self) -> list[str]:
        """Names of what there is on the node."""
        listed = "docker ps -a --format {{.Names}}; docker volume ls -q"
        return sorted(on_node(self.env, "sh", "-c", listed).split())

    def running(self) -> list[str]:
        """Names of the containers that run on the node."""
        return on_node(self.env, "docker", "ps", "--format", "{{.Names}}").split()

    def waits(self, since: float, *words: str) -> None:
        """Delete it; it waits, for a reason with these words."""
        self.env.kubectl("delete", "nd", self.name, "--wait=false")
        message = ""

        def told() -> bool:
            nonlocal message
            message = self.env.condition(self.name, "Provisioned").get("message", "")
            return all(word in message for word in words)

        until(told, 60 * SLOW, lambda: f"{self.env.condition(self.name, 'Provisioned')} instead of {words}")
        say(f"{time.monotonic() - since:.1f} s after the power failed: {message}")
        assert self.env.condition(self.name, "Provisioned")["reason"] == "CleaningUp"

    def gone(self, since: float) -> None:
        """Wait for its end."""
        self.env.kubectl("wait", "--for=delete", f"nd/{self.name}", "--timeout=600s", timeout=630)
        say(f"{self.name} is gone after {time.monotonic() - since:.1f} s")

    def note(self, reason: str) -> str:
        """The note of an Event about it or its pod."""
        found = [
            each["note"]
            for each in self.env.list("events.events.k8s.io")
            if each["reason"] == reason and self.name in each["regarding"]["name"]
        ]
        assert found, (reason, self.env.kubectl("get", "events"))
        return found[0]


def remedy(**values: str) -> dict[str, Any]:
    """The pod of docs/guard.md that removes what is left, with these values in it."""
    page = (ROOT / "docs/guard.md").read_text()
    (text,) = re.findall(r"```yaml\n(apiVersion: v1\nkind: Pod\n.*?)```", page, re.DOTALL)
    for word, value in values.items():
        assert text.count(word) == 1, word
        text = text.replace(word, value)
    return dict(yaml.safe_load(text))


@pytest.fixture(scope="module")
def guarded(shared: Environment) -> Environment:
    """The namespace, where the node's dockerd is offered with a guard."""
    run(str(TOOL), "docker", "--name", CLUSTER, "start", "--vm", timeout=600)
    gid = int(on_node(shared, "stat", "-Lc", "%g", SOCKET))
    spec = {"modes": ["HostSocket"], "runtimeClassName": RUNTIME_CLASS, "hostSocket": {"path": SOCKET, "gid": gid}}
    terms = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": shared.namespace}},
        "allowedClasses": ["siblings"],
        "allowedModes": ["HostSocket"],
        "hostSocket": {"guard": RULES},
        **GENEROUS,
    }
    shared.apply(
        API | {"kind": "NestedDockerClass", "metadata": {"name": "siblings"}, "spec": spec},
        API | {"kind": "NestedDockerPolicy", "metadata": {"name": "siblings"}, "spec": terms},
    )
    return shared


def test_a_machine_that_comes_back_with_its_disk_is_cleaned(guarded: Environment) -> None:
    siblings = Siblings(guarded, "returning")
    siblings.make()
    machine(guarded, "kill")
    killed = time.monotonic()
    siblings.waits(killed, f"node {NAME}")
    machine(guarded, "start", "--keep")
    siblings.gone(killed)
    assert f"node {NAME} is clean: removed 2 containers, 1 volume" in siblings.note("CleanedUp")
    assert siblings.left() == []


@pytest.fixture(scope="module")
def siblings(guarded: Environment) -> Siblings:
    """What a guarded client has made on the node before its power fails."""
    made = Siblings(guarded, "siblings")
    made.make()
    return made


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


def test_a_node_whose_power_fails_is_reported_and_replaced(daemons: Environment, siblings: Siblings) -> None:
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
    for message in settle(daemons, "NodeNotReady", *names, siblings.name):
        assert f"node {NAME} is not ready" in message
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

    siblings.waits(killed, f"node {NAME} is not ready", "delete its Node object")
    daemons.kubectl("delete", "node", NAME)
    deleted = time.monotonic()
    siblings.gone(deleted)
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
    assert Environment(daemons.kubeconfig, f"{SYSTEM}-cleanup").list("pods", "nesteddocker.dev/name") == []


def test_what_comes_back_after_the_node_was_deleted_stays_until_an_admin_removes_it(siblings: Siblings) -> None:
    """It follows the test before, in which the power has failed."""
    note = siblings.note("NodeGone")
    assert f"node {NAME} is gone" in note
    machine(siblings.env, "start", "--keep")
    on_node(siblings.env, "systemctl", "start", "docker", timeout=600)  # starts by itself: this waits until it serves
    assert siblings.left() == MADE
    until(lambda: siblings.running() == ["again"], 30 * SLOW, lambda: f"of {MADE} run {siblings.running()}")

    cleanup = Environment(siblings.env.kubeconfig, f"{SYSTEM}-cleanup")
    image = cleanup.kubectl(
        "get", "deployment", "-n", SYSTEM, "-o", "jsonpath={.items[0].spec.template.spec.containers[0].image}"
    )
    cleanup.apply(remedy(NODE=NAME, IMAGE=image, UID=note.split()[-1]))
    assert "removed 2 containers, 1 volume" in cleanup.output("clean", timeout=60 * SLOW)
    cleanup.kubectl("delete", "pod", "clean")
    assert siblings.left() == []
