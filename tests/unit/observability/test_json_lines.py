"""Log lines in JSON, field by field."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from nested_docker.observability.json_lines import JsonLines
from nested_docker.observability.logs import KOPF_FIELDS


def line(formatter: logging.Formatter, message: str, *args: Any, exc_info: Any = None, **fields: Any) -> dict[str, Any]:
    record = logging.LogRecord("nested_docker", logging.WARNING, "file.py", 1, message, args, exc_info)
    vars(record).update(fields)
    text = formatter.format(record)
    assert "\n" not in text
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def test_a_line_has_time_level_logger_message_and_the_callers_fields() -> None:
    found = line(JsonLines(), "%d of %s\n", 1, "x", namespace="team-a", count=2)
    assert list(found) == ["time", "level", "logger", "message", "namespace", "count"]
    assert datetime.strptime(found.pop("time"), "%Y-%m-%d %H:%M:%S,%f").replace(tzinfo=UTC)
    assert found == {
        "level": "WARNING",
        "logger": "nested_docker",
        "message": "1 of x\n",
        "namespace": "team-a",
        "count": 2,
    }


def test_what_json_does_not_have_is_written_as_text() -> None:
    assert line(JsonLines(), "m", at=datetime(2030, 1, 1, tzinfo=UTC))["at"] == "2030-01-01 00:00:00+00:00"


def test_an_exception_and_a_stack_have_fields() -> None:
    try:
        int("nothing")
    except ValueError:
        found = line(JsonLines(), "m", exc_info=sys.exc_info(), stack_info="Stack (most recent call last):\n  here")
    assert "ValueError: invalid literal" in found["exc_info"]
    assert found["stack_info"].endswith("here")


def test_what_kopf_attaches_for_itself_is_omitted() -> None:
    attached = {"settings": object(), "k8s_ref": {"uid": "x"}, "k8s_skip": True}
    assert set(attached) == set(KOPF_FIELDS)
    found = line(JsonLines(omit=KOPF_FIELDS), "m", nested_docker="build", **attached)
    assert found.keys() == {"time", "level", "logger", "message", "nested_docker"}
