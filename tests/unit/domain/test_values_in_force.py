"""A value that means "none" is no limit, and a name or key has one reading."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError
from tests.support.factory import DEFAULTS, class_spec, observed

from nested_docker.api.meta import Mode, ResourceRequirements
from nested_docker.api.v1alpha1 import NestedDockerClassSpec, NestedDockerSpec
from nested_docker.api.v1alpha1.engine import EmptyDirStorage, StorageSpec, StorageType
from nested_docker.api.v1alpha1.guard import GuardRules, Resources
from nested_docker.api.v1alpha1.nested_docker import SchedulingSpec
from nested_docker.domain.admission.acceptance import NotAccepted, accept
from nested_docker.domain.admission.grant_request import GrantRequest, grant_request
from nested_docker.domain.effective import resolve
from nested_docker.domain.guard_limits import tighten
from nested_docker.domain.modes import MODES

CPU = "the limit of cpu must be at least 10m, since a lower one is not in force: raise it or leave it out"
MEMORY = "the limit of memory must be at least 6Mi, since a lower one is not in force: raise it or leave it out"
SIZE = "the size must be at least 1Mi; 0 would mean unlimited: raise it or leave it out"
NOTHING = ["0", "-0", "+0", "0.0", "0m", "0e3", "1n", "1u", "-1", "1m", "9.9m", "9999u"]


def rejection(spec: dict[str, Any]) -> str:
    outcome = accept(observed({"mode": "Dind"} | spec), DEFAULTS)
    assert isinstance(outcome, NotAccepted), outcome
    return outcome.message


def container(**fields: Any) -> dict[str, Any]:
    return {"workload": {"containers": [{"name": "a", "image": "a", **fields}]}}


@pytest.mark.parametrize("value", [*NOTHING, 0, -1])
@pytest.mark.parametrize("where", [lambda spec: spec, lambda spec: container(**spec)])
def test_a_cpu_limit_that_is_not_in_force_is_rejected(value: str | int, where: Any) -> None:
    message = rejection(where({"resources": {"limits": {"cpu": value, "memory": "1Gi"}}}))
    assert f"resources.limits: {CPU}" in message
    assert f'"cpu": {json.dumps(value)}' in message


@pytest.mark.parametrize("value", ["0", "-0", "0Gi", "1n", "1m", "-1Gi", "1", "6291455", "512Ki", 0, 4096])
def test_a_memory_limit_that_is_not_in_force_is_rejected(value: str | int) -> None:
    assert f"spec.resources.limits: {MEMORY}" in rejection({"resources": {"limits": {"memory": value}}})


def test_another_limit_of_nothing_is_rejected() -> None:
    message = rejection({"resources": {"limits": {"example.com/gpu": "0"}}})
    assert "the limit of example.com/gpu must be more than 0: raise it or leave it out" in message


@pytest.mark.parametrize("value", ["0", "-0", "0Gi", "1n", "1m", "-1Gi", "1023Ki", 0, 1])
@pytest.mark.parametrize(
    ("type_", "member", "field"),
    [("EmptyDir", "emptyDir", "sizeLimit"), ("Ephemeral", "ephemeral", "size"), ("Claim", "claim", "size")],
)
def test_a_size_that_limits_nothing_is_rejected(value: str | int, type_: str, member: str, field: str) -> None:
    message = rejection({"storage": {"type": type_, member: {field: value}}})
    assert f"spec.storage.{member}.{field}: {SIZE}" in message


@pytest.mark.parametrize("limits", [{"cpu": "10m", "memory": "6Mi"}, {"cpu": 1, "memory": 6291456}, {}])
def test_limits_in_force_are_accepted(limits: dict[str, Any]) -> None:
    assert ResourceRequirements.model_validate({"limits": limits, "requests": {"cpu": "0"}}).requests["cpu"] == "0"


@pytest.mark.parametrize("limits", [{"cpu": value} for value in NOTHING] + [{"memory": "0"}, {"memory": "1n"}])
@pytest.mark.parametrize("part", ["perContainer", "total"])
def test_a_policy_has_no_limit_for_the_guard_that_means_none(part: str, limits: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as raised:
        GuardRules.model_validate({"limits": {part: limits}})
    assert (CPU if "cpu" in limits else MEMORY) in str(raised.value)


def stored(**fields: Any) -> GrantRequest:
    """The request of a spec that was stored when there were fewer checks."""
    effective = resolve(NestedDockerSpec(), class_spec(), MODES[Mode.DIND], DEFAULTS)
    return grant_request(
        replace(effective, **fields),
        name="build",
        namespace="a",
        namespace_labels={},
        class_name="c",
        own_daemon=True,
        clients=(),
        lifetime_seconds=None,
    )


@pytest.mark.parametrize("value", NOTHING)
def test_what_is_not_in_force_counts_as_unlimited(value: str) -> None:
    resources = ResourceRequirements.model_construct(limits={"cpu": value, "memory": "0"}, requests={})
    size = EmptyDirStorage.model_construct(size_limit="0", medium=None)
    storage = StorageSpec(type=StorageType.EMPTY_DIR).model_copy(update={"empty_dir": size})
    request = stored(resources=resources, storage=storage)
    assert (request.cpu, request.memory, request.storage) == (None, None, None)
    limits = GuardRules.model_validate({"limits": {"total": {"cpu": "2", "memory": "1Gi"}}})
    assert tighten(limits, resources).limits.per_container == Resources(cpu="2", memory="1Gi")


def test_limits_are_compared_as_the_kubelet_rounds_them() -> None:
    request = stored(resources=ResourceRequirements(limits={"cpu": "1000.1m", "memory": "6291456001m"}))
    assert (str(request.cpu), str(request.memory)) == ("1.001", "6291457")


@pytest.mark.parametrize("key", [None, ""])
def test_a_toleration_without_a_key_tolerates_every_taint(key: str | None) -> None:
    scheduling = SchedulingSpec.model_validate({"tolerations": [{"key": key, "operator": "Exists"}, {}]})
    assert stored(scheduling=scheduling).toleration_keys == ("", "")


@pytest.mark.parametrize("key", [0, False, True, 1, ["a"], {"a": "b"}])
def test_the_key_of_a_toleration_is_text(key: Any) -> None:
    assert "key is not a string: write the key of a taint, or leave it out" in rejection(
        {"scheduling": {"tolerations": [{"key": key, "operator": "Exists"}]}}
    )


@pytest.mark.parametrize(
    "key",
    [
        "a.example/b\n",
        "a\n.example/b",
        "a.example/b\x00",
        "a.example/",
        "/b",
        "a/b/c",
        "A.example/b",
        "a.example/b\u2028",
        "a" * 64,
        "a" * 254 + "/b",
        "-a",
        "a ",
        "ａ",
        "",
    ],
)
def test_a_key_has_kubernetes_syntax(key: str) -> None:
    message = "is not a qualified name, such as example.com/name: use letters, digits, '-', '_' and '.'"
    for spec in (
        {"scheduling": {"podLabels": {key: "x"}}},
        {"scheduling": {"podAnnotations": {key: "x"}}},
        {"scheduling": {"nodeSelector": {key: "x"}}},
        {"connection": {"secretTemplate": {"labels": {key: "x"}}}},
        {"connection": {"secretTemplate": {"annotations": {key: "x"}}}},
        {"connection": {"clients": [{"podSelector": {"matchLabels": {key: "x"}}}]}},
    ):
        assert message in rejection(spec)
    if key:
        assert message in rejection({"scheduling": {"tolerations": [{"key": key}]}})
    for field in ("labels", "annotations"):
        with pytest.raises(ValidationError, match=f"metadata.{field}: the key .* is not a qualified name"):
            NestedDockerClassSpec.model_validate({"modes": ["Dind"], "podTemplate": {"metadata": {field: {key: "x"}}}})


@pytest.mark.parametrize("value", ["a\n", "\n", " ", "a b", "-a", "a.", "é"])
def test_a_value_of_a_label_has_kubernetes_syntax(value: str) -> None:
    message = "has other characters than letters, digits, '-', '_' and '.' or does not begin and end with a letter"
    assert message in rejection({"scheduling": {"podLabels": {"a": value}}})
    assert message in rejection({"connection": {"secretTemplate": {"labels": {"a": value}}}})


def test_keys_and_values_with_kubernetes_syntax_are_accepted() -> None:
    labels = {"a": "", "a.example/b": "c", "A_b.c-D": "x" * 63, "a" * 63: "1"}
    scheduling = SchedulingSpec.model_validate({"podLabels": labels, "podAnnotations": {"a.example/b": "any\ntext"}})
    assert scheduling.pod_labels == labels


@pytest.mark.parametrize("image", ["a" * 64, "sha256:" + "0" * 64])
def test_an_id_is_not_an_image_reference(image: str) -> None:
    message = "an image must be named by its repository, since an ID means any image on the node"
    assert f"spec.engine.image: {message}" in rejection({"engine": {"image": image}}).replace("Value error, ", "")
    assert message in rejection(container(image=image))
