"""The chart's README: each value with the comment above it, its type and its default."""

from __future__ import annotations

from typing import Any

import pytest
from hack.chart_readme import PAGE, Value, chart_readme, values

TEXT = """\
# About the file.

# How many.
replicas: 2
probe:
  # Look at
  # nodes.
  enabled: false
# Free keys.
labels:
  # Not a value.
  a: b
pod:
  # Kubernetes' parts.
  resources:
    limits:
      memory: 1Gi
"""
SCHEMA: dict[str, Any] = {
    "properties": {
        "replicas": {"type": "integer"},
        "probe": {"type": "object", "properties": {"enabled": {"type": "boolean"}}},
        "labels": {"$ref": "#/definitions/strings"},
        "pod": {"type": "object", "properties": {"resources": {"type": "object", "properties": {"limits": {}}}}},
    },
    "definitions": {"strings": {"type": "object", "additionalProperties": {"type": "string"}}},
}


def test_the_comment_directly_above_a_key_describes_it() -> None:
    assert list(values(TEXT, SCHEMA)) == [
        Value("replicas", 2, "How many."),
        Value("probe.enabled", False, "Look at nodes."),
        Value("labels", {"a": "b"}, "Free keys."),
        Value("pod.resources", {"limits": {"memory": "1Gi"}}, "Kubernetes' parts."),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TEXT.replace("# How many.\n", ""), "values.yaml: replicas has no comment above it: write what it does"),
        (TEXT.replace("  # Look at\n  # nodes.\n", ""), "values.yaml: probe.enabled has no comment above it"),
        (TEXT + "# New.\nnew: 1\n", "values.schema.json does not know new: add it"),
    ],
)
def test_a_value_without_a_comment_or_a_schema_is_refused(text: str, message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        list(values(text, SCHEMA))


def test_no_cell_breaks_the_table_and_nothing_reads_as_html() -> None:
    page = chart_readme()
    rows = [line for line in page.splitlines() if line.startswith("| `") and not line.startswith("| `values-")]
    assert rows
    assert {len(row.replace("\\|", "").split(" | ")) for row in rows} == {4}
    assert not [row for row in rows if "<" in row]
    assert page == PAGE.read_text()
