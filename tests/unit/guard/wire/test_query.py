"""Query strings: the daemon reads the same, or they are denied."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.wire.query import encode_query, first_value, is_true, parse_query

KNOWN = frozenset({"a", "b", "t", "all"})


@pytest.mark.parametrize(
    "text",
    [
        "a=1&a=2",
        "a;b",
        "a=1;b=2",
        "=1",
        "&a=1",
        "a=%",
        "a=%zz",
        "a=%ff",
        "a=%00",
        "x=1",
        "A=1",
        "a%20=1",
        "a=1#b",
        "%61=1",
    ],
)
def test_ambiguous_input_is_denied(text: str) -> None:
    with pytest.raises(GuardDenied):
        parse_query(text, known=KNOWN)


def test_some_parameters_may_be_repeated() -> None:
    assert parse_query("t=x&t=y", known=KNOWN) == {"t": ("x", "y")}


def test_ignored_parameters_are_dropped() -> None:
    assert parse_query("trunc_cmd=0&all=1", known=KNOWN) == {"all": ("1",)}


def test_a_missing_parameter_is_empty() -> None:
    assert first_value(parse_query("", known=KNOWN), "a") == ""
    assert encode_query({}) == ""


@pytest.mark.parametrize("value", ["", "0", "no", "false", "none", "No", " FALSE ", "None"])
def test_a_few_words_are_false(value: str) -> None:
    assert not is_true(value)


@pytest.mark.parametrize("value", ["1", "yes", "true", "y", "on", "2", "nope", "off"])
def test_all_other_values_are_true(value: str) -> None:
    assert is_true(value)


@given(st.text(alphabet="ab=&%20;+tT7f€", max_size=24))
def test_another_parser_reads_the_same(text: str) -> None:
    try:
        read = parse_query(text, known=KNOWN)
    except GuardDenied:
        return
    pairs = [(key, value) for key, values in read.items() for value in values]
    assert sorted(pairs) == sorted(parse_qsl(text, keep_blank_values=True, strict_parsing=False))
    assert sorted(parse_qsl(encode_query(read)[1:], keep_blank_values=True)) == sorted(pairs)
