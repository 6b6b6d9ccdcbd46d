"""What tests of injection need: a namespace whose pods may ask for daemons, and classes that are granted to it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.e2e.environment import Environment
from tests.support.cluster import CommandFailed
from tests.support.manifests import GENEROUS, policy

CI = {"matchLabels": {"ci": "true"}}
"""Selects the namespaces of the ring."""


@pytest.fixture
def enabled(env: Environment) -> Environment:
    """A namespace that an admin has enabled."""
    enable(env)
    return env


def enable(env: Environment) -> None:
    """Let the pods of a namespace ask for daemons, as an admin does."""
    env.kubectl("label", "namespace", env.namespace, "nesteddocker.dev/injection=enabled")


def let_use_classes(env: Environment, account: str = "default") -> None:
    """Give a ServiceAccount of a namespace the permission to use each class; that of Jobs is `default`."""
    subject = f"--serviceaccount={env.namespace}:{account}"
    env.kubectl("create", "rolebinding", "use", "--clusterrole=nested-docker-use-all-classes", subject)


def granting(name: str, *classes: str, selector: dict[str, Any] = CI) -> dict[str, Any]:
    """A policy that grants mode Dind with these classes.

    Args:
        name: of the policy; without classes, also of the only class.
        classes: names.
        selector: of namespaces.
    """
    terms = {"namespaceSelector": selector, "allowedClasses": [*classes] or [name], "allowedModes": ["Dind"]}
    return policy(name, **terms, **GENEROUS)


def refused(env: Environment, manifest: dict[str, Any]) -> str:
    """Why an object cannot be created.

    Raises:
        AssertionError: it can.
    """
    with pytest.raises(CommandFailed) as failure:
        env.kubectl("create", "-f", "-", stdin=json.dumps(manifest))
    return str(failure.value)


def injected_secrets(env: Environment) -> list[str]:
    """Names of the Secrets of injected daemons in a namespace."""
    names = [str(each["metadata"]["name"]) for each in env.list("secrets")]
    return [name for name in names if name.startswith("injected-")]
