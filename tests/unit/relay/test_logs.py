"""Relay and operator write the same lines for the same records."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from nested_docker.observability import logs as operators
from nested_docker.relay import logs
from nested_docker.settings import LogFormat


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level, logging._srcfile, logging.logThreads, logging.logProcesses
    yield
    root.handlers[:], root.level, logging._srcfile, logging.logThreads, logging.logProcesses = before
    logging.logMultiprocessing = True


def lines() -> list[dict[str, Any]]:
    handler = logging.getLogger().handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(io.StringIO())
    logger = logging.getLogger("nested_docker.relay")
    logger.info("%d is a number", 1, extra={"peer": "unix", "objects": ["a", "ü\n"]})
    logger.debug("not logged")
    try:
        int("nothing")
    except ValueError:
        logger.exception("it broke")
    return [json.loads(line) for line in handler.stream.getvalue().splitlines()]


def test_lines() -> None:
    logs.configure("info")
    logged = lines()
    assert [line["message"] for line in logged] == ["1 is a number", "it broke"]
    assert logged[0] | {"time": ""} == {
        "time": "",
        "level": "INFO",
        "logger": "nested_docker.relay",
        "message": "1 is a number",
        "peer": "unix",
        "objects": ["a", "ü\n"],
    }
    assert "ValueError: invalid literal" in logged[1]["exc_info"]
    operators.configure(LogFormat.JSON, "info")
    assert [line | {"time": ""} for line in lines()] == [line | {"time": ""} for line in logged]


def test_an_unknown_level_is_an_error() -> None:
    with pytest.raises(ValueError, match="NONSENSE"):
        logs.configure("nonsense")
