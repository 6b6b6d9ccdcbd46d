"""Log lines: JSON for machines, text for people."""

from __future__ import annotations

import logging
import sys

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from nested_docker.settings import LogFormat

FIELDS = "%(asctime)s %(levelname)s %(name)s %(message)s"
KOPFS_OWN = ("settings", "k8s_ref", "k8s_skip")
"""What kopf hangs on its records for its own formatters."""

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
        JsonFormatter(FIELDS, rename_fields=RENAMED, reserved_attrs=[*RESERVED_ATTRS, *KOPFS_OWN])
        if format_ == LogFormat.JSON
        else logging.Formatter(FIELDS)
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("kopf").setLevel(max(root.level, logging.WARNING))
    logging.getLogger("kopf.objects").addFilter(_no_denial)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


def _no_denial(record: logging.LogRecord) -> bool:
    """Kopf logs each denial at admission as the failure of a handler; the audit log tells it for what it is."""
    return not (record.msg.startswith("Webhook ") and " failed permanently: " in record.msg)
