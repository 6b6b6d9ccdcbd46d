"""The relay's log lines: those of `nested_docker.observability.logs` in JSON, without what else that brings along.

A relay is a process in every pod of mode HostSocket, and each of its requests may be a line.
"""

from __future__ import annotations

import json
import logging
import sys

_OWN = frozenset({*vars(logging.makeLogRecord({})), "asctime", "message"})
"""What every record has; the rest is what the line is about."""


class Lines(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """As `logging.Formatter.format`."""
        line = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {key: value for key, value in vars(record).items() if key not in _OWN}
        if record.exc_info:
            line["exc_info"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure(level: str) -> None:
    """Send every logger's lines to stderr.

    Args:
        level: least severity, such as `INFO`.

    Raises:
        ValueError: there is no such level.
    """
    # What no line has need not be found out for each: the caller, the thread, the process, the task.
    logging._srcfile = None  # noqa: SLF001 - as the logging HOWTO has it
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
