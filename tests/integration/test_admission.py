"""The webhook as the API server calls it, for a user who may do nothing but ask for NestedDockers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from kubernetes.aio.client import ApiClient, Configuration
from tests.integration.conftest import per_module, per_test
from tests.integration.own_webhook import own_webhook
from tests.integration.world import Lab, World
from tests.support.api import Api
from tests.support.kubelet import SESSION
from tests.support.manifests import GENEROUS, nested_docker, nested_docker_class, policy
from tests.support.operator_process import Operator
from tests.support.proxy import Proxy
from tests.support.rbac import allow
from tests.support.webhook_configurations import installed

from nested_docker.adapters.kube import KubeClient
from nested_docker.adapters.resources import RESOURCES
from nested_docker.api.v1alpha1.nested_docker_class import DEFAULT_CLASS_ANNOTATION
from nested_docker.cli.user.mode_advice import is_shortcoming
from nested_docker.domain.ports import KubeError
from nested_docker.handlers.admission import MUTATE_PATH, VALIDATE_PATH

USER = "mallory"

KINDS = {"Mutating": MUTATE_PATH, "Validating": VALIDATE_PATH}
"""Kinds of webhooks, and their paths."""


@per_module
async def operator(lab: Lab, proxy: Proxy) -> AsyncIterator[Operator]:
    """One with a webhook, which the API server asks about the lab's namespaces."""
    own = own_webhook(lab)
    running = await lab.new_operator(proxy, **own.settings)
    name = f"test-{lab.class_name}"
    async with AsyncExitStack() as stack:
        for kind in KINDS:
            body = configuration(kind, name, own.server, own.bundle, lab.class_name)
            await stack.enter_async_context(installed(lab.api, body))
        yield running


def configuration(kind: str, name: str, server: str, bundle: str, session: str) -> dict[str, Any]:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": "validate.nesteddocker.dev",
                "clientConfig": {"url": f"{server}{KINDS[kind]}", "caBundle": bundle},
                "namespaceSelector": {"matchLabels": {SESSION: session}},
                "rules": [
                    {
                        "apiGroups": ["nesteddocker.dev"],
                        "apiVersions": ["v1alpha1"],
                        "operations": ["CREATE", "UPDATE"],
                        "resources": ["nesteddockers"],
                    }
                ],
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "timeoutSeconds": 5,
                "admissionReviewVersions": ["v1"],
            }
        ],
    }


@per_test
async def user(world: World) -> Api:
    """A user with every right to NestedDockers in the world's namespace, and none else."""
    rule = {"apiGroups": ["nesteddocker.dev"], "resources": ["nesteddockers"], "verbs": ["*"]}
    await allow(world.api, world.namespace, USER, "nested-dockers", rule)
    return world.api.acting_as(USER)


async def may_use_classes(world: World, *names: str) -> None:
    rule = {"apiGroups": ["nesteddocker.dev"], "resources": ["nesteddockerclasses"], "verbs": ["use"]}
    await allow(world.api, world.namespace, USER, "use", rule | {"resourceNames": [*names]})


async def refused(user: Api, manifest: dict[str, Any]) -> str:
    with pytest.raises(KubeError) as error:
        await user.create(manifest)
    assert error.value.status == 403, error.value
    return error.value.message


async def test_nobody_uses_a_class_without_the_right_to(world: World, user: Api) -> None:
    wanted = nested_docker(world.namespace, className=world.class_name)
    message = await refused(user, wanted)
    assert message.startswith('admission webhook "validate.nesteddocker.dev" denied the request: NotPermitted: ')
    assert f"mallory may not use nesteddockerclasses.nesteddocker.dev {world.class_name}" in message
    await may_use_classes(world, world.class_name)
    await user.create(wanted)
    await world.serves()


async def test_a_denial_by_policy_reaches_the_requester_whole(world: World, user: Api) -> None:
    await may_use_classes(world, world.class_name)
    message = await refused(user, nested_docker(world.namespace, className="no-such-class"))
    assert "ClassNotFound: spec.className: NestedDockerClass no-such-class does not exist" in message
    priority = {"scheduling": {"priorityClassName": "system-node-critical"}}
    message = await refused(user, nested_docker(world.namespace, className=world.class_name, **priority))
    assert "NotGranted: no NestedDockerPolicy grants mode Dind" in message
    assert "spec.scheduling.priorityClassName is system-node-critical" in message


async def test_an_update_is_judged_and_its_denial_changes_nothing(world: World, user: Api) -> None:
    await may_use_classes(world, world.class_name)
    await user.create(nested_docker(world.namespace, className=world.class_name))
    with pytest.raises(KubeError) as error:
        await user.patch("NestedDocker", world.namespace, "build", {"spec": {"engine": {"caBundleRef": {"name": "x"}}}})
    assert "spec.engine.caBundleRef: mallory may not get configmaps x" in error.value.message
    await user.patch("NestedDocker", world.namespace, "build", {"metadata": {"annotations": {"a": "b"}}})
    await user.patch("NestedDocker", world.namespace, "build", {"spec": {"suspend": True}})
    await user.delete("NestedDocker", world.namespace, "build")


