"""What the guard parses is what Go's decoder parses from the guard's encoding."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.wire.strict_json import MAX_BODY_BYTES, encode_json, fold_key, parse_json


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{", b"{}{}", b"{} x", b"{}\x00", b"\xef\xbb\xbf{}", b"\xff", b"\xfe\xff\x00{\x00}", b"nul", b"'a'"),
        *(b'{"a":1,"a":2}', b'{"Binds":[],"binds":[""]}', b'{"a":{"B":1,"b":2}}', b'[{"K":1,"\xe2\x84\xaa":2}]'),
        *(b'{"s":1,"\xc5\xbf":2}', b'{"Binds":1,"B\\u0069nds":2}', b'{"a":NaN}', b'{"a":Infinity}', b'{"a":-Infinity}'),
        *(b'{"a":1e400}', b'{"a":0.5}', b'{"a":1e-3}', b'{"a":99999999999999999999}', b'{"a":-9223372036854775809}'),
        *(b'{"a":"\\ud800"}', b'{"\\udfff":1}', b'["\\ud800"]', b'{"a":["\\udead"]}', b'{"a":01}', b'{"a":+1}'),
        *(b"[" * 100 + b"]" * 100, b'{"a":' * 40 + b"1" + b"}" * 40, b'{"a":"\t"}', b'{"a":1,}', b'// x\n{"a":1}'),
        b'"' + b"a" * MAX_BODY_BYTES + b'"',
    ],
)
def test_ambiguous_input_is_denied(data: bytes) -> None:
    with pytest.raises(GuardDenied) as denied:
        parse_json(data)
    assert denied.value.status in {400, 413}


def test_free_keys_may_differ_in_case_only() -> None:
    assert parse_json(b'{"http_proxy":"a","HTTP_PROXY":"b"}', free_keys=True) == {"http_proxy": "a", "HTTP_PROXY": "b"}
    with pytest.raises(GuardDenied):
        parse_json(b'{"a":"1","a":"2"}', free_keys=True)


def test_brackets_in_strings_do_not_nest() -> None:
    assert parse_json(b'{"a":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\"{{"}') is not None


def test_whole_numbers_keep_their_value() -> None:
    assert parse_json(b'{"a":1.0,"b":1e3,"c":18446744073709551615}') == {"a": 1, "b": 1000, "c": 2**64 - 1}


KEYS = st.sampled_from(
    ["Binds", "binds", "BINDS", "b\u0131nds", "Kind", "\u212aind", "kind", "Sysctls", "\u017fysctls", "x", ""]
)


class Pairs(list):  # type: ignore[type-arg]
    """An object whose keys may repeat."""


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=3) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.lists(st.tuples(KEYS, inner), max_size=4).map(Pairs),
    max_leaves=8,
)


def text(value: Any) -> str:
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{json.dumps(key)}:{text(each)}" for key, each in value) + "}"
    if isinstance(value, list):
        return "[" + ",".join(text(each) for each in value) + "]"
    return json.dumps(value)


def as_go_reads(data: str) -> Any:
    """Like Go's decoder: keys in any case, and the last of several."""

    def last(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            found[key.replace("\u212a", "k").replace("\u017f", "s").lower()] = value
        return found

    def first(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return last(pairs[::-1])

    return json.loads(data, object_pairs_hook=last), json.loads(data, object_pairs_hook=first)


@given(VALUES.map(text))
@example('{"Binds":["/:/h"],"binds":[]}')
def test_another_parser_reads_the_same(data: str) -> None:
    try:
        understood = parse_json(data.encode())
    except GuardDenied:
        return
    last, first = as_go_reads(data)
    assert last == first
    assert as_go_reads(encode_json(understood).decode()) == (last, first)


@given(st.binary(max_size=64))
def test_any_bytes_are_parsed_or_denied(data: bytes) -> None:
    try:
        understood = parse_json(data)
    except GuardDenied:
        return
    assert parse_json(encode_json(understood)) == understood == json.loads(data)


def test_folding_is_coarser_than_gos() -> None:
    assert fold_key("\u212aey") == fold_key("Key") == fold_key("KEY")
    assert fold_key("\u017fysctls") == fold_key("Sysctls")
