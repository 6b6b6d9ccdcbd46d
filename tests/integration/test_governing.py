"""What admins change reaches what runs: policies at once, classes when the pod is made anew."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from tests.integration.conftest import per_test
from tests.integration.world import Lab, World
from tests.support.manifests import GENEROUS, nested_docker, nested_docker_class, policy


@per_test
async def own(world: World) -> AsyncIterator[World]:
    """A world with a class and a policy of its own, both named after the namespace."""
    name = world.namespace
    template = {"spec": {"nodeName": world.kubelet.node}}
    await world.api.create(nested_docker_class(name, modes=["Dind"], podTemplate=template))
    await world.api.create(grant(world))
    yield replace(world, class_name=name)
    await world.api.delete("NestedDockerPolicy", None, name)
    await world.api.delete("NestedDockerClass", None, name)


def grant(world: World) -> dict[str, Any]:
    selector = {"matchLabels": {"kubernetes.io/metadata.name": world.namespace}}
    spec = {"namespaceSelector": selector, "allowedClasses": [world.namespace], "allowedModes": ["Dind"]}
    return policy(world.namespace, **spec, **GENEROUS)


async def edit_class(world: World, **spec: Any) -> None:
    await world.api.patch("NestedDockerClass", None, world.class_name, {"spec": spec})


async def stopped(world: World) -> None:
    async def nothing_left() -> bool:
        children = await world.children()
        assert children == [], children
        return True

    await world.until(nothing_left, "the end of every child")


async def test_without_its_policy_it_is_stopped_and_with_it_it_runs_again(own: World) -> None:
    await own.create()
    await own.ready()
    await own.api.delete("NestedDockerPolicy", None, own.namespace)
    message = await own.settles("NotGranted")
    assert f"mode Dind of class {own.class_name} with this spec in namespace {own.namespace}" in message
    await stopped(own)
    await own.api.create(grant(own))
    await own.serves()


async def test_a_policy_that_no_longer_selects_the_namespace(world: World) -> None:
    await world.create()
    await world.ready()
    label = {"metadata": {"labels": {"nested-docker-test": "no-more"}}}
    await world.api.patch("Namespace", None, world.namespace, label)
    assert f"selects namespace {world.namespace}" in await world.settles("NotGranted")
    await stopped(world)
    label = {"metadata": {"labels": {"nested-docker-test": world.class_name}}}
    await world.api.patch("Namespace", None, world.namespace, label)
    await world.serves()


async def test_a_class_edit_waits_until_it_is_asked_for(own: World) -> None:
    await own.create()
    before = (await own.ready())["podName"]
    await edit_class(own, engine={"image": "docker:30-dind"})
    pending = await own.until_condition({"status": "True", "reason": "ClassUpdated"}, "UpdatePending")
    assert "engine.image" in pending["message"]
    assert "kubectl annotate nesteddocker build nesteddocker.dev/restart=" in pending["message"]
    assert (await own.ready())["podName"] == before
    await own.connect()
    await own.annotate(restart="1")

    async def replaced() -> bool:
        images = [pod["spec"]["containers"][0]["image"] for pod in await own.pods()]
        assert images == ["docker:30-dind"], images
        assert await own.condition("UpdatePending") == {}
        return True

    await own.until(replaced, "one pod with the class's new image, and nothing pending")
    await own.serves()
    assert (await own.status())["podName"] != before
    await own.quiet(0.5)
    assert len(await own.pods()) == 1, "one annotation is one restart"


async def test_a_class_edit_is_no_news_to_who_chose_otherwise(own: World) -> None:
    await own.create(engine={"image": "docker:27-dind"})
    await own.ready()
    writes = await own.quiet(0.5)
    await edit_class(own, engine={"image": "docker:30-dind"})
    assert await own.quiet(1.0) == writes


async def test_a_class_edit_taken_back_is_no_longer_pending(own: World) -> None:
    await own.create()
    await own.ready()
    await edit_class(own, engine={"mtu": 1400})
    await own.until_condition({"status": "True"}, "UpdatePending")
    await edit_class(own, engine=None)

    async def settled() -> bool:
        return await own.condition("UpdatePending") == {}

    await own.until(settled, "nothing pending")


async def test_a_class_without_a_network_policy(own: World) -> None:
    await own.create()
    await own.ready()
    assert await own.get("NetworkPolicy", "build") is not None
    await edit_class(own, networkPolicy="Unmanaged")
    await own.gone("NetworkPolicy", "build")
    await edit_class(own, networkPolicy=None)
    await own.until(lambda: own.get("NetworkPolicy", "build"), "the NetworkPolicy again")
    await own.serves()


async def test_a_class_that_goes_and_comes(own: World) -> None:
    await own.create()
    await own.ready()
    class_spec = await own.api.get("NestedDockerClass", None, own.class_name)
    assert class_spec is not None
    await own.api.delete("NestedDockerClass", None, own.class_name)
    assert f"NestedDockerClass {own.class_name} does not exist" in await own.settles("ClassNotFound")
    await stopped(own)
    await own.api.create(nested_docker_class(own.class_name, **class_spec["spec"]))
    await own.serves()


@pytest.mark.parametrize(
    ("spec", "reason", "words"),
    [
        ({"mode": "Sysbox"}, "ModeNotOffered", "offers Dind"),
        ({"className": "no-such-class"}, "ClassNotFound", "NestedDockerClass no-such-class does not exist"),
        ({"engine": {"config": {"hosts": []}}}, "InvalidSpec", "spec.engine.config: hosts"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_cannot_be_had_is_told(world: World, spec: dict[str, Any], reason: str, words: str) -> None:
    manifest = nested_docker(world.namespace, **{"className": world.class_name} | spec)
    await world.api.create(manifest)
    assert words in await world.settles(reason)
    assert (await world.condition("Stalled"))["status"] == "True"
    assert await world.children() == []
    if "engine" in spec:
        await world.edit(engine=None)
        await world.serves()


async def test_the_default_class_is_pinned(own: World) -> None:
    annotation = "nesteddocker.dev/is-default-class"
    mark: dict[str, Any] = {"metadata": {"annotations": {annotation: "true"}}}
    await own.api.patch("NestedDockerClass", None, own.class_name, mark)
    await own.api.create(nested_docker(own.namespace))
    status = await own.ready()
    assert status["className"] == own.class_name
    mark["metadata"]["annotations"][annotation] = None
    await own.api.patch("NestedDockerClass", None, own.class_name, mark)
    writes = await own.quiet(0.5)
    assert (await own.ready())["podName"] == status["podName"]
    assert len(writes) == 8, writes


async def test_a_narrowed_policy_stops_what_it_granted_and_touches_nothing_else(own: World, lab: Lab) -> None:
    other = replace(own, namespace=await lab.new_namespace(), class_name=lab.class_name)
    names = [f"build-{number}" for number in range(5)]
    for name in names:
        await own.create(name)
        await other.create(name)
    for name in names:
        await own.ready(name)
        await other.ready(name)
    await other.quiet()
    before = len(own.proxy.writes(other.namespace))
    await narrow(own)
    for name in names:
        assert "the mode is Dind, and allowedModes has only Sysbox" in await own.settles("NotGranted", name)
    await stopped(own)
    assert len(own.proxy.writes(other.namespace)) == before


async def test_report_lets_go_on_what_runs_and_makes_nothing_new(own: World) -> None:
    await own.api.patch("NestedDockerPolicy", None, own.namespace, {"spec": {"onViolation": "Report"}})
    await own.create()
    await own.serves()
    await narrow(own)
    condition = await own.until_condition({"status": "True", "reason": "GrantRevoked"}, "Accepted")
    assert "onViolation: Report" in condition["message"]
    await own.serves()
    await own.create("another")
    await own.settles("NotGranted", "another")
    (pod,) = await own.pods()
    await own.api.delete("Pod", own.namespace, pod["metadata"]["name"])
    await own.settles("NotGranted")
    await stopped(own)


async def test_a_namespace_that_is_let_off_gets_a_warning_instead_of_a_denial(own: World) -> None:
    await narrow(own)
    await own.create()
    await own.settles("NotGranted")
    await label_namespace(own, "nesteddocker.dev/enforcement", "Warn")
    await own.until_condition({"status": "True", "reason": "NotEnforced"}, "Accepted")
    await own.serves()
    await label_namespace(own, "nesteddocker.dev/enforcement", None)
    await own.settles("NotGranted")
    await stopped(own)


async def test_pod_security_is_foreseen_and_its_end_heals(own: World) -> None:
    await label_namespace(own, "pod-security.kubernetes.io/enforce", "baseline")
    await own.create()
    message = await own.settles("PodSecurityDenied")
    assert "securityContext.privileged: true on container daemon" in message
    assert await own.children() == []
    await label_namespace(own, "pod-security.kubernetes.io/enforce", "privileged")
    await own.serves()


async def narrow(world: World) -> None:
    """The world's policy allows another mode only."""
    await world.api.patch("NestedDockerPolicy", None, world.namespace, {"spec": {"allowedModes": ["Sysbox"]}})


async def label_namespace(world: World, key: str, value: str | None) -> None:
    await world.api.patch("Namespace", None, world.namespace, {"metadata": {"labels": {key: value}}})
