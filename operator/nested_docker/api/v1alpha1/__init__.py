"""Version v1alpha1 of the API; a kind's module is imported when it is first used.

So the relay, which needs only the guard's rules, does not load the rest.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nested_docker.api.v1alpha1.nested_docker import NestedDocker, NestedDockerSpec, NestedDockerStatus
    from nested_docker.api.v1alpha1.nested_docker_class import NestedDockerClass, NestedDockerClassSpec
    from nested_docker.api.v1alpha1.node import NestedDockerNode
    from nested_docker.api.v1alpha1.policy import NestedDockerPolicy, NestedDockerPolicySpec

VERSION = "v1alpha1"
API_VERSION = f"nesteddocker.dev/{VERSION}"

__all__ = [
    "API_VERSION",
    "VERSION",
    "NestedDocker",
    "NestedDockerClass",
    "NestedDockerClassSpec",
    "NestedDockerNode",
    "NestedDockerPolicy",
    "NestedDockerPolicySpec",
    "NestedDockerSpec",
    "NestedDockerStatus",
]

_MODULES = {
    "NestedDocker": "nested_docker",
    "NestedDockerClass": "nested_docker_class",
    "NestedDockerClassSpec": "nested_docker_class",
    "NestedDockerNode": "node",
    "NestedDockerPolicy": "policy",
    "NestedDockerPolicySpec": "policy",
    "NestedDockerSpec": "nested_docker",
    "NestedDockerStatus": "nested_docker",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
