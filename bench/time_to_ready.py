"""From `kubectl apply` to Ready in each mode, and how many of all starts become Ready.

    .venv/bin/python bench/time_to_ready.py [ROUNDS] [--vm] [MODE ...]

Without MODE all modes; with some, only these and Dind. The operator runs in the cluster, as users install it. The modes
take turns, so that changes in the machine's load affect all of them; a ratio is against mode Dind on the same node.
With --vm also on the node with cgroup v2, which is emulated. `Sysbox` is the embedded cluster's stand-in, without the
real one's cost. Exit code 1: a start failed.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lab import NAME, spread
from tests.e2e.environment import API, RULES, Environment
from tests.e2e.installation import govern, install, started
from tests.support.cluster import TOOL, CommandFailed, run
from tests.support.manifests import GENEROUS

from nested_docker.api.meta import Mode

TIMEOUT = 300
SOCKET = "/var/run/docker.sock"
V2 = {"runtimeClassName": "cgroup-v2"}
UNCONFINED = [{"mode": "UserNamespace", "seccompProfile": {"type": "Unconfined"}}]

ROOTLESS = [{"mode": "Rootless", "seccompProfile": {"type": "Unconfined"}, "appArmorProfile": {"type": "Unconfined"}}]


@dataclass
class Contender:
    """A mode on a node.

    Attributes:
        node: for people.
        mode: as in the API.
        class_spec: what the class has beside `modes`.
        seconds: of each start that became Ready.
    """

    node: str
    mode: str
    class_spec: dict[str, Any] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)

    @property
    def class_name(self) -> str:
        """A name for its class."""
        return f"{self.node}-{self.mode}".lower()


def contenders(gid: int, *, vm: bool) -> Iterator[Contender]:
    """Mode Dind of each node is the first of that node."""
    yield Contender("v1", "Dind")
    yield Contender("v1", "HostSocket", {"hostSocket": {"path": SOCKET, "gid": gid}})
    yield Contender("v1", "Sysbox")
    if vm:
        yield Contender("v2", "Dind", V2)
        yield Contender("v2", "UserNamespace", {"runtimeClassName": "writable-cgroups", "securityModules": UNCONFINED})
        yield Contender("v2", "Rootless", {"runtimeClassName": "tun", "securityModules": ROOTLESS})


def manifests(all_of_them: list[Contender]) -> Iterator[dict[str, Any]]:
    """A class for each, and a policy that grants them."""
    for each in all_of_them:
        yield API | {
            "kind": "NestedDockerClass",
            "metadata": {"name": each.class_name},
            "spec": {"modes": [each.mode]} | each.class_spec,
        }
    terms: dict[str, Any] = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "default"}},
        "allowedClasses": [each.class_name for each in all_of_them],
        "allowedModes": sorted({each.mode for each in all_of_them}),
        **GENEROUS,
    }
    if "HostSocket" in terms["allowedModes"]:
        terms["hostSocket"] = {"guard": RULES, "paths": [SOCKET]}
    yield API | {"kind": "NestedDockerPolicy", "metadata": {"name": "bench"}, "spec": terms}


def seconds_to_ready(env: Environment, each: Contender) -> float | None:
    """Start one and delete it; None: it did not become Ready."""
    began = time.monotonic()
    env.nested_docker("build", className=each.class_name)
    try:
        env.ready("build", timeout=TIMEOUT)
        return time.monotonic() - began
    except CommandFailed as failure:
        print(failure, file=sys.stderr)
        return None
    finally:
        env.kubectl("delete", "nd", "build", "--timeout=120s", timeout=150)


def main(rounds: int, modes: set[str], *, vm: bool) -> int:
    """Measure and print."""
    env = started(NAME, "--docker", *(["--vm"] if vm else []))
    try:
        install(env)
        gid = int(env.node("stat", "-c", "%g", "/run/docker.sock"))
        found = [each for each in contenders(gid, vm=vm) if not modes or each.mode in {"Dind", *modes}]
        govern(env, *manifests(found))
        for number in range(rounds + 1):
            for each in found:
                seconds = seconds_to_ready(env, each)
                if number and seconds is not None:  # the first round warms the node
                    each.seconds.append(seconds)
    finally:
        run(str(TOOL), "down", "--name", NAME, timeout=120)
    show(found, rounds)
    return 0 if all(len(each.seconds) == rounds for each in found) else 1


def show(found: list[Contender], rounds: int) -> None:
    """Print a line for each."""
    print(f"{rounds} rounds, from apply to Ready, median [min-max]")
    for each in found:
        base = next(other for other in found if (other.node, other.mode) == (each.node, "Dind"))
        ready = f"{len(each.seconds)} of {rounds} Ready"
        if not (each.seconds and base.seconds):
            print(f"{each.node} {each.mode:14} {ready}")
            continue
        ratio = statistics.median(each.seconds) / statistics.median(base.seconds)
        print(f"{each.node} {each.mode:14} {ready}, {spread(each.seconds)}, ratio to Dind {ratio:.2f}")


if __name__ == "__main__":
    numbers = [int(each) for each in sys.argv[1:] if each.isdigit()]
    sys.exit(main(numbers[0] if numbers else 20, {*sys.argv[1:]} & {*Mode}, vm="--vm" in sys.argv))
