"""The operator's log lines: JSON for machines, text for people."""

from __future__ import annotations

import logging
import sys

from nested_docker.observability.json_lines import JsonLines
from nested_docker.settings import LogFormat

TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"

KOPF_FIELDS = ("settings", "k8s_ref", "k8s_skip")
"""What kopf attaches to its records for its own formatters."""


def configure(format_: LogFormat, level: str) -> None:
    """Send every logger's lines to stderr, in one format.

    Args:
        format_: format of a line.
        level: least severity, such as `INFO`.

    Raises:
        ValueError: the level does not exist.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(omit=KOPF_FIELDS) if format_ == LogFormat.JSON else logging.Formatter(TEXT))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("kopf").setLevel(max(root.level, logging.WARNING))
    logging.getLogger("kopf.objects").addFilter(_no_denial)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


def _no_denial(record: logging.LogRecord) -> bool:
    """Kopf logs each denial at admission as the failure of a handler; the audit log has it as a denial."""
    return not (record.msg.startswith("Webhook ") and " failed permanently: " in record.msg)
