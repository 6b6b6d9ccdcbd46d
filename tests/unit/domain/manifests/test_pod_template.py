"""The operator's fields over a class's template, and what of the template is lost."""

from __future__ import annotations

from typing import Any

import pytest

from nested_docker.domain.manifests.pod_template import lost, overlay


def test_the_operators_fields_are_over_the_template() -> None:
    own = {"a": {"x": 1}, "list": [{"name": "m", "v": 1}], "scalar": 1, "groups": [1], "args": ["--a"]}
    template = {"a": {"x": 2, "y": 3}, "list": [{"name": "m", "v": 2}, {"name": "n"}], "scalar": 2, "more": 3}
    template |= {"groups": [2], "args": ["--b"]}
    assert overlay(template, own) == {
        "a": {"x": 1, "y": 3},
        "list": [{"name": "m", "v": 1}, {"name": "n"}],
        "scalar": 1,
        "more": 3,
        "groups": [1, 2],
        "args": ["--a"],
    }


def test_mounts_are_told_apart_by_their_paths() -> None:
    own = {"volumeMounts": [{"name": "data", "mountPath": "/var/lib/docker"}]}
    template = {
        "volumeMounts": [{"name": "data", "mountPath": "/share"}, {"name": "x", "mountPath": "/var/lib/docker"}]
    }
    assert overlay(template, own)["volumeMounts"] == [*own["volumeMounts"], template["volumeMounts"][0]]


@pytest.mark.parametrize(
    ("template", "result", "paths"),
    [
        ({}, {"a": 1}, []),
        ({"a": 1}, {"a": 1, "b": 2}, []),
        ({"a": 1}, {"a": 2}, ["a"]),
        ({"a": 1}, {}, ["a"]),
        ({"a": {"b": {"c": 1, "d": 2}}}, {"a": {"b": {"c": 3, "d": 2}}}, ["a.b.c"]),
        ({"a": [{"name": "x", "v": 1}]}, {"a": [{"name": "w"}, {"name": "x", "v": 1, "u": 2}]}, []),
        ({"a": [{"name": "x", "v": 1}]}, {"a": [{"name": "x", "v": 2}]}, ["a[x].v"]),
        ({"a": [{"name": "x"}]}, {"a": [{"name": "y"}]}, ["a[x]"]),
        ({"m": [{"name": "x", "mountPath": "/p"}]}, {"m": [{"name": "y", "mountPath": "/p"}]}, ["m[/p].name"]),
        ({"groups": [1, 2]}, {"groups": [2, 3]}, ["groups[1]"]),
        ({"a": [1]}, {"a": 1}, ["a"]),
    ],
)
def test_what_is_lost_is_named(template: Any, result: Any, paths: list[str]) -> None:
    assert list(lost(template, result)) == paths
