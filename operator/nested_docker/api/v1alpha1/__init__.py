"""Version v1alpha1 of the contract."""

from nested_docker.api.v1alpha1.nested_docker import NestedDocker, NestedDockerSpec, NestedDockerStatus
from nested_docker.api.v1alpha1.nested_docker_class import NestedDockerClass, NestedDockerClassSpec
from nested_docker.api.v1alpha1.policy import NestedDockerPolicy, NestedDockerPolicySpec

VERSION = "v1alpha1"
API_VERSION = f"nesteddocker.dev/{VERSION}"

__all__ = [
    "API_VERSION",
    "VERSION",
    "NestedDocker",
    "NestedDockerClass",
    "NestedDockerClassSpec",
    "NestedDockerPolicy",
    "NestedDockerPolicySpec",
    "NestedDockerSpec",
    "NestedDockerStatus",
]
