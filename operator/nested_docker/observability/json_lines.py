"""Log lines in JSON, for the operator and for the processes in pods.

A relay runs in every pod of mode HostSocket, and each of its requests may be a line: so this module
imports nothing but the standard library.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable

STANDARD = frozenset({*vars(logging.makeLogRecord({})), "asctime", "message"})
"""Attributes that every record has; the others are the fields that the caller passed as `extra`."""


class JsonLines(logging.Formatter):
    """One JSON object per line: time, level, logger, message, then the caller's fields.

    Args:
        omit: attributes of records that are not fields, such as a framework's.
    """

    def __init__(self, omit: Iterable[str] = ()) -> None:
        super().__init__()
        self._omit = STANDARD.union(omit)

    def format(self, record: logging.LogRecord) -> str:
        """As `logging.Formatter.format`."""
        line = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in vars(record).items() if key not in self._omit}
        if record.exc_info:
            line["exc_info"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack_info"] = self.formatStack(record.stack_info)
        return json.dumps(line, default=str)
