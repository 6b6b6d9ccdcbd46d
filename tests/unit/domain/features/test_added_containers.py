"""Resources of what the operator adds: an admin can fit every container into a quota or a limit range."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.factory import DEFAULTS, OWNER, WORKLOAD, class_spec, policy_spec
from tests.unit.world import World

from nested_docker.api.meta import Mode, ResourceRequirements
from nested_docker.domain.modes.dockerd import IDLE_WATCH
from nested_docker.domain.planning import node_cleanup as cleanup
from nested_docker.domain.status.reasons import Type

WHOLE = {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"cpu": "100m", "memory": "64Mi"}}
OTHER = {"limits": {"cpu": "200m", "memory": "96Mi"}}
PLAIN = {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}}
IDLE = {"idleTimeoutSeconds": 60}


def settled(spec: dict[str, Any] | None = None, **fields: Any) -> World:
    world = World({"mode": "Dind"} | IDLE | (spec or {}), **fields)
    world.settle()
    return world


def classes(**fields: Any) -> dict[str, Any]:
    return {"standard": class_spec(**fields)}


def containers(world: World) -> dict[str, dict[str, Any]]:
    spec = world.pod()["spec"]
    return {each["name"]: each for each in [*spec.get("initContainers", []), *spec["containers"]]}


def resources(container: dict[str, Any]) -> dict[str, Any]:
    """As the API server has them: it drops what is empty."""
    return {key: value for key, value in container["resources"].items() if value}


def idle_watch(world: World) -> dict[str, Any]:
    return resources(containers(world)[IDLE_WATCH])


@pytest.mark.parametrize("workload", [{}, {"workload": WORKLOAD}], ids=["alone", "with a workload"])
@pytest.mark.parametrize("mode", list(Mode))
def test_every_container_of_a_pod_can_have_every_limit(mode: Mode, workload: dict[str, Any]) -> None:
    """A quota on `limits.cpu` refuses a pod of which one container has none."""
    limited = {
        "containers": [each | {"resources": WHOLE} for each in WORKLOAD["containers"]],
    }
    world = settled(
        {"mode": mode, **({"workload": limited} if workload else {})},
        classes=classes(resources=WHOLE, idleWatch={"resources": WHOLE}),
    )
    assert {name: resources(each) for name, each in containers(world).items()} == dict.fromkeys(
        containers(world), WHOLE
    )
    assert IDLE_WATCH in containers(world)


def test_the_idle_watch_has_small_resources_by_default() -> None:
    assert idle_watch(settled()) == PLAIN


def test_the_chart_s_value_applies_where_the_class_has_none() -> None:
    defaults = replace(DEFAULTS, idle_watch_resources=ResourceRequirements.model_validate(OTHER))
    for fields, expected in (({}, OTHER), ({"idleWatch": {"resources": WHOLE}}, WHOLE)):
        world = World({"mode": "Dind"} | IDLE, classes=classes(**fields))
        world.defaults = defaults
        world.settle()
        assert idle_watch(world) == expected


def test_the_maxima_of_a_policy_are_for_what_the_tenant_asks() -> None:
    policy = policy_spec(max={"cpu": "1", "memory": "1Gi"})
    asked = {"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}
    large = {"limits": {"cpu": "2", "memory": "2Gi"}}
    world = settled(asked, classes=classes(idleWatch={"resources": large}), policies={"p": policy})
    assert idle_watch(world) == large


def test_a_change_waits_for_the_next_pod() -> None:
    world = settled()
    before = world.pod()["metadata"]["name"]
    world.base = replace(world.base, classes=classes(idleWatch={"resources": WHOLE}))
    world.settle()
    pending = world.status.condition(Type.UPDATE_PENDING)
    assert pending is not None
    assert pending.message.startswith("the class changed idleWatch.resources; the running pod has the previous value")
    assert world.pod()["metadata"]["name"] == before
    assert idle_watch(world) == PLAIN


def test_a_changed_chart_value_waits_too() -> None:
    world = settled()
    world.defaults = replace(world.defaults, idle_watch_resources=ResourceRequirements.model_validate(OTHER))
    world.settle()
    pending = world.status.condition(Type.UPDATE_PENDING)
    assert pending is not None
    assert pending.message.startswith("the operator's defaults changed idleWatch.resources")


def test_without_an_idle_watch_nothing_is_pending() -> None:
    world = World({"mode": "Dind"})
    world.settle()
    world.base = replace(world.base, classes=classes(idleWatch={"resources": WHOLE}))
    world.settle()
    assert world.status.condition(Type.UPDATE_PENDING) is None


@pytest.mark.parametrize("chosen", [None, WHOLE, {}], ids=["default", "whole", "none"])
def test_the_pods_that_clean_up_nodes_have_the_chart_s_resources(chosen: dict[str, Any] | None) -> None:
    world = settled({"mode": "HostSocket"})
    defaults = DEFAULTS
    if chosen is not None:
        defaults = replace(DEFAULTS, cleanup_resources=ResourceRequirements.model_validate(chosen))
    ended = world.pod()
    world.end(ended)
    step = cleanup.step(
        ended,
        None,
        owner=(OWNER.namespace, OWNER.name),
        others=[],
        node_exists=True,
        now=world.now,
        defaults=defaults,
    )
    assert isinstance(step, cleanup.Start)
    (container,) = step.manifest["spec"]["containers"]
    default = {"requests": {"cpu": "10m", "memory": "48Mi"}, "limits": {"memory": "128Mi"}}
    assert resources(container) == (default if chosen is None else chosen)
