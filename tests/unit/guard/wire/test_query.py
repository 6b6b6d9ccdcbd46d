"""Query strings: the daemon reads the same, or they are denied."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.wire.query import IGNORED_PARAMETERS, encode_query, first_value, is_true, parse_query

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
        "a%20=1",
        "a=1#b",
        "%61=1",
    ],
)
def test_ambiguous_input_is_denied(text: str) -> None:
    with pytest.raises(GuardDenied):
        parse_query(text, known=KNOWN)


def test_some_parameters_may_be_repeated() -> None:
    assert parse_query("t=x&t=y", known=KNOWN) == ({"t": ("x", "y")}, {})


def test_of_a_repeated_dockerfile_the_first_value_counts_as_for_the_daemon() -> None:
    known = frozenset({"dockerfile"})
    assert parse_query("dockerfile=a&dockerfile=FROM+b", known=known) == ({"dockerfile": ("a",)}, {})


@pytest.mark.parametrize("key", sorted(IGNORED_PARAMETERS))
def test_ignored_parameters_are_dropped(key: str) -> None:
    assert parse_query(f"{key}=x&all=1", known=KNOWN) == ({"all": ("1",)}, {})


@pytest.mark.parametrize("value", ["", "0", "false", "False", "no", "none", "null", "[]", "%5B%5D", "{}", "%7B%7D"])
def test_an_unknown_parameter_that_says_nothing_is_dropped(value: str) -> None:
    assert parse_query(f"x={value}&all=1", known=KNOWN) == ({"all": ("1",)}, {})


@pytest.mark.parametrize("text", ["x=1", "A=1", "x=0&x=1", "x=1&x=1", "x=%5B0%5D", "x={%22a%22:null}"])
def test_an_unknown_parameter_that_says_something_is_kept_apart(text: str) -> None:
    known, others = parse_query(text, known=KNOWN)
    assert known == {}
    assert others.keys() == {text[0]}


def test_a_missing_parameter_is_empty() -> None:
    assert first_value(parse_query("", known=KNOWN)[0], "a") == ""
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
        read, _ = parse_query(text, known=KNOWN)
    except GuardDenied:
        return
    pairs = [(key, value) for key, values in read.items() for value in values]
    known = [pair for pair in parse_qsl(text, keep_blank_values=True, strict_parsing=False) if pair[0] in KNOWN]
    assert sorted(pairs) == sorted(known)
    assert sorted(parse_qsl(encode_query(read)[1:], keep_blank_values=True)) == sorted(pairs)