async def test_what_has_just_been_granted_is_granted(world: World, user: Api) -> None:
    """Class, policy and NestedDocker in one go, as `kubectl apply -f` sends them."""
    name, template = world.namespace, {"spec": {"nodeName": world.kubelet.node}}
    admin = world.api
    await may_use_classes(world, name)
    head = {"apiVersion": "nesteddocker.dev/v1alpha1"}
    spec = {"modes": ["Dind"], "podTemplate": template}
    await admin.create(head | {"kind": "NestedDockerClass", "metadata": {"name": name}, "spec": spec})
    grant = {"namespaceSelector": {}, "allowedClasses": [name], "allowedModes": ["Dind"]}
    await admin.create(head | {"kind": "NestedDockerPolicy", "metadata": {"name": name}, "spec": grant})
    await user.create(nested_docker(world.namespace, className=name))
    await admin.delete("NestedDocker", world.namespace, "build")
    await admin.delete("NestedDockerPolicy", None, name)
    await admin.delete("NestedDockerClass", None, name)


async def test_a_default_class_that_changes_is_not_given_to_who_may_not_use_it(world: World, user: Api) -> None:
    """The request waits for the pod namespace of the first default class, and the second one needs none."""
    first, head = f"{world.namespace}-first", {"apiVersion": "nesteddocker.dev/v1alpha1"}
    spec = {"modes": ["Dind"], "podNamespace": f"{world.namespace}-missing"}
    metadata = {"name": first, "annotations": {DEFAULT_CLASS_ANNOTATION: "true"}}
    await world.api.create(head | {"kind": "NestedDockerClass", "metadata": metadata, "spec": spec})
    grant = {"namespaceSelector": {}, "allowedClasses": [first], "allowedModes": ["Dind"]}
    await world.api.create(head | {"kind": "NestedDockerPolicy", "metadata": {"name": first}, "spec": grant})
    await may_use_classes(world, first)
    try:
        stored = await user.create(nested_docker(world.namespace))
        assert stored["spec"]["className"] == first
        await set_default(world, first, None)
        await set_default(world, world.class_name, "true")
        await world.annotate(looked="again")
        await world.quiet()
        accepted = await world.until_condition({"status": "False", "reason": "PodNamespaceMissing"}, "Accepted")
        assert f"NestedDockerClass {first}" in accepted["message"]
    finally:
        await set_default(world, world.class_name, None)
        await world.api.delete("NestedDocker", world.namespace, "build")
        await world.api.delete("NestedDockerPolicy", None, first)
        await world.api.delete("NestedDockerClass", None, first)


async def test_a_replaced_request_keeps_its_class(world: World, user: Api) -> None:
    """As `kubectl replace` sends it, from a file that names no class."""
    await may_use_classes(world, world.class_name)
    stored = await user.create(nested_docker(world.namespace, className=world.class_name))
    del stored["spec"]["className"]
    path = RESOURCES["NestedDocker"].path(world.namespace, "build")
    replaced = await user.request("PUT", path, body=stored)
    assert replaced["spec"]["className"] == world.class_name


async def set_default(world: World, name: str, value: str | None) -> None:
    metadata = {"metadata": {"annotations": {DEFAULT_CLASS_ANNOTATION: value}}}
    await world.api.patch("NestedDockerClass", None, name, metadata)


async def test_the_record_says_who(world: World, user: Api) -> None:
    await refused(user, nested_docker(world.namespace, className=world.class_name))
    lines = [line for line in world.operator.log() if line["logger"] == "nested_docker.audit"]
    (mine,) = [line for line in lines if line["namespace"] == world.namespace]
    assert (mine["user"], mine["outcome"], mine["reason"]) == (USER, "denied", "NotPermitted")
    _, text = await world.operator.http("/metrics")
    assert 'nested_docker_decisions_total{mode="",outcome="denied",reason="NotPermitted",stage="admission"}' in text


async def test_what_the_cluster_lacks_is_a_warning_that_a_rehearsal_brings(world: World, user: Api) -> None:
    """`nested-docker explain` takes the mode for impossible by it."""
    name = world.namespace
    spec = {"modes": ["Sysbox"], "runtimeClassName": f"{name}-absent"}
    await world.api.create(nested_docker_class(name, **spec))
    selector = {"matchLabels": {"kubernetes.io/metadata.name": name}}
    await world.api.create(
        policy(name, namespaceSelector=selector, allowedClasses=[name], allowedModes=["Sysbox"], **GENEROUS)
    )
    await may_use_classes(world, name)
    kube = KubeClient(ApiClient(configuration_for(world.proxy.port)))
    try:
        manifest = nested_docker(name, className=name)
        made, warnings = await kube.dry_run_create(manifest)
        assert made["spec"]["className"] == name
        (warning,) = warnings
        assert warning.startswith(f"RuntimeMissing: mode Sysbox needs RuntimeClass {name}-absent")
        assert is_shortcoming(warning)
        assert await world.get("NestedDocker", "build") is None
    finally:
        await kube.close()
        await world.api.delete("NestedDockerPolicy", None, name)
        await world.api.delete("NestedDockerClass", None, name)


def configuration_for(port: int) -> Configuration:
    """Of a client whose API server is a proxy on this machine."""
    configuration = Configuration()
    configuration.host = f"http://127.0.0.1:{port}"
    configuration.client_session_kwargs = {"trust_env": False}
    return configuration
