"""A hundred guarded NestedDockers, whose guards, pods, operator and dockerd are killed while clients are at work."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Callable, Iterator

import pytest
from tests.e2e.environment import NAME, SYSTEM, Environment, until
from tests.e2e.node_docker import NODE_DOCKER, inventory
from tests.support.cluster import TOOL, CommandFailed, run

ROUNDS = int(os.environ.get("NESTED_DOCKER_CHAOS_ROUNDS", "100"))
AT_ONCE = 10
SEED = int(os.environ.get("NESTED_DOCKER_CHAOS_SEED", str(random.randrange(10**6))))

BUSY = """
cd $(mktemp -d)
printf 'FROM busybox\\nRUN sleep 2\\nRUN echo built > /built\\n' > Dockerfile
for number in 1 2 3; do
    docker network create $HOSTNAME-$number || true
    docker run -d --network $HOSTNAME-$number -v $HOSTNAME-$number:/data busybox sleep 3600 || true
    docker run -d --restart always -v /nameless busybox sleep 3600 || true
    docker build --no-cache --quiet --tag localhost/$HOSTNAME . &
    docker run --rm busybox true || true
    wait
done
sleep 3600
"""
"""A client that makes things of each kind, whatever becomes of its requests."""


@pytest.fixture
def bystanders(env: Environment) -> Iterator[Callable[[], bool]]:
    """Containers of the node's own, with and without names for their volumes; whether they are all still there."""
    run_it = (*NODE_DOCKER, "run", "-d", "--restart", "always")
    made = [
        env.node(*run_it, "-v", volume, "busybox", "sleep", "3600").strip() for volume in ("/data", "bystander:/data")
    ]
    until(lambda: not env.node(*NODE_DOCKER, "ps", "-aq", "--filter", "label=nesteddocker.dev/uid"), 60, lambda: "")
    before = inventory(env, images=False)

    def untouched() -> bool:
        """A build that is cut off leaves layers without a name, as Docker's builds do, and nothing else."""
        labelled = env.node(*NODE_DOCKER, "images", "-q", "--filter", "label=nesteddocker.dev/image-uid")
        running = env.node(*NODE_DOCKER, "ps", "-q", "--no-trunc").split()
        return not labelled and inventory(env, images=False) == before and {*made} <= {*running}

    yield untouched
    env.node(*NODE_DOCKER, "rm", "-f", "-v", *made)
    env.node(*NODE_DOCKER, "volume", "rm", "bystander")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("batch", range(-(-ROUNDS // AT_ONCE)))
def test_whoever_is_killed_nothing_is_left_and_nothing_else_is_touched(
    env: Environment, bystanders: Callable[[], bool], batch: int
) -> None:
    names = [f"b{batch}-{number}" for number in range(AT_ONCE)]
    for name in names:
        agent = {"name": "agent", "image": "docker:29-cli", "command": ["sh", "-c", BUSY]}
        env.nested_docker(name, className="host", workload={"containers": [agent]})
    told = f"seed {SEED}: {_Kills(env, random.Random(SEED + batch)).at_random(names)}"
    until(lambda: _deleted(env), 60, lambda: told)
    until(lambda: not env.list("nd") and not env.list("pods"), 240, lambda: f"{told}\n{_state(env)}")
    assert bystanders(), f"{told}\n{_state(env)}"


def _deleted(env: Environment) -> bool:
    """Delete all of them, as soon as the webhook is there again."""
    try:
        env.kubectl("delete", "nd", "--all", "--wait=false")
    except CommandFailed:
        return False
    return True


class _Kills:
    """Deaths of each kind, spread over a time in which clients are starting and at work."""

    def __init__(self, env: Environment, chance: random.Random) -> None:
        self._env, self._chance = env, chance

    def at_random(self, names: list[str], seconds: float = 12.0) -> str:
        """One death for each of these, and a few for everyone; what was done, for a reader."""
        deaths: list[tuple[float, str, Callable[[], None]]] = []
        for name in names:
            kind = self._chance.choice(("guard", "pod", "pod by force", "deletion", "suspension"))
            deaths.append((self._chance.uniform(0, seconds), kind, self._of_one(kind, name)))
        for kind, act in (("operator", self._operator), ("dockerd", self._dockerd)):
            deaths += [(self._chance.uniform(2, seconds), kind, act) for _ in range(self._chance.randint(0, 2))]
        began = time.monotonic()
        for at, _, act in sorted(deaths, key=lambda death: death[0]):
            time.sleep(max(0.0, began + at - time.monotonic()))
            act()
        kinds = [kind for _, kind, _ in deaths]
        return ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted({*kinds}))

    def _of_one(self, kind: str, name: str) -> Callable[[], None]:
        return {
            "guard": lambda: self._guard(name),
            "pod": lambda: self._pod(name, "--wait=false"),
            "pod by force": lambda: self._pod(name, "--wait=false", "--force", "--grace-period=0"),
            "deletion": lambda: self._kubectl("delete", "nd", name, "--wait=false"),
            "suspension": lambda: _leniently(lambda: self._env.change(name, suspend=True)),
        }[kind]

    def _guard(self, name: str) -> None:
        """SIGKILL, from the node; a guard that has not started yet dies another time."""
        status = self._env.get("nd", name).get("status", {})
        pod = self._env.get("pod", status["podName"]) if status.get("podName") else {}
        statuses = pod.get("status", {}).get("initContainerStatuses", [])
        for container in (each.get("containerID", "").removeprefix("containerd://") for each in statuses):
            if container:
                _leniently(lambda id_=container: self._env.node("ctr", "-n", "k8s.io", "task", "kill", "-s", "9", id_))

    def _pod(self, name: str, *flags: str) -> None:
        self._kubectl("delete", "pods", "-l", f"nesteddocker.dev/name={name}", *flags)

    def _operator(self) -> None:
        """Every replica at once."""
        system = Environment(self._env.kubeconfig, SYSTEM)
        system.kubectl("delete", "pods", "--all", "--force", "--grace-period=0")

    def _dockerd(self) -> None:
        run(str(TOOL), "signal", "--name", NAME, "dockerd", "KILL")
        run(str(TOOL), "restart", "--name", NAME, "dockerd")

    def _kubectl(self, *arguments: str) -> None:
        _leniently(lambda: self._env.kubectl(*arguments))


def _leniently(act: Callable[[], object]) -> None:
    """What is to die may be dead already, or its door be closed while the operator is."""
    with contextlib.suppress(CommandFailed):
        act()


def _state(env: Environment) -> str:
    """What there is, where something is left."""
    cleanup = Environment(env.kubeconfig, f"{SYSTEM}-cleanup")
    return "\n".join(
        (
            env.kubectl("get", "nd,pods", "-o", "wide"),
            env.kubectl("get", "nd", "-o", "jsonpath={.items[*].status.conditions}"),
            cleanup.kubectl("get", "pods", "-o", "wide"),
            cleanup.kubectl("logs", "--selector=nesteddocker.dev/role=cleanup", "--tail=5"),
            env.node(*NODE_DOCKER, "ps", "-a", "--no-trunc"),
            env.node(*NODE_DOCKER, "volume", "ls"),
            env.node(*NODE_DOCKER, "network", "ls"),
            env.node(*NODE_DOCKER, "images"),
        )
    )
