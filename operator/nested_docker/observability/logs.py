"""Log lines: JSON for machines, text for people."""

from __future__ import annotations

import logging
import sys

from pythonjsonlogger.json import JsonFormatter

from nested_docker.settings import LogFormat

FIELDS = "%(asctime)s %(levelname)s %(name)s %(message)s"
RENAMED = {"asctime": "time", "levelname": "level", "name": "logger"}


def configure(format_: LogFormat, level: str) -> None:
    """Send every logger's lines to stderr, in one form.

    Args:
        format_: form of a line.
        level: least severity, such as `INFO`.

    Raises:
        ValueError: there is no such level.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter(FIELDS, rename_fields=RENAMED) if format_ == LogFormat.JSON else logging.Formatter(FIELDS)
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("kopf").setLevel(max(root.level, logging.WARNING))
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
