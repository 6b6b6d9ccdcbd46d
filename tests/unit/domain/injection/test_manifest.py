"""The NestedDocker of a pod."""

from __future__ import annotations

import re

import pytest

from nested_docker.api.v1alpha1 import NestedDockerSpec
from nested_docker.api.v1alpha1.nested_docker import NAME_PATTERN
from nested_docker.domain import names
from nested_docker.domain.injection.manifest import injected_nested_docker, owned_by_pod, owner_pod

ID = "0123456789abcdef0123"
POD = {"name": "job-x", "namespace": "team-a", "uid": "u-1"}


def test_only_the_pod_may_connect_and_it_is_the_owner() -> None:
    made = owned_by_pod(injected_nested_docker(ID, "team-a", "standard"), POD)  # type: ignore[arg-type]
    selector = {"matchLabels": {"nesteddocker.dev/injection-id": ID}}
    assert made == {
        "apiVersion": "nesteddocker.dev/v1alpha1",
        "kind": "NestedDocker",
        "metadata": {
            "name": f"injected-{ID}",
            "namespace": "team-a",
            "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "job-x", "uid": "u-1", "controller": True}],
        },
        "spec": {"className": "standard", "connection": {"clients": [{"podSelector": selector}]}},
    }
    NestedDockerSpec.model_validate(made["spec"])
    assert owner_pod(made["metadata"]) == ("job-x", "u-1")


def test_the_name_is_valid_and_nobody_else_s() -> None:
    name = names.injected_name(ID)
    assert re.fullmatch(NAME_PATTERN, name)
    assert not names.has_name_prefix(name)
    assert names.injection_id(name) == ID


@pytest.mark.parametrize(
    "name",
    ["injected-", f"injected-{ID}0", f"injected-{ID[1:]}", f"injected-{ID.upper()}", f"x-{ID}", f"injected-{ID}\n"],
)
def test_other_names_are_not_injection_s(name: str) -> None:
    assert names.injection_id(name) == ""


@pytest.mark.parametrize(
    "references",
    [[], [{"kind": "Pod", "name": "a", "uid": "u"}], [{"kind": "Job", "name": "a", "uid": "u", "controller": True}]],
    ids=["none", "not the controller", "another kind"],
)
def test_without_its_owner_reference_it_has_no_pod(references: list[dict[str, object]]) -> None:
    assert owner_pod({"ownerReferences": references}) == ("", "")  # type: ignore[typeddict-item]
