"""The contract's package: every name is there when it is asked for, and no other."""

from __future__ import annotations

import pytest

from nested_docker.api import v1alpha1
from nested_docker.api.v1alpha1.nested_docker_class import NestedDockerClassSpec, SocketAccess
from nested_docker.api.v1alpha1.policy import NestedDockerPolicySpec


@pytest.mark.parametrize("name", v1alpha1.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(v1alpha1, name) is not None


def test_a_name_that_is_not_there_is_told() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'NestedPodman'"):
        _ = v1alpha1.NestedPodman


def test_the_socket_is_guarded_and_no_rules_are_given_by_default() -> None:
    class_spec = NestedDockerClassSpec.model_validate({"modes": ["HostSocket"]})
    grant = {"namespaceSelector": {}, "allowedClasses": ["a"], "allowedModes": ["HostSocket"]}
    assert class_spec.host_socket.access == SocketAccess.GUARDED
    assert NestedDockerPolicySpec.model_validate(grant).host_socket.guard is None
