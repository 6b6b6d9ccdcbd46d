"""The operator's webhooks for pods before the API server, and a user who may create pods with a daemon."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from tests.integration.own_webhook import own_webhook
from tests.integration.world import Lab, World
from tests.support.api import Api
from tests.support.kubelet import SESSION
from tests.support.mutating_webhook import MutatingWebhook
from tests.support.operator_process import Operator
from tests.support.proxy import Proxy
from tests.support.rbac import allow
from tests.support.waiting import wait_for
from tests.support.webhook_configurations import installed

from nested_docker.domain import names
from nested_docker.handlers.admission import INJECT_PATH, JUDGE_PATH

USER = "jenny"
PATHS = {"Mutating": INJECT_PATH, "Validating": JUDGE_PATH}


@asynccontextmanager
async def reviewing(
    lab: Lab, proxy: Proxy, *kinds: str, leads: bool = True, **settings: str
) -> AsyncIterator[Operator]:
    """An operator that the API server asks about pods of the lab's namespaces.

    Args:
        lab: whose class's name the namespaces have.
        proxy: of the operator.
        kinds: of webhooks that the operator serves, of `PATHS`.
        leads: whether to wait until it leads.
        settings: of the operator's environment.
    """
    own = own_webhook(lab)
    running = await lab.new_operator(proxy, leads=leads, INJECTION="true", **own.settings, **settings)
    name = f"a-{lab.class_name}-pods"  # asked before those of tests, which begin with "test"
    async with AsyncExitStack() as stack:
        for kind in kinds:
            body = _configuration(kind, name, f"{own.server}{PATHS[kind]}", own.bundle, lab.class_name)
            await stack.enter_async_context(installed(lab.api, body))
        yield running


def _configuration(kind: str, name: str, url: str, bundle: str, session: str) -> dict[str, Any]:
    """As the chart's, for the namespaces of the session."""
    again = {"reinvocationPolicy": "IfNeeded"} if kind == "Mutating" else {}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": f"{kind}WebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": "pods.nesteddocker.dev",
                "clientConfig": {"url": url, "caBundle": bundle},
                "objectSelector": {"matchExpressions": [{"key": names.LABEL_INJECT, "operator": "Exists"}]},
                "namespaceSelector": {
                    "matchLabels": {SESSION: session, names.NAMESPACE_INJECTION: names.INJECTION_ENABLED}
                },
                "rules": [rule],
                "failurePolicy": "Fail",
                "sideEffects": "None",
                "timeoutSeconds": 5,
                "admissionReviewVersions": ["v1"],
                **again,
            }
        ],
    }


def another_webhook(world: World, lab: Lab, again: str) -> AbstractAsyncContextManager[MutatingWebhook]:
    """A webhook that the API server asks about the lab's pods after ours.

    Args:
        world: of the test.
        lab: whose namespaces it concerns.
        again: its reinvocationPolicy.
    """
    selector = {"matchLabels": {SESSION: lab.class_name}}
    return MutatingWebhook.serve(lab.api, lab.folder / f"other-{world.namespace}", selector, again)


async def enabled(world: World) -> Api:
    """A user who may create pods, and use the world's class, in its namespace, which is enabled from now on."""
    labels = {"labels": {names.NAMESPACE_INJECTION: names.INJECTION_ENABLED}}
    await world.api.patch("Namespace", None, world.namespace, {"metadata": labels})
    pods = {"apiGroups": [""], "resources": ["pods"], "verbs": ["*"]}
    await allow(world.api, world.namespace, USER, "pods", pods)
    use = {"apiGroups": ["nesteddocker.dev"], "resources": ["nesteddockerclasses"], "verbs": ["use"]}
    await allow(world.api, world.namespace, USER, "use", use | {"resourceNames": [world.class_name]})
    user = world.api.acting_as(USER)

    async def is_enabled() -> bool:
        made = await user.create(client(world), dryRun="All")
        return any(each["name"] == "DOCKER_HOST" for each in made["spec"]["containers"][0].get("env", []))

    await wait_for(is_enabled, 10, "the API server to ask the webhook about the namespace")
    return user


def client(world: World, name: str = "job", **metadata: Any) -> dict[str, Any]:
    """A pod that asks for a daemon, and that no kubelet starts."""
    labels = {names.LABEL_INJECT: world.class_name} | metadata.pop("labels", {})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": world.namespace, "labels": labels} | metadata,
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "nodeSelector": {"nowhere": "true"},
            "containers": [{"name": "build", "image": "docker:29-cli"}, {"name": "helper", "image": "docker:28-cli"}],
        },
    }
