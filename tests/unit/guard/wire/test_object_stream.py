"""Streams of JSON objects that are changed on the way."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nested_docker.guard.wire.object_stream import ObjectStream
from nested_docker.guard.wire.strict_json import MAX_BODY_BYTES


def marked(document: dict[str, Any]) -> dict[str, Any] | None:
    return None if "drop" in document else {**document, "new": 1}


@given(st.lists(st.dictionaries(st.sampled_from(["drop", "a", "é\n"]), st.integers())), st.integers(1, 30))
def test_objects_are_changed_however_the_data_arrives(documents: list[dict[str, Any]], size: int) -> None:
    data = b"".join(json.dumps(each).encode() + b"\n" for each in documents)
    lines = ObjectStream(marked)
    received = b"".join(lines.feed(data[start : start + size]) for start in range(0, len(data), size)) + lines.end()
    expected = [{**each, "new": 1} for each in documents if "drop" not in each]
    assert [json.loads(line) for line in received.splitlines()] == expected


@pytest.mark.parametrize("line", [b"", b"text", b"[1]", b"7", b'{"a":', b"\xff", b"[" * 100000])
def test_what_is_not_an_object_passes(line: bytes) -> None:
    lines = ObjectStream(marked)
    assert lines.feed(line + b"\n") == line + b"\n"
    assert lines.feed(line) + lines.end() == line


def test_a_line_has_a_limit() -> None:
    lines = ObjectStream(marked)
    assert lines.feed(b"x" * MAX_BODY_BYTES) == b""
    with pytest.raises(ConnectionAbortedError, match="a line of the daemon's response exceeds 1048576 bytes"):
        lines.feed(b"x")
