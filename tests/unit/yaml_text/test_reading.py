"""YAML and JSON as the API server would get them."""

from __future__ import annotations

from typing import Any

import pytest

from nested_docker.yaml_text.reading import UnreadableError, parse_documents, parse_leniently

READ: dict[str, tuple[str, list[Any]]] = {
    "nothing": ("", []),
    "comments": ("# a\n# b\n", []),
    "a stream with an empty document": ("a: 1\n---\n---\nb: 2\n", [{"a": 1}, None, {"b": 2}]),
    "JSON": ('{"a": [1, null, "x"]}', [{"a": [1, None, "x"]}]),
    "JSON with tabs": ('{\n\t"a": 1\n}', [{"a": 1}]),
    "YAML that begins like JSON": ("{a: 1}\n---\nb: 2\n", [{"a": 1}, {"b": 2}]),
    "keys become text": ("2: a\ntrue: b\n", [{"2": "a", "true": "b"}]),
    "a day is text": ("a: 2026-03-01\n", [{"a": "2026-03-01"}]),
    "anchors and merges": (
        "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: *a\n",
        [{"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": {"x": 1, "y": 2}}],
    ),
    "merges of merges": (
        "a:\n  b: &b {<<: &c {x: 1}, x: 2}\nd: {<<: *b, x: 3}\n",
        [{"a": {"b": {"x": 2}}, "d": {"x": 3}}],
    ),
}


@pytest.mark.parametrize("name", READ)
def test_what_is_read(name: str) -> None:
    text, expected = READ[name]
    assert list(parse_documents(text)) == expected


REFUSED = {
    "syntax": ("a: [\n", "line 2, column 1: "),
    "a key twice": ("a: 1\nb: 2\na: 3\n", "line 3, column 1: duplicate key a: remove one"),
    "a key twice, deep within": ("x: [{y: {a: 1, a: 2}}]\n", "duplicate key a"),
    "a key twice in JSON": ('{"x": {"a": 1, "a": 2}}', "duplicate key a"),
    "a tag": ("a: !!python/object:os.system {}\n", "could not determine a constructor for the tag"),
    "no number": ("a: .nan\n", "cannot be represented in JSON"),
    "bytes": ("a: !!binary aGk=\n", "cannot be represented in JSON"),
    "itself": ("a: &a [*a]\n", "an alias is inside of what it names"),
    "control characters": ("a: \x00\n", "control characters are not allowed"),
    "a number with no digits": ("a: !!int ''\n", "line 1, column 4:  is no value for its tag tag:yaml.org,2002:int"),
    "a boolean that is none": ("a: !!bool maybe\n", "maybe is no value for its tag tag:yaml.org,2002:bool"),
    "a float that is none": ("a: !!float x\n", "x is no value for its tag tag:yaml.org,2002:float"),
    "a number of 5000 digits in JSON": ('{"a": ' + "9" * 5000 + "}", "Exceeds the limit"),
    "a key twice in other words": ("1: a\n0x1: b\n", "line 2, column 1: duplicate key 1"),
    "a boolean key twice": ("true: a\nTrue: b\n", "duplicate key true"),
    "an empty key twice": ("~: a\nnull: b\n", "duplicate key null"),
    "a number and its text as keys": ("1: a\n'1': b\n", "duplicate key 1"),
    "a key that is a list": ("? [a]\n: b\n", "line 1, column 3: a key is a mapping or a list"),
    "a template of Helm": ("a: {{ .Values.a }}\n", "if this is a template, read what it renders"),
    "half a character": ('{"a": "\\ud800"}', "'\\ud800' is no character"),
    "depth that Python can parse": ("a: " + "[" * 200 + "]" * 200, "nested too deeply"),
    "depth that Python can parse, in JSON": ('{"a":' + "[" * 200 + "]" * 200 + "}", "nested too deeply"),
    "depth": ("[" * 5000 + "]" * 5000, "nest"),
    "depth in JSON": ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested too deeply"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str) -> None:
    text, printed = REFUSED[name]
    with pytest.raises(UnreadableError) as caught:
        list(parse_documents(text))
    assert printed in str(caught.value)


def test_documents_before_a_wrong_one_are_read() -> None:
    stream = parse_documents("a: 1\n---\nb: [\n")
    assert next(stream) == {"a": 1}
    with pytest.raises(UnreadableError):
        next(stream)


def test_equal_keys_of_a_configuration_and_the_line_of_what_is_wrong() -> None:
    assert parse_leniently("a: 1\na: 22:22\n") == {"a": "22:22"}
    for text, line in (("a: 1\nb: [\n", 3), ("a: 1\nb: !!int x\n", 2), ("a: \x00", 0)):
        with pytest.raises(UnreadableError) as caught:
            parse_leniently(text)
        assert caught.value.line == line
