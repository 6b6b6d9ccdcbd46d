"""Plain scalars are what kubectl reads, and text stays text when it is written."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nested_docker.yaml_text.reading import parse_documents
from nested_docker.yaml_text.writing import to_yaml

READ = {
    "0": 0, "-1": -1, "+12": 12, "0755": 493, "0o17": 15, "0x1F": 31, "-0b11": -3, "1_000": 1000, "09": 9.0,
    "1e3": 1000.0, ".5": 0.5, "1.": 1.0, "-1.5E-3": -0.0015, "18446744073709551615": 2**64 - 1,
    "18446744073709551616": 1.8446744073709552e19, "22:22": "22:22", "1:30.5": "1:30.5", "1.29.0": "1.29.0",
    "2026-03-01": "2026-03-01", "=": "=", "0x": "0x", "12ab": "12ab", "1e999": "1e999", "9" * 5000: "9" * 5000,
    "0b2": "0b2",
}  # fmt: skip
"""What go.yaml.in/yaml/v2, the parser of kubectl, makes of each."""


@pytest.mark.parametrize("text", READ, ids=lambda text: text[:30])
def test_a_plain_scalar_is_what_kubectl_reads(text: str) -> None:
    (found,) = parse_documents(f"[{text}]\n")
    assert found == [READ[text]]
    assert type(found[0]) is type(READ[text])


@pytest.mark.parametrize(
    "text", ["1e3", "12e4", "0o17", "y", "N", ".5e3", "+12e03", "09", "1e+2", "yes", "22:22", "~", "="]
)
def test_text_that_looks_like_something_else_is_quoted(text: str) -> None:
    assert to_yaml([{"a": text}]) == f"a: '{text}'\n"


KEYS = st.text("019abexoy._:-=~<", max_size=5)
TEXTS = st.text("0123456789abefxoynYN._:+-=~ '\"\n\t\\\x1bé", max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(KEYS, JSON, max_size=4), st.booleans())
def test_what_is_written_is_read_again(document: dict[str, object], blocks: bool) -> None:
    (found,) = parse_documents(to_yaml([document], blocks=blocks))
    assert json.dumps(found, sort_keys=True) == json.dumps(document, sort_keys=True)
