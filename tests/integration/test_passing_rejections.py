"""Rejections that pass: no room in a quota, no ServiceAccount yet. They are retried soon, and are not stalled."""

from __future__ import annotations

from typing import Any

from tests.integration.conftest import per_module
from tests.integration.world import Lab, World
from tests.support.api import Manifest
from tests.support.manifests import nested_docker_class, policy
from tests.support.operator_process import Operator
from tests.support.proxy import Proxy

WITHIN = 25.0
"""Seconds: the operator tries again after at most 15."""


@per_module
async def operator(lab: Lab, proxy: Proxy) -> Operator:
    """One without a lease."""
    return await lab.new_operator(proxy, LEADER_ELECTION="false")


async def quota(world: World, **hard: str) -> None:
    """A quota that is in force."""
    path = f"/api/v1/namespaces/{world.namespace}/resourcequotas"
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "one"}}
    await world.api.request("POST", path, body=body | {"spec": {"hard": hard}})

    async def counted() -> bool:
        found: Manifest = await world.api.request("GET", f"{path}/one")
        return "hard" in found.get("status", {})

    await world.until(counted, "the quota in force")


async def waits(world: World, reason: str, words: str) -> None:
    """It says why it waits, and that it goes on."""
    message = await world.settles(reason)
    assert words in message
    await world.until_condition({"status": "True", "reason": reason}, "Reconciling")
    assert await world.condition("Stalled") == {}


async def test_a_full_quota(world: World) -> None:
    await quota(world, pods="0")
    await world.create()
    await waits(world, "QuotaExceeded", "exceeded quota: one, requested: pods=1, used: pods=0, limited: pods=0")
    path = f"/api/v1/namespaces/{world.namespace}/resourcequotas/one"
    await world.api.request("DELETE", path)
    await world.serves(timeout=WITHIN)


async def test_an_edit_under_a_quota_of_one_pod(world: World) -> None:
    await quota(world, pods="1")
    await world.create()
    await world.ready()
    await world.edit(engine={"image": "docker:30-dind"})

    async def other() -> bool:
        assert await world.condition("Stalled") == {}, "it is stalled for a moment"
        images = [pod["spec"]["containers"][0]["image"] for pod in await world.pods()]
        return images == ["docker:30-dind"]

    await world.until(other, "the new pod", WITHIN)
    await world.serves(timeout=WITHIN)


async def test_a_service_account_that_comes_later(lab: Lab, world: World) -> None:
    name = f"later-{world.namespace}"
    template = {"spec": {"nodeName": world.kubelet.node, "serviceAccountName": "later"}}
    selector = {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}}
    await lab.api.create(nested_docker_class(name, modes=["Dind"], podTemplate=template))
    await lab.api.create(policy(name, namespaceSelector=selector, allowedClasses=[name], allowedModes=["Dind"]))
    world.class_name = name
    await world.create()
    await waits(world, "ServiceAccountMissing", 'serviceaccount "later" not found')
    path = f"/api/v1/namespaces/{world.namespace}/serviceaccounts"
    await world.api.request(
        "POST", path, body={"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "later"}}
    )
    await world.serves(timeout=WITHIN)
    await lab.api.delete("NestedDockerPolicy", None, name)
    await lab.api.delete("NestedDockerClass", None, name)
