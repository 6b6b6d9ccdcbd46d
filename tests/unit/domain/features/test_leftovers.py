"""Whatever happens in whatever order: nothing is left on nodes in the end, and nothing is removed too early."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.factory import CLUSTER, class_spec, policy_spec
from tests.unit.world import World, change, crash

from nested_docker.domain.objects import NodeFacts

Act = Callable[[World], None]


def spec(**fields: Any) -> Act:
    """The user changes what he asks for."""

    def act(world: World) -> None:
        generation = world.base.generation + 1
        change(world, spec={"mode": "HostSocket"} | fields, generation=generation)

    return act


def rules(**guard: Any) -> Act:
    """A cluster admin changes the policy."""
    grant = policy_spec(hostSocket={"allowRaw": True, "guard": guard})
    return lambda world: change(world, policies={"everything": grant})


def access(value: str) -> Act:
    """A cluster admin changes the class."""
    return lambda world: change(world, classes={"standard": class_spec(hostSocket={"access": value})})


def nodes(*, ready: bool) -> Act:
    """The nodes answer, or not."""
    facts = {name: NodeFacts(ready=ready, labels={}) for name in ("node-1", "node-2")}
    return lambda world: change(world, cluster=replace(CLUSTER, nodes=facts))


def moves(node: str) -> Act:
    """The scheduler chooses another node from now on."""
    return lambda world: setattr(world, "node", node)


def loses_pod(world: World) -> None:
    for identity, pod in world.children.items():
        if identity.kind == "Pod" and pod["status"].get("phase") == "Running":
            world.end(pod)
    world.advance(minutes=1)


def dies(writes: int) -> Act:
    return lambda world: crash(world, writes, World.settle)


ACTS: list[Act] = [
    spec(),
    spec(resources={"limits": {"memory": "1Gi"}}),
    spec(suspend=True),
    spec(mode="Dind"),
    rules(),
    rules(build={"allowed": True}),
    lambda world: change(world, policies={}),
    access("Raw"),
    access("Guarded"),
    nodes(ready=True),
    nodes(ready=False),
    moves("node-1"),
    moves("node-2"),
    loses_pod,
    World.run_pods,
    World.finish_deletions,
    lambda world: world.clean() and None,
    lambda world: world.step() and None,
    lambda world: world.step() and None,
    World.settle,
    *(dies(writes) for writes in (1, 2, 5)),
]


@settings(max_examples=150)
@given(acts=st.lists(st.sampled_from(ACTS), max_size=14))
def test_in_the_end_every_node_is_clean(acts: list[Act]) -> None:
    world = World({"mode": "HostSocket"})
    nodes(ready=True)(world)
    for act in acts:
        act(world)
    nodes(ready=True)(world)
    world.settle(40)
    world.delete()
    world.settle(40)
    assert world.gone
    assert (world.pods_needing_cleanup(), world.leftovers) == ([], set())
