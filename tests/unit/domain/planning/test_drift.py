"""Drift: contained, except where more means something else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nested_docker.domain.planning.drift import first_difference


@pytest.mark.parametrize(
    ("desired", "observed", "difference"),
    [
        ({"a": 1}, {"a": 1, "theirs": 2}, ""),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "a.b"),
        ({"a": {"b": 1}}, {}, "a"),
        ({"a": [1, 2]}, {"a": [1]}, "a"),
        ({"a": [{"b": 1}]}, {"a": [{"b": 1, "c": 2}]}, ""),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, "a[0].b"),
        ({"a": {}, "b": [], "c": ""}, {}, ""),
        ({"a": False}, {}, "a"),
        ({"spec": {"selector": {"a": "1"}}}, {"spec": {"selector": {"a": "1", "theirs": "2"}}}, "spec.selector.theirs"),
        (
            {"spec": {"ingress": [{"from": [{}]}]}},
            {"spec": {"ingress": [{"from": [{"x": 1}]}]}},
            "spec.ingress[0].from[0].x",
        ),
        ({"spec": {"type": "A"}}, {"spec": {"type": "A", "clusterIP": "10.0.0.1"}}, ""),
        ({"metadata": {"finalizers": ["a"]}}, {"metadata": {"finalizers": ["theirs", "a"]}}, ""),
        ({"metadata": {"finalizers": ["a"]}}, {"metadata": {"finalizers": ["theirs"]}}, "metadata.finalizers"),
        ({"metadata": {"finalizers": ["a"]}}, {"metadata": {}}, "metadata.finalizers"),
        (
            {"metadata": {"ownerReferences": [{"uid": "1"}]}},
            {"metadata": {"ownerReferences": [{"uid": "2"}, {"uid": "1", "controller": True}]}},
            "",
        ),
        (
            {"metadata": {"ownerReferences": [{"uid": "1", "controller": True}]}},
            {"metadata": {"ownerReferences": [{"uid": "1"}]}},
            "metadata.ownerReferences",
        ),
    ],
)
def test_the_first_difference(desired: Any, observed: Any, difference: str) -> None:
    assert first_difference(desired, observed) == difference


JSON = st.recursive(
    st.integers() | st.booleans() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(JSON)
def test_nothing_differs_from_itself(value: Any) -> None:
    assert first_difference(value, value) == ""


@given(st.dictionaries(st.text(), JSON), st.dictionaries(st.text(), JSON))
def test_what_others_add_is_theirs(value: dict[str, Any], more: dict[str, Any]) -> None:
    assert first_difference(value, more | value) == ""
