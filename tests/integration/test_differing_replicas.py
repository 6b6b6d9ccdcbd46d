"""Two replicas that differ, as during an upgrade: one adds the daemon to a pod, and the other one judges the pod."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest
from tests.integration.conftest import per_module, per_test
from tests.integration.pod_webhook import another_webhook, client, enabled, reviewing
from tests.integration.world import Lab, World
from tests.support.api import Api
from tests.support.manifests import GENEROUS, nested_docker_class, policy
from tests.support.mutating_webhook import MutatingWebhook

from nested_docker.domain import names
from nested_docker.domain.ports import KubeError

OLD, NEW = "docker:28-dind", "docker:29-dind"
MEMORY = {"resources": {"limits": {"memory": "2Gi"}}}


@dataclass
class Upgrade:
    """A world in which the old replica adds daemons, and the new one judges pods.

    Attributes:
        world: with a class that has form Sidecar.
        user: who may create pods there.
    """

    world: World
    user: Api


@per_module
async def injecting(lab: Lab) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        proxy = await lab.new_proxy()
        old = {"ENGINE_IMAGE": OLD, "IMAGE_PULL_POLICY": "IfNotPresent"}
        new = {"ENGINE_IMAGE": NEW, "IMAGE_PULL_POLICY": "Always"}
        leader = await stack.enter_async_context(reviewing(lab, proxy, "Mutating", **old))
        await stack.enter_async_context(reviewing(lab, proxy, "Validating", leads=False, **new))
        yield await lab.new_world(proxy, leader)


@per_test
async def upgrade(injecting: World, lab: Lab) -> AsyncIterator[Upgrade]:
    """A namespace with its own class and policy, both named after it."""
    namespace = await lab.new_namespace()
    world = replace(injecting, namespace=namespace, class_name=namespace, uids={})
    offered = {"modes": ["Dind"], "injection": {"forms": ["Sidecar"]}} | MEMORY
    grant = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    await world.api.create(nested_docker_class(namespace, **offered))
    await world.api.create(policy(namespace, **grant, allowedClasses=[namespace], allowedModes=["Dind"], **GENEROUS))
    yield Upgrade(world, await enabled(world))
    await world.api.delete("NestedDockerPolicy", None, namespace)
    await world.api.delete("NestedDockerClass", None, namespace)


def daemon_of(pod: dict[str, Any]) -> dict[str, Any]:
    (daemon,) = (each for each in pod["spec"]["initContainers"] if each["name"] == "nested-docker")
    return dict(daemon)


async def test_a_pod_is_created_with_the_daemon_of_the_replica_that_was_asked_first(upgrade: Upgrade) -> None:
    pod = await upgrade.user.create(client(upgrade.world))
    assert daemon_of(pod)["image"] == OLD
    dry = await upgrade.user.create(client(upgrade.world, "dry"), dryRun="All")
    assert daemon_of(dry) == daemon_of(pod) | {"volumeMounts": daemon_of(dry)["volumeMounts"]}
    assert await upgrade.world.get("Pod", "dry") is None


@per_test
async def other(upgrade: Upgrade, lab: Lab) -> AsyncIterator[MutatingWebhook]:
    """Another webhook, which the API server asks after ours, and again if ours has changed something."""
    async with another_webhook(upgrade.world, lab, "Never") as webhook:
        yield webhook


async def test_a_container_that_another_webhook_adds_gets_the_same_daemon(
    upgrade: Upgrade, other: MutatingWebhook
) -> None:
    def add(_pod: dict[str, Any]) -> list[dict[str, Any]]:
        variable = {"op": "add", "path": "/spec/initContainers/0/env/-", "value": {"name": "OTEL", "value": "x"}}
        return [{"op": "add", "path": "/spec/containers/-", "value": {"name": "late", "image": "busybox"}}, variable]

    other.mutations[upgrade.world.namespace] = ("Pod", ("CREATE",), add)
    pod = await upgrade.user.create(client(upgrade.world))
    assert daemon_of(pod)["image"] == OLD
    assert {"name": "OTEL", "value": "x"} in daemon_of(pod)["env"]
    assert pod["spec"]["containers"][2]["env"][0]["name"] == "DOCKER_HOST"


def changing(path: str) -> Any:
    """What changes a field of the daemon's container in every new pod."""
    change = [{"op": "replace", "path": f"/spec/initContainers/0/{path}", "value": "64Gi"}]
    return ("Pod", ("CREATE",), lambda _pod: change)


@pytest.mark.parametrize("path", ["image", "args/0", "resources/limits/memory"])
async def test_what_another_webhook_changes_of_the_daemon_is_put_right(
    upgrade: Upgrade, other: MutatingWebhook, path: str
) -> None:
    other.mutations[upgrade.world.namespace] = changing(path)
    pod = await upgrade.user.create(client(upgrade.world))
    assert daemon_of(pod)["image"] == OLD
    assert daemon_of(pod)["resources"]["limits"] == {"memory": "2Gi"}
    assert "64Gi" not in daemon_of(pod)["args"]


async def test_another_start_script_is_denied(upgrade: Upgrade, other: MutatingWebhook) -> None:
    other.mutations[upgrade.world.namespace] = changing("command/2")
    with pytest.raises(KubeError, match="another container nested-docker: rename it"):
        await upgrade.user.create(client(upgrade.world))


async def test_a_copy_of_the_pod_has_no_more_than_the_class_gives(upgrade: Upgrade) -> None:
    pod = await upgrade.user.create(client(upgrade.world))
    copied = copy.deepcopy(pod["metadata"]["annotations"])
    daemon = daemon_of(pod)
    daemon["resources"] = {"limits": {"memory": "64Gi"}}
    daemon["image"] = "evil:1"
    mounts = [each for each in daemon["volumeMounts"] if each["name"].startswith("nested-docker-")]
    asking = client(upgrade.world, "copy", annotations=copied)
    asking["spec"]["initContainers"] = [daemon | {"volumeMounts": mounts}]
    made = await upgrade.user.create(asking)
    assert daemon_of(made)["image"] == OLD
    assert daemon_of(made)["resources"]["limits"] == {"memory": "2Gi"}
    assert (
        made["metadata"]["annotations"][names.ANNOTATION_SIDECAR_SIGNATURE]
        == copied[names.ANNOTATION_SIDECAR_SIGNATURE]
    )
