"""A class that denies evictions, before the API server that refuses them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from tests.integration.conftest import per_test
from tests.integration.world import World
from tests.support.kubelet import stays_creating
from tests.support.manifests import GENEROUS, nested_docker_class, policy

from nested_docker.domain.ports import KubeError


@per_test
async def own(world: World) -> AsyncIterator[World]:
    """A world whose class denies evictions; class and policy are named after the namespace."""
    name = world.namespace
    template = {"spec": {"nodeName": world.kubelet.node}}
    offer = {"modes": ["Dind"], "podTemplate": template, "evictions": "Denied"}
    selector = {"matchLabels": {"kubernetes.io/metadata.name": name}}
    grant = {"namespaceSelector": selector, "allowedClasses": [name], "allowedModes": ["Dind"]}
    await world.api.create(nested_docker_class(name, **offer))
    await world.api.create(policy(name, **grant, **GENEROUS))
    yield replace(world, class_name=name)
    await world.api.delete("NestedDockerPolicy", None, name)
    await world.api.delete("NestedDockerClass", None, name)


async def counted(world: World, healthy: int) -> None:
    """Wait until Kubernetes has looked at the pod."""

    async def seen() -> bool:
        budget = await world.get("PodDisruptionBudget", "build")
        assert budget is not None, "there is no PodDisruptionBudget"
        status: dict[str, Any] = budget.get("status", {})
        assert (status.get("currentHealthy"), status.get("disruptionsAllowed")) == (healthy, 0), status
        return True

    await world.until(seen, "the budget counted")


async def test_a_ready_daemon_stays_until_the_class_allows_evictions(own: World) -> None:
    await own.create()
    await own.serves()
    await counted(own, 1)
    (pod,) = await own.pods()
    with pytest.raises(KubeError, match="disruption budget") as refused:
        await own.evict(pod["metadata"]["name"])
    assert refused.value.status == 429
    await own.api.patch("NestedDockerClass", None, own.class_name, {"spec": {"evictions": "Allowed"}})
    await own.gone("PodDisruptionBudget", "build")
    assert [each["metadata"]["name"] for each in await own.pods()] == [pod["metadata"]["name"]]
    await own.evict(pod["metadata"]["name"])
    await own.gone("Pod", pod["metadata"]["name"], timeout=40)
    await own.serves(timeout=40)


async def test_a_daemon_that_is_not_ready_may_be_evicted(own: World) -> None:
    own.kubelet.script(own.namespace, stays_creating)
    await own.create()
    await own.pod()
    await counted(own, 0)
    (pod,) = await own.pods()
    await own.evict(pod["metadata"]["name"])


async def test_it_goes_with_the_daemon_and_is_put_back(own: World) -> None:
    await own.create()
    await own.serves()
    await own.api.delete("PodDisruptionBudget", own.namespace, "build")
    await own.until(lambda: own.get("PodDisruptionBudget", "build"), "the budget again")
    drift = {"spec": {"minAvailable": 0, "selector": {"matchLabels": {"a": "b"}}}}
    await own.api.patch("PodDisruptionBudget", own.namespace, "build", drift)
    await counted(own, 1)
    await own.edit(suspend=True)
    await own.gone("PodDisruptionBudget", "build")
