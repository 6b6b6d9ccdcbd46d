"""The effective spec: spec over class over the operator's defaults, and what has changed since a pod was created."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.factory import DEFAULTS, class_spec

from nested_docker.api.meta import Mode
from nested_docker.api.v1alpha1 import NestedDockerSpec
from nested_docker.domain.effective import Change, EffectiveSpec, Origin, first_change, resolve
from nested_docker.domain.modes import MODES


def effective(spec: dict[str, Any] | None = None, **of_class: Any) -> EffectiveSpec:
    request = NestedDockerSpec.model_validate({"mode": "Dind"} | (spec or {}))
    return resolve(request, class_spec(**of_class), MODES[Mode.DIND], DEFAULTS)


@pytest.mark.parametrize(
    ("spec", "of_class", "image", "origin"),
    [
        ({}, {}, DEFAULTS.engine_image, Origin.OPERATOR),
        ({}, {"engine": {"image": "class:1"}}, "class:1", Origin.CLASS),
        ({"engine": {"image": "spec:1"}}, {"engine": {"image": "class:1"}}, "spec:1", Origin.SPEC),
    ],
)
def test_the_first_layer_that_has_a_value_decides(
    spec: dict[str, Any], of_class: dict[str, Any], image: str, origin: Origin
) -> None:
    found = effective(spec, **of_class)
    assert (found.engine.image, found.origins["engine.image"]) == (image, origin)


def test_the_engine_is_merged_field_by_field_and_the_rest_as_a_whole() -> None:
    found = effective(
        {"engine": {"mtu": 1300}, "resources": {"limits": {"cpu": "1"}}},
        engine={"storageDriver": "overlay2", "mtu": 1400},
        resources={"limits": {"memory": "1Gi"}},
    )
    assert (found.engine.mtu, found.engine.storage_driver) == (1300, "overlay2")
    assert found.resources.limits == {"cpu": "1"}


def test_a_value_that_nobody_sets_has_no_origin() -> None:
    found = effective()
    assert found.idle_timeout_seconds is None
    assert "idleTimeoutSeconds" not in found.origins


@pytest.mark.parametrize(
    ("spec", "of_class", "change"),
    [
        ({}, {}, None),
        ({"engine": {"mtu": 1300}}, {}, Change("engine.mtu", Origin.SPEC)),
        ({}, {"engine": {"mtu": 1300}}, Change("engine.mtu", Origin.CLASS)),
        ({"engine": {"mtu": 1300}}, {"resources": {"limits": {"cpu": "1"}}}, Change("engine.mtu", Origin.SPEC)),
        ({}, {"engine": {"image": DEFAULTS.engine_image}}, Change("engine.image", Origin.CLASS)),
    ],
)
def test_the_first_change_is_the_users(spec: dict[str, Any], of_class: dict[str, Any], change: Change | None) -> None:
    assert first_change(effective().fingerprint, effective(spec, **of_class)) == change


def test_a_value_that_is_taken_back_is_its_owners_change() -> None:
    before = effective({"engine": {"mtu": 1300}}).fingerprint
    assert first_change(before, effective()) == Change("engine.mtu", Origin.SPEC)


@pytest.mark.parametrize("annotation", ["", "nonsense"])
def test_an_annotation_that_somebody_has_edited_is_a_change(annotation: str) -> None:
    assert first_change(annotation, effective()) == Change("the pod's annotations", Origin.SPEC)


def test_a_fingerprint_has_no_values() -> None:
    secret = "http://user:password@proxy.example"
    assert "password" not in effective({"engine": {"proxy": {"httpProxy": secret}}}).fingerprint
