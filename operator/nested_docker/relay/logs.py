"""The relay's log lines, always in JSON."""

from __future__ import annotations

import logging
import sys

from nested_docker.observability.json_lines import JsonLines


def configure(level: str) -> None:
    """Send every logger's lines to stderr.

    Args:
        level: least severity, such as `INFO`.

    Raises:
        ValueError: the level does not exist.
    """
    # No line shows the caller, the thread, the process or the task, so logging need not look for them.
    logging._srcfile = None  # noqa: SLF001 - as the logging HOWTO recommends
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
